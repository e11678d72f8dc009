"""MusicXML becomes what it sounds like; what cannot be read says why."""

import io
import zipfile

import pytest

from music_vae_tf.data.scores import UnreadableScore, read_musicxml
from music_vae_tf.data.scores.musicxml import musicxml_and_remarks

TIME = "<time><beats>{}</beats><beat-type>{}</beat-type></time>"
FOUR = "<attributes><divisions>2</divisions>" + TIME.format(4, 4) + "</attributes>"


def note(pitch, duration, more="", first=""):
    """A note by its name, C4; its duration in eighths; '' is a rest."""
    name, octave = pitch[:-1], pitch[-1:]
    alter = {"#": 1, "b": -1}.get(name[1:], 0)
    what = (
        f"<pitch><step>{name[0]}</step><alter>{alter}</alter>"
        f"<octave>{octave}</octave></pitch>"
        if pitch
        else "<rest/>"
    )
    length = f"<duration>{duration}</duration>" if duration else ""
    return f"<note>{first}{what}{length}{more}</note>"


GRACE = "<grace/>"
CHORD = "<chord/>"
CUE = "<cue/>"


def tie(*types):
    return "".join(f'<tie type="{kind}"/>' for kind in types)


def direction(kind="", sound=""):
    return (
        f"<direction><direction-type>{kind or '<words/>'}</direction-type>"
        f"{f'<sound {sound}/>' if sound else ''}</direction>"
    )


def repeat(way, more=""):
    side = "left" if way == "forward" else "right"
    sign = f'<repeat direction="{way}" {more}/>'
    return f'<barline location="{side}">{sign}</barline>'


def part_list(*parts):
    return "".join(
        f'<score-part id="P{i}"><part-name>Part {i}</part-name>{more}</score-part>'
        for i, more in enumerate(parts, 1)
    )


def score(*parts, instruments=None):
    """A part is a list of measures."""
    body = "".join(
        f'<part id="P{i}">'
        + "".join(f'<measure number="{j}">{m}</measure>' for j, m in enumerate(part, 1))
        + "</part>"
        for i, part in enumerate(parts, 1)
    )
    listed = part_list(*(instruments or [""] * len(parts)))
    return (
        f'<?xml version="1.0"?><score-partwise version="4.0">'
        f"<part-list>{listed}</part-list>{body}</score-partwise>"
    ).encode()


def heard(data, **options):
    """(pitch, start, end) of the notes, in quarters of 120 a minute."""
    sequence = read_musicxml(data, **options)
    return [(n.pitch, 2 * n.start_time, 2 * n.end_time) for n in sequence.notes]


def pitches(data, **options):
    return [note.pitch for note in read_musicxml(data, **options).notes]


def test_notes_rests_and_chords_sound_in_their_time():
    bar = note("C4", 2) + note("", 2) + note("D4", 4) + note("F#4", 4, first=CHORD)
    assert heard(score([FOUR + bar])) == [(60, 0, 1), (66, 2, 4), (62, 2, 4)]


def test_voices_go_back_and_forward():
    bar = (
        note("C5", 8)
        + "<backup><duration>8</duration></backup>"
        + "<forward><duration>4</duration></forward>"
        + note("C3", 4)
    )
    assert heard(score([FOUR + bar])) == [(72, 0, 4), (48, 2, 4)]


def test_tied_notes_are_one():
    bars = [
        FOUR + note("C5", 8, tie("start")),
        note("C5", 8, tie("stop", "start")),
        note("C5", 2, tie("stop")) + note("C5", 6),
    ]
    assert heard(score(bars)) == [(72, 0, 9), (72, 9, 12)]


def test_a_tie_holds_for_its_note_of_a_chord_alone():
    bar = (
        note("C4", 4, tie("start"))
        + note("E4", 4, first=CHORD)
        + note("C4", 4, tie("stop"))
        + note("E4", 4, first=CHORD)
    )
    assert heard(score([FOUR + bar])) == [(64, 0, 2), (60, 0, 4), (64, 2, 4)]


def test_a_tie_may_go_into_another_voice():
    bar = (
        note("C4", 4, tie("start") + "<voice>1</voice>")
        + note("", 4, "<voice>1</voice>")
        + "<backup><duration>4</duration></backup>"
        + note("C4", 4, tie("stop") + "<voice>2</voice>")
    )
    assert heard(score([FOUR + bar])) == [(60, 0, 4)]


def test_a_note_that_is_tied_into_a_grace_note_is_struck_once():
    bar = (
        note("C4", 4, tie("start"))
        + note("C4", 0, tie("stop"), first=GRACE)
        + note("E4", 0, "", first=GRACE)
        + note("G4", 4)
    )
    assert heard(score([FOUR + bar])) == [(60, 0, 1.875), (64, 1.875, 2), (67, 2, 4)]


def test_the_ties_of_an_arpeggio_hold_its_notes():
    bar = note("C4", 1, tie("start")) + note("E4", 1) + note("C4", 6, tie("stop"))
    assert heard(score([FOUR + bar])) == [(60, 0, 4), (64, 0.5, 1)]


def test_grace_notes_sound_shortly_before_the_beat():
    bar = note("C4", 4) + note("D4", 0, first=GRACE) + note("E4", 0, first=GRACE)
    assert heard(score([FOUR + bar + note("F4", 4)])) == [
        (60, 0, 1.75),
        (62, 1.75, 1.875),
        (64, 1.875, 2),
        (65, 2, 4),
    ]


def test_a_grace_note_before_all_takes_its_time_from_the_first_note():
    bar = note("D4", 0, first=GRACE) + note("C4", 8)
    assert heard(score([FOUR + bar])) == [(62, 0, 0.125), (60, 0.125, 4)]


def test_a_grace_note_at_the_end_of_a_bar_comes_before_the_next():
    bars = [FOUR + note("C4", 8) + note("D4", 0, first=GRACE), note("E4", 8)]
    assert heard(score(bars)) == [(60, 0, 3.875), (62, 3.875, 4), (64, 4, 8)]


def test_cue_notes_do_not_sound_but_take_their_time():
    assert heard(score([FOUR + note("C4", 4, first=CUE) + note("D4", 4)])) == [
        (62, 2, 4)
    ]


KIT = "".join(
    f'<score-instrument id="I{n}"><instrument-name/></score-instrument>'
    for n in (36, 38)
) + "".join(
    f'<midi-instrument id="I{n}"><midi-channel>10</midi-channel>'
    f"<midi-unpitched>{n + 1}</midi-unpitched></midi-instrument>"
    for n in (36, 38)
)


def stroke(step, octave, duration, more=""):
    return (
        f"<note><unpitched><display-step>{step}</display-step>"
        f"<display-octave>{octave}</display-octave></unpitched>"
        f"<duration>{duration}</duration>{more}</note>"
    )


def test_percussion_sounds_as_its_midi_unpitched_less_one():
    drums = stroke("F", 4, 4, '<instrument id="I36"/>')
    drums += stroke("C", 5, 4, '<instrument id="I38"/>')
    data = score([FOUR + note("C4", 8)], [FOUR + drums], instruments=["", KIT])
    notes = read_musicxml(data).notes
    assert [(n.pitch, n.is_drum, n.part) for n in notes] == [
        (60, False, 0),
        (36, True, 1),
        (38, True, 1),
    ]
    assert len({(n.instrument, n.is_drum) for n in notes}) == 2


def test_percussion_without_numbers_goes_by_its_name_or_its_place():
    named = (
        '<score-instrument id="X"><instrument-name>Triangle</instrument-name>'
        "</score-instrument>"
    )
    strokes = stroke("F", 4, 4) + stroke("C", 5, 4)
    assert pitches(score([FOUR + strokes])) == [36, 38]
    with_name = strokes.replace("</note>", '<instrument id="X"/></note>')
    assert pitches(score([FOUR + with_name], instruments=[named])) == [81, 81]


def test_a_stroke_of_an_unknown_drum_is_left_out_and_counted():
    sequence, remarks = musicxml_and_remarks(
        score([FOUR + stroke("A", 2, 4) + note("C4", 4)])
    )
    assert len(sequence.notes) == 1
    assert remarks == ["unpitched notes of an unknown drum: 1 left out"]


def test_pitched_notes_on_channel_10_are_drums():
    kit = (
        '<score-instrument id="I"><instrument-name>Kit</instrument-name>'
        '</score-instrument><midi-instrument id="I"><midi-channel>10</midi-channel>'
        "</midi-instrument>"
    )
    (only,) = read_musicxml(score([FOUR + note("C2", 8)], instruments=[kit])).notes
    assert (only.pitch, only.is_drum) == (36, True)


def test_programs_and_names_of_parts_are_kept():
    flute = (
        '<score-instrument id="I"><instrument-name>Flute</instrument-name>'
        '</score-instrument><midi-instrument id="I"><midi-program>74</midi-program>'
        "</midi-instrument>"
    )
    sequence = read_musicxml(score([FOUR + note("C5", 8)], instruments=[flute]))
    assert sequence.notes[0].program == 73
    assert [info.name for info in sequence.part_infos] == ["Part 1"]


def test_transposing_instruments_sound_where_they_sound():
    clarinet = (
        "<attributes><divisions>2</divisions><key><fifths>2</fifths></key><transpose>"
        "<diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>"
    )
    octave = (
        "<attributes><transpose><chromatic>0</chromatic>"
        "<octave-change>-1</octave-change></transpose></attributes>"
    )
    sequence = read_musicxml(score([clarinet + note("D4", 8), octave + note("D4", 8)]))
    assert [note.pitch for note in sequence.notes] == [60, 50]


@pytest.mark.parametrize(
    "sign",
    [
        '<sound tempo="60"/>',
        direction(sound='tempo="60"'),
        direction(
            "<metronome><beat-unit>quarter</beat-unit><per-minute>60</per-minute>"
            "</metronome>"
        ),
        direction(
            "<metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
            "<per-minute>c. 40</per-minute></metronome>"
        ),
        direction(
            "<metronome><beat-unit>half</beat-unit><per-minute>90</per-minute>"
            "</metronome>",
            'tempo="60"',
        ),
    ],
)
def test_a_tempo_counts_wherever_it_stands(sign):
    sequence = read_musicxml(score([FOUR + note("C4", 4) + sign + note("D4", 4)]))
    assert [(t.time, t.qpm) for t in sequence.tempos] == [(0, 120), (1, 60)]
    assert [(n.start_time, n.end_time) for n in sequence.notes] == [(0, 1), (1, 3)]


def test_the_tempo_of_a_second_part_counts():
    slow = FOUR + '<sound tempo="60"/>'
    sequence = read_musicxml(score([FOUR + note("C4", 8)], [slow + note("C3", 8)]))
    assert sequence.total_time == 4


def test_a_bar_that_is_played_again_has_its_tempo_again():
    bars = [
        FOUR + '<sound tempo="120"/>' + note("C4", 8),
        '<sound tempo="60"/>' + note("D4", 8) + direction(sound='dacapo="yes"'),
    ]
    sequence = read_musicxml(score(bars))
    assert [(t.time, t.qpm) for t in sequence.tempos] == [
        (0, 120),
        (2, 60),
        (6, 120),
        (8, 60),
    ]


def ended(number, inner, back=False):
    start = (
        f'<barline location="left"><ending number="{number}" type="start"/></barline>'
    )
    sign = '<repeat direction="backward"/>' if back else ""
    kind = "stop" if back else "discontinue"
    stop = f'<ending number="{number}" type="{kind}"/>'
    return f'{start}{inner}<barline location="right">{stop}{sign}</barline>'


def test_repeats_and_endings_are_played_unless_they_are_left():
    bars = [
        FOUR + repeat("forward") + note("C4", 8),
        ended(1, note("D4", 8), back=True),
        ended(2, note("E4", 8)),
        note("F4", 8),
    ]
    assert pitches(score(bars)) == [60, 62, 60, 64, 65]
    assert pitches(score(bars), repeats=False) == [60, 62, 64, 65]


def test_repeats_count_in_whichever_part_they_stand():
    one, other = [FOUR + note("C4", 8), note("D4", 8)], [FOUR + note("C3", 8)] * 2
    other = [other[0] + repeat("backward", 'times="3"'), other[1]]
    assert len(pitches(score(one, other))) == 2 * 4


@pytest.mark.parametrize(
    ("at_segno", "at_fine", "at_end"),
    [
        (
            direction("<segno/>"),
            direction("<words>Fine</words>"),
            "<words>D.S. al Fine",
        ),
        (
            direction(sound='segno="s"'),
            direction(sound='fine="yes"'),
            'dalsegno="s"',
        ),
    ],
)
def test_a_dal_segno_goes_on_to_the_fine(at_segno, at_fine, at_end):
    last = (
        direction(at_end + "</words>")
        if at_end.startswith("<")
        else direction(sound=at_end)
    )
    bars = [
        FOUR + note("C4", 8),
        at_segno + note("D4", 8),
        note("E4", 8) + at_fine,
        note("F4", 8) + last,
    ]
    assert pitches(score(bars)) == [60, 62, 64, 65, 62, 64]


@pytest.mark.parametrize(
    ("leave", "coda"),
    [
        (direction(sound='tocoda="c"'), direction("<coda/>", 'coda="c"')),
        (direction("<coda/>"), direction("<coda/>")),
        (direction("<words>To Coda</words>"), direction("<coda/>")),
    ],
)
def test_a_da_capo_goes_to_the_coda(leave, coda):
    bars = [
        FOUR + note("C4", 8) + leave,
        note("D4", 8) + direction("<words>D.C. al Coda</words>"),
        coda + note("E4", 8),
    ]
    assert pitches(score(bars)) == [60, 62, 60, 64]


def signatures(data):
    return [
        (2 * s.time, s.numerator, s.denominator)
        for s in read_musicxml(data).time_signatures
    ]


def test_an_upbeat_keeps_the_bars_in_place():
    bars = [FOUR + note("C4", 2), note("D4", 8), note("E4", 6)]
    assert signatures(score(bars)) == [(0, 1, 4), (1, 4, 4)]


def test_a_bar_with_a_repeat_sign_inside_is_one_bar():
    bars = [FOUR + note("C4", 6) + repeat("backward"), note("D4", 2), note("E4", 8)]
    assert signatures(score(bars)) == [(0, 3, 4), (3, 4, 4)]


def test_odd_and_changing_metres_are_kept():
    five = "<attributes><divisions>2</divisions>" + TIME.format("3+2", 8)
    bars = [five + "</attributes>" + note("C4", 5), FOUR + note("D4", 8)]
    assert signatures(score(bars)) == [(0, 5, 8), (2.5, 4, 4)]


def test_a_whole_measure_rest_is_as_long_as_the_bar():
    three = f"<attributes><divisions>2</divisions>{TIME.format(3, 4)}</attributes>"
    rest = '<note><rest measure="yes"/><duration>8</duration></note>'
    assert heard(score([three + rest, note("C4", 6)])) == [(60, 3, 6)]


def test_keys_are_those_that_sound():
    minor = (
        "<attributes><divisions>2</divisions><key><fifths>-3</fifths>"
        "<mode>minor</mode></key></attributes>"
    )
    (key,) = read_musicxml(score([minor + note("C4", 8)])).key_signatures
    assert (key.key, key.mode) == (key.C, key.MINOR)


def test_dynamics_hold_until_the_next_in_their_part():
    forte, piano = (direction(f"<dynamics><{d}/></dynamics>") for d in ("f", "p"))
    bars = [FOUR + note("C4", 2) + forte + note("D4", 2) + piano + note("E4", 4)]
    data = score(bars, [FOUR + note("C3", 8)])
    velocity = {n.pitch: n.velocity for n in read_musicxml(data).notes}
    assert velocity[60] == velocity[48] == 64
    assert velocity[62] > 64 > velocity[64]
    own = FOUR + note("C4", 8).replace("<note>", '<note dynamics="100">')
    assert read_musicxml(score([own])).notes[0].velocity == 90


def test_chord_symbols_become_annotations():
    symbol = (
        "<harmony><root><root-step>B</root-step><root-alter>-1</root-alter></root>"
        "<kind>minor-seventh</kind><bass><bass-step>D</bass-step></bass></harmony>"
    )
    sequence = read_musicxml(score([FOUR + note("C4", 4) + symbol + note("D4", 4)]))
    assert [(a.time, a.text) for a in sequence.text_annotations] == [(1, "Bbm7/D")]


def test_quarter_tones_are_rounded_up():
    data = score([FOUR + note("C4", 8)]).replace(b"<alter>0<", b"<alter>0.5<")
    assert pitches(data) == [61]


def test_scores_by_measures_are_read():
    data = (
        f"<score-timewise><part-list>{part_list('', '')}</part-list>"
        f"<measure number='1'><part id='P1'>{FOUR}{note('C4', 8)}</part>"
        f"<part id='P2'>{FOUR}{note('C3', 8)}</part></measure>"
        f"<measure number='2'><part id='P1'>{note('D4', 8)}</part></measure>"
        "</score-timewise>"
    ).encode()
    assert heard(data) == [(60, 0, 4), (48, 0, 4), (62, 4, 8)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_encodings_of_the_wild_are_read(encoding):
    text = score([FOUR + note("C4", 8)]).decode().replace("Part 1", "Flöte")
    text = text.replace('"1.0"', f'"1.0" encoding="{encoding.removesuffix("-sig")}"')
    sequence = read_musicxml(text.encode(encoding))
    assert sequence.part_infos[0].name == "Flöte"


def mxl(data, name="score.xml", **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        archive.writestr("mimetype", "application/vnd.recordare.musicxml")
        archive.writestr(name, data)
    return buffer.getvalue()


def test_compressed_scores_are_read_with_and_without_a_container():
    data = score([FOUR + note("C4", 8)])
    assert pitches(mxl(data)) == [60]
    assert pitches(mxl(data, "a/b.musicxml")) == [60]


def bomb():
    return mxl(b"<score-partwise>" + b"<a/>" * 2**20 + b"</score-partwise>")


ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    b"<score-partwise>&b;</score-partwise>"
)
LONG = FOUR + note("C4", 8).replace(">8<", ">1e9<")
HIGH = FOUR + note("C4", 8).replace("<octave>4", "<octave>99")
DEEP = b"<score-partwise>" + b"<a>" * 500 + b"</a>" * 500 + b"</score-partwise>"
EXPLODING = FOUR + note("C4", 8) + repeat("backward", 'times="99999"')
SLOW = EXPLODING.replace("99999", "20000")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<drumkit_info/>", "not MusicXML: an XML file of <drumkit_info>"),
        (b"Hello", "not MusicXML: no well-formed XML"),
        (score([FOUR + note("", 8)]), "no notes"),
        (score(), "no notes"),
        (score([LONG]), "absurd length: 5e\\+08 quarter notes in measure 1"),
        (score([LONG.replace("1e9", "1e300")]), "absurd length: 5e\\+299"),
        (score([LONG.replace("1e9", "nan")]), "a duration of 'nan'"),
        (score([HIGH]), "outside MIDI's range: C99 in measure 1 is number 1200"),
        (score([EXPLODING]), "its repeats give more than 25000 bars"),
        (score([SLOW]), "lasts longer than 6 hours"),
        (ENTITIES, "refused: it declares the entity 'a'"),
        (DEEP, "refused: more than"),
        (bomb(), "refused: score.xml would unpack to"),
        (mxl(b"x", "picture.png"), "without a MusicXML score"),
        (b"PK\3\4", "damaged .mxl archive"),
    ],
)
def test_what_cannot_be_read_says_why(data, reason):
    with pytest.raises(UnreadableScore, match=reason):
        read_musicxml(data)


@pytest.mark.parametrize("number", ["0", "-5", "1e-9", "1e300", "nan", "x"])
def test_absurd_divisions_are_left_out(number):
    data = score([FOUR.replace(">2<", f">{number}<") + note("C4", 2)])
    assert end_of(data) == 1.0  # a quarter has one division where none are given


@pytest.mark.parametrize("actual", ["0", "-3", "1e-300", "1e300", "nan"])
def test_absurd_tuplets_never_crash(actual):
    ratio = (
        f"<type>half</type><time-modification><actual-notes>{actual}</actual-notes>"
        "<normal-notes>1</normal-notes></time-modification>"
    )
    data = score([FOUR + note("C4", 0, ratio) + note("D4", 2)])
    assert 62 in [n.pitch for n in read_musicxml(data).notes]


def end_of(data):
    return read_musicxml(data).notes[0].end_time


def test_a_path_is_read_as_well(tmp_path):
    (tmp_path / "a.musicxml").write_bytes(score([FOUR + note("C4", 8)]))
    assert pitches(tmp_path / "a.musicxml") == [60]
