"""Music files with numbers that no music has: each is skipped with the reason."""

import math
import time

import pytest
from midi_bytes import DRUMS, metre, note, off, on, tempo, track
from midi_bytes import midi as midi_file

from music_vae_tf import wording
from music_vae_tf.commands import music_vae_inspect
from music_vae_tf.data import beats, limits, midi
from music_vae_tf.serve import songs

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


LONG = 5000  # characters


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.abc", ABC.format("C" + "'" * LONG)),
        ("a.abc", ABC.format("(" + "0" * LONG + "CDE")),
        ("a.abc", ABC.format("T:" + "t" * LONG).replace("CDEF", "[")),
        ("a.abc", ABC.replace("M:", "T:" + "t" * LONG + "\nM:").format("[")),
        ("a.xml", XML.format(**PLAIN).replace("<step>C", "<step>" + "C" * LONG)),
        ("a.xml", XML.format(**PLAIN).replace("part>", "p" * LONG + ">")),
    ],
    ids=["pitch", "tuplet", "title in the tune", "title", "step", "element"],
)
def test_a_message_is_short_whatever_it_quotes(tmp_path, name, text):
    conversion = written(tmp_path, name, text)
    assert conversion.problems and not conversion.records
    assert all(len(problem) < 1000 for problem in conversion.problems)
    with pytest.raises(midi.UnreadableMusic) as refusal:
        midi.read_music_file(tmp_path / name)
    assert len(str(refusal.value)) < 1200


def test_the_ends_of_a_long_message_are_kept():
    assert wording.shortened("short") == "short"
    text = wording.shortened("begin " + "x" * 10**6 + " (line 7)")
    assert text.startswith("begin x") and text.endswith("x (line 7)")
    assert len(text) == 600 and " [...] " in text


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


def overlapping(number):
    """Notes that all begin on a tick, released one by one, and one later."""
    events = [on(0, 60)] * number + [off(240, 60)] * (number - 1) + [off(480, 60)]
    return midi_file(track(*events))


def tempos(number):
    """A change of tempo on each tick of the first track, and as many on one tick."""
    changes = [400_000 + 100 * (i % 900) for i in range(number)]
    first = track(*(tempo(i, change) for i, change in enumerate(changes)))
    second = track(*(tempo(number, change) for change in changes), *note(0, 60, 9_999))
    return midi_file(first, second)


@pytest.mark.parametrize("reader", midi.MIDI_READERS)
@pytest.mark.parametrize("data", [overlapping(20_000), tempos(10_000)])
def test_midi_is_read_in_time_that_grows_with_its_size(tmp_path, reader, data):
    (tmp_path / "a.mid").write_bytes(data)
    started = time.process_time()
    assert midi.convert(str(tmp_path), "a.mid", reader).records
    assert time.process_time() - started < 2


SHORT_BARS = midi_file(track(metre(0, 1, 15), *note(0, 36, 2**21, DRUMS)), division=100)


def test_bars_without_number_are_refused_where_they_are_counted(tmp_path, capsys):
    sequence = midi.parse_as_daw(SHORT_BARS)
    with pytest.raises(limits.BeyondLimits, match="more than 100,000 bars"):
        beats.bars(beats.in_beats(sequence))
    with pytest.raises(limits.BeyondLimits):
        songs._bars(sequence)
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(SHORT_BARS)
        path = tmp_path / name if name == "a.mid" else tmp_path
        command = [f"--input={path}", "--config=groovae_2bar_humanize"]
        assert music_vae_inspect.run(command) == 1
        printed = "".join(capsys.readouterr())
        assert "more than 100,000 bars" in printed and "Traceback" not in printed


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e9])
def test_impossible_times_are_refused_before_they_are_counted_in_beats(seconds):
    for group, field in (
        *(("notes", "end_time"), ("notes", "start_time")),
        *(("tempos", "time"), ("time_signatures", "time")),
    ):
        sequence = midi.parse_as_daw(midi_file(track(metre(0, 4, 2), *note(0, 36))))
        setattr(getattr(sequence, group)[0], field, seconds)
        with pytest.raises(limits.BeyondLimits):
            beats.in_beats(sequence)


def test_one_limit_of_hours_holds_for_files_and_pieces(tmp_path):
    seven_hours = midi_file(track(*note(0, 36, 7 * 3600 * 2 * 100)), division=100)
    (tmp_path / "a.mid").write_bytes(seven_hours)
    _, (problem,), *_ = midi.convert(str(tmp_path), "a.mid")
    assert problem == f"absurd length: 7 hours, {limits.MAX_HOURS} at most"


def test_many_tempos_of_one_bar_are_read_in_time_that_grows_with_their_number(tmp_path):
    tempo = '<forward><duration>0.01</duration></forward><sound tempo="{}"/>'
    extra = "".join(tempo.format(60 + i % 90) for i in range(10_000))
    started = time.process_time()
    assert written(tmp_path, "a.xml", XML.format(**PLAIN | {"extra": extra})).records
    assert time.process_time() - started < 3
