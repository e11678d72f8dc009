"""NoteSequences become sheet music that says the same, and pictures of it."""

import io
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq.protobuf import music_pb2

from music_vae_tf.rendering import engraving, libraries, score, staves
from music_vae_tf.rendering.staves import (
    Metre,
    Span,
    spans,
    spelled,
    with_rests,
    written,
)

FOUR_FOUR = Metre(4, 4)
SIX_EIGHT = Metre(6, 8)


def sequence_of(*staves, key=0, minor=False, qpm=60, metre=(4, 4)):
    """Staves of (start, end, pitches) in quarter notes."""
    sequence = music_pb2.NoteSequence()
    sequence.tempos.add(qpm=qpm)
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    mode = sequence.key_signatures.add(key=key)
    mode.mode = mode.MINOR if minor else mode.MAJOR
    for instrument, staff in enumerate(staves):
        sequence.instrument_infos.add(instrument=instrument, name=f"Hand {instrument}")
        for start, end, pitches in staff:
            for pitch in pitches:
                sequence.notes.add(
                    start_time=start * 60 / qpm,
                    end_time=end * 60 / qpm,
                    pitch=pitch,
                    velocity=80,
                    instrument=instrument,
                )
    return sequence


@pytest.fixture
def two_bars():
    right = [(0, 1.5, [76]), (1.5, 2.5, [72, 79]), (3, 6, [74]), (7, 8, [72])]
    left = [(0, 4, [48]), (4, 8, [43, 55])]
    return sequence_of(right, left, key=4, minor=True, qpm=120)


# What stands on a staff.


def test_notes_that_begin_together_are_a_chord_until_the_next_begins():
    sequence = sequence_of([(0, 2, [60]), (0, 1, [64]), (1.5, 2, [62])])
    assert spans(sequence.notes, 1.0) == [Span(0, 36, (60, 64)), Span(36, 48, (62,))]


def test_silence_is_filled_with_rests():
    chords = [Span(12, 24, (60,)), Span(48, 96, (62,))]
    assert with_rests(chords, 192) == [
        Span(0, 12, ()),
        chords[0],
        Span(24, 48, ()),
        chords[1],
        Span(96, 192, ()),
    ]


@pytest.mark.parametrize(
    ("metre", "start", "end", "lengths"),
    [
        (FOUR_FOUR, 0, 36, [36]),  # a dotted quarter
        (FOUR_FOUR, 0, 30, [24, 6]),
        (FOUR_FOUR, 0, 60, [48, 12]),
        (FOUR_FOUR, 12, 36, [24]),  # a syncope
        (FOUR_FOUR, 18, 36, [6, 12]),  # no syncope: the beat shows
        (FOUR_FOUR, 6, 48, [18, 24]),
        (FOUR_FOUR, 72, 120, [24, 24]),  # over the bar line
        (FOUR_FOUR, 8, 24, [16]),  # of a triplet
        (FOUR_FOUR, 0, 20, [18, 2]),
        (FOUR_FOUR, 0, 192, [96, 96]),
        (SIX_EIGHT, 0, 36, [36]),
        (SIX_EIGHT, 24, 48, [12, 12]),
        (SIX_EIGHT, 0, 72, [72]),
    ],
)
def test_lengths_are_those_that_can_be_written(metre, start, end, lengths):
    pieces = list(written(Span(start, end, (60,)), metre))
    assert [piece.end - piece.start for piece in pieces] == lengths
    ties = [(piece.tied_before, piece.tied_after) for piece in pieces]
    last = len(pieces) - 1
    assert ties == [(i > 0, i < last) for i in range(len(pieces))]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 400),
    st.integers(1, 400),
    st.sampled_from([FOUR_FOUR, SIX_EIGHT, Metre(3, 4), Metre(5, 8), Metre(2, 2)]),
)
def test_every_span_can_be_written_within_its_bars(start, length, metre):
    pieces = list(written(Span(start, start + length, (60,)), metre))
    assert pieces[0].start == start and pieces[-1].end == start + length
    for one, other in zip(pieces, pieces[1:]):
        assert one.end == other.start
    for piece in pieces:
        assert piece.start // metre.bar == (piece.end - 1) // metre.bar
        assert piece.end - piece.start in {*staves.LONG, *staves.SHORT}


def test_a_whole_bar_of_rest_is_one_rest():
    pieces = list(written(Span(0, 216, ()), SIX_EIGHT))
    assert [piece.end - piece.start for piece in pieces] == [72, 72, 72]
    assert not any(piece.tied_after for piece in pieces)


def test_pitches_are_spelled_as_the_key_has_them():
    chromatic = ["C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B"]
    assert [spelled(60 + i, 0)[:-1] for i in range(12)] == chromatic
    assert [spelled(p, 1) for p in (66, 63, 70)] == ["F#4", "D#4", "B-4"]  # G, E minor
    assert [spelled(p, -3) for p in (63, 68, 66, 59)] == ["E-4", "A-4", "G-4", "B3"]
    assert spelled(60, 6) == "B#3"
    assert spelled(59, -5) == "C-4"


# MusicXML.


def test_musicxml_says_key_metre_tempo_clefs_and_all_notes(two_bars):
    pytest.importorskip("music21")
    document = ElementTree.fromstring(score.musicxml(two_bars, "A title"))
    assert document.findtext(".//movement-title") == "A title"
    assert [e.text for e in document.findall(".//fifths")] == ["1"]
    assert [e.text for e in document.findall(".//key/mode")] == ["minor"]
    assert document.findtext(".//staves") == "2"
    assert document.findtext(".//beats") == "4"
    assert document.findtext(".//per-minute") == "120"
    assert [e.text for e in document.findall(".//clef/sign")] == ["G", "F"]


def test_what_is_written_is_what_was_played(two_bars):
    music21 = pytest.importorskip("music21")
    xml = score.musicxml(two_bars, "A title")
    read = music21.converter.parse(xml.decode(), format="musicxml")
    played = set()
    for part in read.parts:
        for element in part.stripTies().recurse().notes:
            start = element.getOffsetInHierarchy(read)
            for pitch in element.pitches:
                played.add((float(start), float(element.quarterLength), pitch.midi))
    assert played == {
        (n.start_time * 2, (n.end_time - n.start_time) * 2, n.pitch)
        for n in two_bars.notes
    }
    assert len({part.quarterLength for part in read.parts}) == 1


def test_a_metre_in_eighths_has_dotted_beats():
    pytest.importorskip("music21")
    sequence = sequence_of([(0, 3, [60])], metre=(6, 8), qpm=90)
    document = ElementTree.fromstring(score.musicxml(sequence, ""))
    assert document.find(".//metronome/beat-unit-dot") is not None
    assert document.findtext(".//per-minute") == "60"


# Pictures.


@pytest.fixture
def pages(two_bars):
    for library in ("music21", "verovio"):
        pytest.importorskip(library)
    return engraving.svg_pages(score.musicxml(two_bars, "A title"))


def test_a_page_shows_title_tempo_staves_and_notes(pages):
    (page,) = pages
    document = ElementTree.fromstring(page)
    texts = [e.text for e in document.iter(f"{{{engraving.SVG}}}text")]
    assert "A title" in texts
    assert "\N{QUARTER NOTE}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}120" in [
        text.replace(" ", "\N{NO-BREAK SPACE}") for text in texts if text
    ]
    classes = [e.get("class", "") for e in document.iter()]
    assert sum("notehead" in c for c in classes) == 9  # one of them tied to another
    assert sum(c == "staff" for c in classes) == 4


def test_a_png_has_ink_on_white_paper(pages):
    pytest.importorskip("resvg_py")
    from matplotlib import image

    picture = image.imread(io.BytesIO(engraving.png(pages[0])), format="png")[..., :3]
    assert picture.shape[1] == engraving.PNG_WIDTH_PX
    assert picture.max() == 1.0 and picture.min() < 0.1
    dark = picture.mean(axis=-1) < 0.5
    rows, columns = dark.any(axis=1).nonzero()[0], dark.any(axis=0).nonzero()[0]
    assert (
        columns[0] > 50 and columns[-1] < engraving.PNG_WIDTH_PX - 50
    )  # in its margins
    assert rows[-1] < len(picture) / 2  # two bars stand at the top
    # Staff lines go nearly as far as all there is.
    assert dark.sum(axis=1).max() > 0.6 * (columns[-1] - columns[0])


def test_a_pdf_has_all_pages(pages):
    pytest.importorskip("svglib")
    document = engraving.pdf(pages * 2)
    assert document.startswith(b"%PDF-")
    assert document.count(b"/Type /Page\n") == 2


def test_a_missing_library_is_reported_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        libraries.LibraryMissing, match=r"pip install 'music_vae_tf\[score"
    ):
        score.musicxml(music_pb2.NoteSequence(), "")
