"""Music files with numbers that no music has: each costs itself alone, in words."""

import pytest

from music_vae_tf.data import midi

ABC = "X:1\nM:4/4\nL:1/8\nK:C\n{}\nCDEF|\n"
XML = """<?xml version="1.0"?><score-partwise><part-list><score-part id="P1"/>
</part-list>
<part id="P1"><measure><attributes><divisions>{divisions}</divisions><time>
<beats>{beats}</beats><beat-type>4</beat-type></time></attributes>{extra}<note>
<pitch><step>C</step><alter>{alter}</alter><octave>4</octave></pitch>
<duration>1</duration><voice>{voice}</voice></note></measure></part></score-partwise>"""
PLAIN = {"divisions": "1", "beats": "4", "extra": "", "alter": "0", "voice": "1"}
STRANGE = ["1e308", "-1e308", "inf", "nan", "²", "٣", "9" * 400, "9" * 5000, "0.0001"]
DIRECTION = (
    "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>"
    "90</per-minute></metronome></direction-type>{}</direction>"
)
EXTRA = {
    "repeat": '<barline><repeat direction="backward" times="{}"/></barline>',
    "root-alter": "<harmony><root><root-step>C</root-step><root-alter>{}</root-alter>"
    "</root><kind>major</kind></harmony>",
    "degree": "<harmony><root><root-step>C</root-step></root><kind>major</kind><degree>"
    "<degree-value>{0}</degree-value><degree-alter>{0}</degree-alter></degree>"
    "</harmony>",
    "chord offset": "<harmony><root><root-step>C</root-step></root><kind>major</kind>"
    "<offset>{}</offset></harmony>",
    "offset": DIRECTION.format('<offset sound="yes">{}</offset>'),
    "tempo": '<sound tempo="{0}" dynamics="{0}"/>',
    "instrument": '<sound><midi-instrument id="a"><midi-channel>{0}</midi-channel>'
    "<midi-program>{0}</midi-program><midi-unpitched>{0}</midi-unpitched>"
    "</midi-instrument></sound>",
    "ending": '<barline><ending type="start" number="{}"/></barline>',
    "transpose": "<attributes><transpose><chromatic>{0}</chromatic><octave-change>{0}"
    "</octave-change></transpose><key><fifths>{0}</fifths></key></attributes>",
    "backup": "<backup><duration>{}</duration></backup>",
    "tuplet": "<note><rest/><type>quarter</type><time-modification><actual-notes>{0}"
    "</actual-notes><normal-notes>{0}</normal-notes></time-modification></note>",
}
DIRECTIVES = [
    *("%%MIDI program {}", "%%MIDI program 1 {}", "%%MIDI drummap C {}"),
    *("%%MIDI transpose {}", "%%MIDI channel {}", "Q:1/4={}", "Q:{}/4=100", "M:{}/4"),
    *("L:1/{}", "C{}", "C/{}", "Z{}|", "({}CDE", "[{} C:|", "P:A{}", "V:1 octave={}"),
]


def written(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return midi.convert(str(folder), name, midi.DAW)


def assert_costs_no_more_than_itself(conversion, what):
    assert conversion.records or conversion.problems, what
    for problem in conversion.problems:
        for error in ("Error:", "Exception"):
            assert error not in problem, (what, problem)


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: value[:8])
def test_strange_numbers_of_musicxml_are_left_out_or_refused_in_words(tmp_path, value):
    for field in ("divisions", "beats", "alter", "voice"):
        text = XML.format(**PLAIN | {field: value})
        conversion = written(tmp_path, "a.xml", text)
        assert_costs_no_more_than_itself(conversion, field)
    for what, extra in EXTRA.items():
        for divisions in ("1", "0.001"):
            fields = {"extra": extra.format(value), "divisions": divisions}
            conversion = written(tmp_path, "a.xml", XML.format(**PLAIN | fields))
            assert_costs_no_more_than_itself(conversion, what)


@pytest.mark.parametrize("value", [*STRANGE, "0" * 20 + "9" * 9], ids=lambda v: v[:8])
def test_strange_numbers_of_abc_are_left_out_or_refused_in_words(tmp_path, value):
    for directive in DIRECTIVES:
        text = ABC.format(directive.format(value))
        conversion = written(tmp_path, "a.abc", text)
        assert_costs_no_more_than_itself(conversion, directive)


def test_a_program_may_have_zeros_before_it(tmp_path):
    for number, program in (("0042", 42), ("0" * 30 + "127", 127), ("000128", 0)):
        written(tmp_path, "a.abc", ABC.format(f"%%MIDI program {number}"))
        sequence = midi.read_midi(tmp_path / "a.abc")
        assert {note.program for note in sequence.notes} == {program}


@pytest.mark.parametrize("error", [OverflowError("big"), RecursionError("deep")])
@pytest.mark.parametrize("name", ["a.mid", "a.xml"])
def test_any_error_of_a_reader_costs_the_file_alone(tmp_path, monkeypatch, name, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(midi.midi_daw, "read_file", fails)
    monkeypatch.setattr("music_vae_tf.data.scores.files.musicxml_and_remarks", fails)
    (tmp_path / name).write_bytes(b"anything")
    records, problems, *_ = midi.convert(str(tmp_path), name, midi.DAW)
    assert not records
    assert problems == [f"cannot be read: {type(error).__name__}: {error}"]
    for read in (midi.read_midi, midi.read_music_file):
        with pytest.raises(midi.UnreadableMusic, match=type(error).__name__):
            read(tmp_path / name)


def test_an_error_of_one_tune_costs_the_tune_alone(tmp_path, monkeypatch):
    from music_vae_tf.data.scores import abc

    whole = abc.to_note_sequence

    def fails_for_two(score, *rest):
        if score.title == "two":
            raise ZeroDivisionError("of two")
        return whole(score, *rest)

    monkeypatch.setattr(abc, "to_note_sequence", fails_for_two)
    book = "".join(f"X:{n}\nT:{n}\nK:C\nCDE|\n\n" for n in ("one", "two", "three"))
    records, (problem,), *_ = written(tmp_path, "a.abc", book)
    assert len(records) == 2
    assert problem.endswith('X:two "two", ZeroDivisionError: of two')


@pytest.mark.parametrize("name", ["a.mid", "a.xml", "a.abc", "a.mxl"])
def test_files_of_absurd_sizes_are_refused_unread(tmp_path, name):
    with open(tmp_path / name, "wb") as file:
        file.truncate(2**40)
    records, (problem,), *_ = midi.convert(str(tmp_path), name)
    assert not records and problem.startswith("absurd size: 1,099,511,627,776 bytes")
    with pytest.raises(midi.UnreadableMusic, match="absurd size"):
        midi.read_midi(tmp_path / name)


def test_too_little_memory_costs_the_file_alone(tmp_path, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(midi.midi_daw, "read_file", exhausted)
    (tmp_path / "a.mid").write_bytes(b"MThd")
    _, (problem,), *_ = midi.convert(str(tmp_path), "a.mid", midi.DAW)
    assert problem.startswith("beyond a limit: ")
