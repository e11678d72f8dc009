"""Stages 1 to 5: files, keys, clefs, elements, data frames."""

import pytest
from piano_files import two_hands, write_piano

from music_vae_tf.data.clefs import (
    NotUsable,
    extraction,
    files,
    frames,
    keys,
    splitting,
)
from music_vae_tf.data.clefs.extraction import Element
from music_vae_tf.data.clefs.keys import Key, UnknownKey
from music_vae_tf.data.clefs.splitting import Part, split

music21 = pytest.importorskip("music21")


def part_of(*pitches, staff=None):
    return Part(
        [Element(24 * i, 24, "quarter", (p,)) for i, p in enumerate(pitches)], staff
    )


def pitches_on(staff):
    return [p for part in staff for element in part for p in element.pitches]


# 1 Sampling.


def test_a_sample_of_files_depends_on_the_seed_alone():
    names = [f"{i}.mid" for i in range(20)]
    drawn = files.sample_files(names, 5, seed=1)
    assert drawn == files.sample_files(names[::-1], 5, seed=1)
    assert len(set(drawn)) == 5 and drawn == sorted(drawn)
    assert drawn != files.sample_files(names, 5, seed=2)
    assert files.sample_files(names, None, seed=1) == sorted(names)


def test_music21s_bach_is_a_corpus():
    root, names = files.corpus_files("bach")
    assert len(names) > 300
    assert all((root / name).is_file() for name in names[:5])


def test_a_corpus_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(files.NoSuchCorpus, match=r"no corpus 'nobody'.*bach \(\d+\)"):
        files.corpus_files("nobody")


def test_files_that_hold_no_music_say_why(tmp_path):
    (tmp_path / "photo.mid").write_bytes(b"GIF89a")
    (tmp_path / "broken.xml").write_text("<score-partwise><part")
    with pytest.raises(NotUsable, match='no MIDI file: it starts with "GIF8"'):
        files.parse(tmp_path / "photo.mid")
    with pytest.raises(NotUsable, match="not MusicXML: no well-formed XML"):
        files.parse(tmp_path / "broken.xml")
    with pytest.raises(NotUsable, match="no ordinary file"):
        files.parse(tmp_path / "missing.mid")


def test_a_score_by_measures_is_read_and_one_that_explodes_is_not(tmp_path):
    note = "<note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration>"
    (tmp_path / "timewise.musicxml").write_text(
        "<score-timewise><part-list><score-part id='P1'><part-name/></score-part>"
        "</part-list><measure number='1'><part id='P1'><attributes><divisions>1"
        f"</divisions></attributes>{note}</note></part></measure></score-timewise>"
    )
    score = files.parse(tmp_path / "timewise.musicxml")
    assert [n.pitch.midi for n in score.recurse().notes] == [60]
    (tmp_path / "bomb.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><score-partwise/>'
    )
    with pytest.raises(NotUsable, match="refused: it declares the entity 'b'"):
        files.parse(tmp_path / "bomb.xml")


# 2 Key transposing.


@pytest.mark.parametrize(
    ("text", "tonic", "mode"),
    [
        ("C", 0, "major"),
        ("Am", 9, "minor"),
        ("E minor", 4, "minor"),
        ("F#m", 6, "minor"),
        ("Bb", 10, "major"),
        ("e-", 3, "major"),
        ("G maj", 7, "major"),
        ("Cb", 11, "major"),
    ],
)
def test_keys_are_read_as_musicians_write_them(text, tonic, mode):
    assert Key.parse(text) == Key(tonic, mode)


@pytest.mark.parametrize("text", ["H", "", "C mixolydian", "Amm", "C##"])
def test_what_names_no_key_is_refused(text):
    with pytest.raises(UnknownKey, match="names no key; write C, Am"):
        Key.parse(text)


def test_the_way_home_is_the_shorter_one():
    assert [Key(t, "major").semitones_home for t in (0, 1, 5, 6, 7, 11)] == [
        *(0, -1, -5, -6, 5, 1)
    ]
    assert [Key(t, "minor").semitones_home for t in (9, 4, 3, 2, 10)] == [
        *(0, 5, -6, -5, -1)
    ]


def test_the_key_of_a_piece_is_found(tmp_path):
    write_piano(tmp_path / "d.mid", *two_hands(shift=2))
    key = keys.estimated_key(files.parse(tmp_path / "d.mid"))
    assert str(key) == "D major"


# 3 Clef splitting.


def test_parts_go_where_their_clefs_say():
    right, left = part_of(50, staff="treble"), part_of(80, staff="bass")
    staves = split([right, left])
    assert pitches_on(staves["treble"]) == [50]
    assert pitches_on(staves["bass"]) == [80]


def test_a_part_without_a_clef_goes_by_its_mean_pitch():
    staves = split([part_of(72), part_of(59, 59, 65), part_of(40)])
    assert pitches_on(staves["treble"]) == [72, 59, 59, 65]
    assert pitches_on(staves["bass"]) == [40]


@pytest.mark.parametrize("staff", ["treble", "bass"])
def test_parts_with_the_same_clef_still_give_both_staves(staff):
    low, high = part_of(40, staff=staff), part_of(50, staff=staff)
    staves = split([low, high])
    assert pitches_on(staves["treble"]) == [50]
    assert pitches_on(staves["bass"]) == [40]


def test_a_single_part_is_split_at_middle_c():
    both = Part([Element(0, 24, "quarter", (48, 60, 64), tied=(48,))], "treble")
    staves = split([both])
    assert staves["treble"] == [[Element(0, 24, "quarter", (60, 64))]]
    assert staves["bass"] == [[Element(0, 24, "quarter", (48,), (48,))]]


def test_a_single_part_on_one_side_of_middle_c_is_refused():
    with pytest.raises(NotUsable, match="one staff only, all of it above middle C"):
        split([part_of(72, 74)])
    with pytest.raises(NotUsable, match="one staff only, all of it below middle C"):
        split([part_of(40)])


def test_a_piece_without_notes_is_refused():
    with pytest.raises(NotUsable, match="no notes"):
        split([Part([Element(0, 24, "quarter", ())], "treble")])


def test_clefs_are_music21s():
    from music21 import clef, stream

    def staff(sign):
        return splitting.staff_of(stream.Part([sign] if sign else []))

    assert staff(clef.TrebleClef()) == "treble"
    assert staff(clef.BassClef()) == "bass"
    assert staff(clef.Treble8vbClef()) is None  # a tenor's
    assert staff(clef.AltoClef()) is None
    assert staff(None) is None


# 4 Element extraction.


def test_elements_are_notes_chords_and_rests_in_the_scores_order():
    from music21 import chord, harmony, note, stream, tie

    held = note.Note("E4", quarterLength=1.5)
    held.tie = tie.Tie("stop")
    grace = note.Note("F4").getGrace()
    part = stream.Part(
        [
            note.Note("C4", quarterLength=1),
            chord.Chord(["G4", "C4"], quarterLength=0.5),
            note.Rest(quarterLength=1),
            held,
            grace,
            harmony.ChordSymbol("Am"),
            note.Note("C0", quarterLength=1),
        ]
    )
    found = extraction.elements(part, semitones=-1)
    assert found == [
        Element(0, 24, "quarter", (59,)),
        Element(24, 12, "eighth", (66, 59)),
        Element(36, 24, "quarter", ()),
        Element(60, 36, "quarter", (63,), tied=(63,)),
        Element(found[-1].offset, 24, "quarter", ()),  # too low to be heard
    ]


def test_drums_are_not_elements(tmp_path):
    write_piano(tmp_path / "drums.mid", two_hands()[1], channel=9)
    score = files.parse(tmp_path / "drums.mid")
    for part in score.parts:
        assert not any(e.pitches for e in extraction.elements(part, 0))


def test_bars_and_metres_are_the_scores(tmp_path):
    metres = ((0, 3, 4), (6, 4, 4), (14, 3, 4))
    right, left = two_hands(4)
    write_piano(tmp_path / "a.mid", right, left, metres=metres)
    part = files.parse(tmp_path / "a.mid").parts[0]
    assert extraction.metres(part) == ["3/4", "4/4", "3/4"]
    assert extraction.bar_starts(part) == [24 * q for q in (0, 3, 6, 10, 14)]


def test_an_upbeat_belongs_to_a_bar_that_began_before():
    from music21 import note, stream

    upbeat = stream.Measure([note.Note("C4", quarterLength=1)], number=0)
    upbeat.paddingLeft = 3.0
    bar = stream.Measure([note.Note("C4", quarterLength=4)], number=1)
    part = stream.Part()
    part.append([upbeat, bar])
    assert extraction.bar_starts(part) == [-72, 24]


# 5 Data frames.


def test_a_frame_holds_all_elements_and_gives_them_back():
    parts = [
        [
            Element(0, 24, "quarter", (64,)),
            Element(24, 8, "eighth", (60, 51, 27), tied=(51,)),
            Element(32, 16, "quarter", ()),
        ],
        [Element(0, 48, "half", (21,))],
    ]
    frame = frames.to_frame(parts)
    assert list(frame["element"]) == ["E4", "C4.E-3.E-1", "rest", "A0"]
    assert list(frame["offset"]) == ["0", "1", "4/3", "0"]
    assert list(frame["duration"]) == ["1", "1/3", "2/3", "2"]
    assert frames.from_frame(frames.from_csv(frames.to_csv(frame))) == parts


def test_every_pitch_has_a_name_of_its_own():
    for pitch in extraction.PITCHES:
        assert frames.pitches_of(frames.name_of((pitch,))) == (pitch,)
    assert len({frames.name_of((p,)) for p in extraction.PITCHES}) == 116
