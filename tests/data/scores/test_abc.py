"""ABC becomes what it sounds like; a tune that cannot be read costs itself alone."""

import re

import pytest

from music_vae_tf.data.scores import UnreadableScore, read_abc

HEADER = "X:1\nT:Made up\nM:4/4\nL:1/4\n"


def tune(music, key="C", header=HEADER):
    return f"{header}K:{key}\n{music}\n"


def only(text, **options):
    """The NoteSequence of the only tune."""
    (found,) = read_abc(text, **options)
    assert found.error is None, found.error
    return found.sequence


def heard(music, key="C", header=HEADER, **options):
    """(pitch, start, duration) in quarters, of notes in their order."""
    sequence = only(tune(music, key, header), **options)
    return [
        (n.pitch, round(2 * n.start_time, 6), round(2 * (n.end_time - n.start_time), 6))
        for n in sequence.notes
    ]


def pitches(*arguments, **options):
    return [pitch for pitch, _, _ in heard(*arguments, **options)]


def durations(*arguments, **options):
    return [duration for _, _, duration in heard(*arguments, **options)]


def test_notes_have_their_octaves_and_lengths():
    assert heard("C,, C c' d2 e/ f// g/4 a3/2") == [
        (36, 0, 1),
        (60, 1, 1),
        (84, 2, 1),
        (74, 3, 2),
        (76, 5, 0.5),
        (77, 5.5, 0.25),
        (79, 5.75, 0.25),
        (81, 6, 1.5),
    ]


def test_rests_take_their_time():
    assert heard("C z D x/2 E y F|") == [
        (60, 0, 1),
        (62, 2, 1),
        (64, 3.5, 1),
        (65, 4.5, 1),
    ]


def test_rests_of_whole_bars_are_as_long_as_the_metre_says():
    assert heard("C4|Z2|D4|Z|[M:3/4]Z|E3|")[1:] == [(62, 12, 4), (64, 23, 3)]


@pytest.mark.parametrize(
    ("written", "metre", "each"),
    [
        ("(3CDE F", "4/4", [2 / 3] * 3 + [1]),
        ("(2CD E", "6/8", [1.5] * 2 + [1]),
        ("(4CDEF G", "6/8", [3 / 4] * 4 + [1]),
        ("(5CDEFG A", "4/4", [2 / 5] * 5 + [1]),
        ("(5CDEFG A", "6/8", [3 / 5] * 5 + [1]),
        ("(3:2:2C2D F", "4/4", [4 / 3, 2 / 3, 1]),
        ("(3::4CDEF G", "4/4", [2 / 3] * 4 + [1]),
        ("(3C z D E", "4/4", [2 / 3, 2 / 3, 1]),
    ],
)
def test_tuplets(written, metre, each):
    header = HEADER.replace("4/4", metre)
    assert durations(written, header=header) == pytest.approx(each, abs=1e-5)


@pytest.mark.parametrize(
    ("written", "each"),
    [
        ("C>D", [1.5, 0.5]),
        ("C<D", [0.5, 1.5]),
        ("C>>D", [1.75, 0.25]),
        ("C > D", [1.5, 0.5]),
        ("C>{e}D", [1.5, 0.5]),
        ("C>D E", [1.5, 0.5, 1]),
        ("(3C>DE", [1, 1 / 3, 2 / 3]),
    ],
)
def test_broken_rhythm(written, each):
    found = [d for pitch, _, d in heard(written) if pitch != 76]
    # The grace note takes a 32nd from the note before it.
    each = [each[0] - 0.125, *each[1:]] if "{" in written else each
    assert found == pytest.approx(each, abs=1e-5)


def test_grace_notes_sound_shortly_before_the_beat():
    assert heard("C {de}F") == [
        (60, 0, 0.75),
        (74, 0.75, 0.125),
        (76, 0.875, 0.125),
        (65, 1, 1),
    ]


def test_chords_sound_together():
    assert heard("[CEG]2 [ce]/") == [
        (67, 0, 2),
        (64, 0, 2),
        (60, 0, 2),
        (76, 2, 0.5),
        (72, 2, 0.5),
    ]
    assert durations("[C2E2]2 D") == [4, 4, 1]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("C4-|C4-|C4|", [(60, 0, 12)]),
        ("C2-C2 D", [(60, 0, 4), (62, 4, 1)]),
        ("C2 -C2", [(60, 0, 4)]),
        ("[CE]-[CE]", [(64, 0, 2), (60, 0, 2)]),
        ("[C-E][CE]", [(64, 0, 1), (60, 0, 2), (64, 1, 1)]),
        ("C-D C", [(60, 0, 1), (62, 1, 1), (60, 2, 1)]),
        ("^C4-|C2 C2|", [(61, 0, 6), (60, 6, 2)]),
    ],
)
def test_ties(written, expected):
    assert heard(written) == expected


def test_slurs_and_decorations_change_nothing():
    written = "(C(D)E) .F ~G uA !trill!c +fermata+d Te \\\nHf"
    assert pitches(written) == [60, 62, 64, 65, 67, 69, 72, 74, 76, 77]


def test_accidentals_hold_to_the_bar_line_in_all_octaves():
    assert pitches("^F F f =F|F _B __B ^^C") == [66, 66, 78, 65, 65, 70, 69, 62]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("G", [60, 66, 71]),
        ("Bb", [60, 65, 70]),
        ("F#m", [61, 66, 71]),
        ("Ddor", [60, 65, 71]),
        ("D Mixolydian", [60, 66, 71]),
        ("E phrygian", [60, 65, 71]),
        ("A minor", [60, 65, 71]),
        ("Cm", [60, 65, 70]),
        ("HP", [61, 66, 71]),
        ("D exp ^f", [60, 66, 71]),
        ("D =c", [60, 66, 71]),
        ("none", [60, 65, 71]),
        ("", [60, 65, 71]),
        ("C#", [61, 66, 72]),
        ("G clef=bass", [60, 66, 71]),
        ("C transpose=-2", [58, 63, 69]),
        ("C octave=1", [72, 77, 83]),
        ("C treble-8", [48, 53, 59]),
    ],
)
def test_keys(key, expected):
    assert pitches("C F B", key) == expected


def test_keys_are_kept():
    (key,) = only(tune("C", "Ddor")).key_signatures
    assert (key.key, key.mode) == (key.D, key.DORIAN)


def test_fields_change_within_a_tune():
    assert heard("F[K:G]F|[L:1/8]FF|\nL:1/2\nK:C\nF|") == [
        (65, 0, 1),
        (66, 1, 1),
        (66, 2, 0.5),
        (66, 2.5, 0.5),
        (65, 3, 2),
    ]


def test_without_a_unit_length_the_metre_decides():
    assert durations("C", header="X:1\nM:2/4\n") == [0.25]
    assert durations("C", header="X:1\nM:6/8\n") == [0.5]
    assert durations("C", header="X:1\n") == [0.5]


@pytest.mark.parametrize(
    ("field", "qpm"),
    [
        ("1/4=90", 90),
        ("3/8=60", 90),
        ('"Allegro" 1/4=90', 90),
        ('1/4=90 "Allegro"', 90),
        ("1/4 1/8=60", 90),
        ("180", 180),  # of unit note lengths, a quarter here
        ("C=90", 90),
        ('"Allegro"', 120),
        ("1/4=0", 120),
    ],
)
def test_tempos(field, qpm):
    (tempo,) = only(tune("C", header=f"{HEADER}Q:{field}\n")).tempos
    assert tempo.qpm == qpm


def test_a_tempo_may_change():
    sequence = only(tune("C[Q:1/4=60]D|"))
    assert [(t.time, t.qpm) for t in sequence.tempos] == [(0, 120), (0.5, 60)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("|:CD:|E|", "CDCDE"),
        ("CD:|E|", "CDCDE"),
        ("|:C::D:|", "CCDD"),
        ("|:C:||:D:|", "CCDD"),
        ("|:C[|]:|D[|]", "CCD"),
        ("|::C::|", "CCC"),
        ("|:C|1D:|2E|]", "CDCE"),
        ("|:C|[1D:|[2E||F", "CDCEF"),
        ("|:C|1D:|2E:|F", "CDCEF"),
        ("|:C|1,2D:|3E|]", "CDCDCE"),
        ("|:C|1-3D:|4E|]", "CDCDCDCE"),
        ("C|1D:|2E|]", "CDCE"),
        ("C!fine!|D!D.C.!|", "CDC"),
        ("C|!segno!D!fine!|E!D.S.!|", "CDED"),
        ('C"^Fine"|D"^D.C. al Fine"|', "CDC"),
        ("C|SD|E!dacoda!|F!D.S.alcoda!|OG|", "CDEFDEG"),
    ],
)
def test_repeats_endings_and_jumps(written, expected):
    letters = "".join("C D EF G"[pitch - 60] for pitch in pitches(written))
    assert letters == expected


def test_repeats_may_be_left_alone():
    assert pitches("|:C|1D:|2E|]", repeats=False) == [60, 62, 64]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ABA", "CDEFCD"),
        ("A2.B", "CDCDEF"),
        ("(AB)2", "CDEFCDEF"),
        ("B", "EF"),
        ("", "CDEF"),
    ],
)
def test_parts_are_played_in_their_order(order, expected):
    music = "P:A\nCD|\nP:B\nEF|"
    found = pitches(music, header=f"{HEADER}P:{order}\n")
    assert "".join("C D EF"[pitch - 60] for pitch in found) == expected


def test_a_part_that_is_a_sign_is_not_a_part():
    music = "P:A\nC|\nP:segno\nD|\nP:B\nE|"
    assert pitches(music, header=f"{HEADER}P:AB\n") == [60, 62, 64]


@pytest.mark.parametrize(
    "music",
    [
        "V:1\nCD|\nV:2\nEF|\nV:1\nG|\nV:2\nA|",
        "[V:1]CD|\n[V:2]EF|\n[V:1]G|\n[V:2]A|",
    ],
)
def test_voices_sound_together(music):
    header = f'{HEADER}V:1 name="Flute"\nV:2\n'
    expected = [(64, 0, 1), (60, 0, 1), (65, 1, 1), (62, 1, 1), (69, 2, 1), (67, 2, 1)]
    assert sorted(heard(music, header=header)) == sorted(expected)
    sequence = only(tune(music, header=header))
    assert [info.name for info in sequence.part_infos] == ["Flute", ""]
    assert {note.part for note in sequence.notes} == {0, 1}


def test_a_voice_without_repeat_signs_follows_the_other():
    music = "V:1\n|:C4:|\nV:2\nE4|"
    assert pitches(music) == [60, 64, 60, 64]


def test_overlays_sound_together():
    assert heard("C2 & E G|A") == [(64, 0, 1), (60, 0, 2), (67, 1, 1), (69, 2, 1)]


def test_programs_and_drums_of_midi_directives():
    sequence = only(tune("C", header=f"{HEADER}%%MIDI program 73\n"))
    assert sequence.notes[0].program == 73
    drums = "%%MIDI channel 10\n%%MIDI drummap F 36\nF C"
    notes = only(tune(drums)).notes
    assert [(n.pitch, n.is_drum) for n in notes] == [(36, True), (60, True)]
    staff = only(tune("F c", "C clef=perc")).notes
    assert [(n.pitch, n.is_drum) for n in staff] == [(36, True), (38, True)]


def test_dynamics_hold_until_the_next():
    sequence = only(tune("C !p!D E !ff!F"))
    assert [note.velocity for note in sequence.notes] == [90, 60, 60, 120]


def test_chord_symbols_are_annotations_and_other_texts_are_not():
    sequence = only(tune('"Am"C "^slow"D "G7/B"E'))
    found = [(a.time, a.text) for a in sequence.text_annotations]
    assert found == [(0, "Am"), (1, "G7/B")]


def signatures(music, **options):
    found = only(tune(music, **options)).time_signatures
    return [(2 * s.time, s.numerator, s.denominator) for s in found]


def test_upbeats_and_odd_metres_keep_the_bars():
    assert signatures("C|CDEF|CDE|") == [(0, 1, 4), (1, 4, 4)]
    assert signatures("CDEFG|C5|", header=HEADER.replace("4/4", "5/4")) == [(0, 5, 4)]
    assert signatures("C4|[M:3/4]C3|") == [(0, 4, 4), (4, 3, 4)]
    # A bar with a repeat sign inside is one bar.
    assert signatures("CDE:|F|CDEF|") == [(0, 3, 4), (3, 4, 4)]
    # A full bar of another metre is not the rest of an upbeat.
    assert signatures("C|[M:3/4]CDE|") == [(0, 1, 4), (1, 3, 4)]


def test_lyrics_comments_and_other_fields_are_not_music():
    music = "CD|% EF\nw: c d e f\nN: note\n%%text abc\nE[r:remark]F|\nW: a b c"
    assert pitches(music) == [60, 62, 64, 65]


BOOK = """\
%abc-2.1
L:1/4

X:1
T:One
K:C
CD|

Some words between the tunes, a b c.

X:1
T:Two
K:G
F|
X:7
T:Three
K:C
[CE|
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_book_has_its_tunes(encoding, ending):
    text = BOOK.replace("Two", "Zwölf").replace("\n", ending)
    one, two, three = read_abc(text.encode(encoding))
    assert [(t.number, t.title) for t in (one, two, three)] == [
        ("1", "One"),
        ("1", "Zwölf"),
        ("7", "Three"),
    ]
    assert [note.pitch for note in one.sequence.notes] == [60, 62]
    assert [note.pitch for note in two.sequence.notes] == [66]
    assert two.sequence.notes[0].end_time == 0.5
    assert three.sequence is None
    assert three.error == "[ is not closed (line 18)"


def test_a_tune_without_a_number_is_the_first():
    assert only("K:C\nC\n").notes[0].pitch == 60


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (tune("C9999999"), "absurd length: a note of .* quarters"),
        (tune("C,,,,,,,,"), "C,,,,,,,, is number -36"),
        (tune("C/0"), "a note length of /0"),
        (tune("(0CDE"), r"\(0 is not a tuplet"),
        (tune("[CE"), r"\[ is not closed"),
        (tune("C\x01"), "not text: the character"),
        (tune("z4|"), "no notes"),
        ("X:1\nT:no key\nCDEF", "no line begins with K:"),
        (tune("C", "Q#"), "K:Q# is not a key"),
        (tune("C", header=HEADER.replace("4/4", "4/x")), "M:4/x is not a metre"),
        (tune("C", header=f"{HEADER}L:x\n"), "L:x is not a note length"),
        (tune("P:A\nC|", header=f"{HEADER}P:((A999)999)999\n"), "more than 1000 parts"),
        (
            tune("P:A\nC|", header=f"{HEADER}P:{'(' * 99}A\n"),
            "more than 20 parentheses",
        ),
        (tune("Z9999|" * 99 + "C"), "more than|lasts longer"),
        (tune("C" * 2_000_000), "characters; 1,048,576 are the limit"),
        (tune("{" + "g" * 300_000 + "}C"), "a group of 300002 characters"),
    ],
)
def test_a_tune_that_cannot_be_read_says_why(text, error):
    broken, good = read_abc(f"{text}\n\nX:2\nK:C\nC\n")
    assert broken.sequence is None
    assert re.search(error, broken.error), broken.error
    assert good.sequence.notes[0].pitch == 60


def test_what_has_no_meaning_is_named():
    (found,) = read_abc(tune("C @ D 7"))
    assert len(found.sequence.notes) == 2
    assert found.remarks == (
        "1 characters '@' without a meaning in ABC left out",
        "1 characters '7' without a meaning in ABC left out",
    )


@pytest.mark.parametrize("data", [b"", b"\n\n", b"Hello\n", b"\x00\x01\x02"])
def test_what_is_not_a_book_is_refused(data):
    with pytest.raises(UnreadableScore, match="no tune in it"):
        read_abc(data)
