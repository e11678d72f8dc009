"""Music files give the NoteSequences that Magenta makes of them, or a reason."""

import io
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq.protobuf import music_pb2

from music_vae_tf.data import midi
from music_vae_tf.data.scores.files import ScoreOptions

ABC = """\
X:1
T:Eins
M:4/4
L:1/8
K:C
CDEF GABc|

X:2
T:Chords are beyond note_seq
K:C
[CEG]2 D|

X:5
T:Fünf
M:3/4
L:1/4
K:G
G A B|G2 A|]
"""
MUSICXML = """\
<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="3.0">
  <part-list><score-part id="P1"><part-name>Flute</part-name></score-part></part-list>
  <part id="P1"><measure number="1">
    <attributes>
      <divisions>1</divisions>
      <time><beats>4</beats><beat-type>4</beat-type></time>
    </attributes>
    <note><pitch><step>C</step><octave>4</octave></pitch><duration>3</duration></note>
    <note>
      <pitch><step>F</step><alter>1</alter><octave>4</octave></pitch>
      <duration>1</duration>
    </note>
  </measure></part>
</score-partwise>
"""
NOTE = [
    mido.Message("note_on", note=60, velocity=64),
    mido.Message("note_on", note=60, velocity=0, time=480),
]


def midi_bytes(*tracks, ticks_per_beat=480):
    file = mido.MidiFile(ticks_per_beat=ticks_per_beat)
    file.tracks = [mido.MidiTrack(track) for track in tracks]
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def mxl_bytes(score):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            "<container><rootfiles><rootfile full-path='s.xml'/></rootfiles>"
            "</container>",
        )
        archive.writestr("s.xml", score)
    return buffer.getvalue()


def converted(folder, name, data):
    """The NoteSequences of a file, and the problems."""
    Path(folder, name).write_bytes(data)
    records, problems, *_ = midi.convert(str(folder), name)
    return [music_pb2.NoteSequence.FromString(record) for record in records], problems


def test_files_become_the_notesequences_of_magenta(golden):
    conversions = [
        (collection, *conversion)
        for collection in set(golden.collections()) - {"formats"}
        for conversion in golden.conversions(collection)
    ]
    assert len(conversions) > 20
    for collection, name, _, expected in conversions:
        expected = music_pb2.NoteSequence.FromString(expected)
        records, problems, *_ = midi.convert(golden.path("midi", collection), name)
        if not expected.notes:  # which Magenta keeps
            assert (records, list(map(str, problems))) == ([], ["no notes"])
            continue
        assert not problems
        (sequence,) = map(music_pb2.NoteSequence.FromString, records)
        assert sequence == expected, name


def test_musicxml_becomes_the_notes_of_magenta(golden):
    if "formats" not in golden.collections():
        pytest.skip("left out: these golden data hold no MusicXML")
    for name, _, expected in golden.conversions("formats"):
        (record,), *_ = midi.convert(golden.path("midi", "formats"), name)
        ours = music_pb2.NoteSequence.FromString(record)
        theirs = music_pb2.NoteSequence.FromString(expected)
        for sequence in (ours, theirs):
            sequence.source_info.ClearField("parser")
            for note in sequence.notes:
                # Our parser writes no note values, and it adds up exact times.
                note.ClearField("numerator")
                note.ClearField("denominator")
                note.start_time = round(note.start_time, 9)
                note.end_time = round(note.end_time, 9)
        assert ours == theirs, name


def test_ordinary_midi_is_read_without_the_libraries_for_unusual_files(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi_bytes(NOTE))
    program = (
        "import sys\n"
        "from music_vae_tf.data.midi import read_midi\n"
        "assert len(read_midi('a.mid').notes) == 1\n"
        "heavy = {'tensorflow', 'mido', 'pretty_midi', 'bokeh', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_a_midi_file_read_alone_has_the_same_notes(golden):
    name, _, expected = golden.conversions("groove")[0]
    path = Path(golden.path("midi", "groove", name))
    expected = music_pb2.NoteSequence.FromString(expected)
    for field in ("id", "filename", "collection_name"):
        expected.ClearField(field)
    assert midi.read_midi(path) == expected
    assert midi.parse_midi(path.read_bytes()) == expected


def test_collection_and_name_make_the_id_as_in_magenta(tmp_path):
    (tmp_path / "sub").mkdir()
    (sequence,), _ = converted(tmp_path, "sub/a.MIDI", midi_bytes(NOTE))
    assert sequence.collection_name == tmp_path.name
    assert sequence.filename == "sub/a.MIDI"
    sha1 = "e51258bef1dd48f09c5c7fa9b7194ab5a201fce2"  # of sub/a.MIDI
    assert sequence.id == f"/id/midi/{tmp_path.name}/{sha1}"


def test_a_slash_after_the_folder_empties_the_collection_as_in_magenta(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi_bytes(NOTE))
    (record,), *_ = midi.convert(f"{tmp_path}/", "a.mid")
    assert music_pb2.NoteSequence.FromString(record).collection_name == ""


def test_a_file_without_notes_is_skipped_with_its_reason(tmp_path):
    assert converted(tmp_path, "a.mid", midi_bytes([])) == ([], ["no notes"])
    sequence = midi.read_midi(tmp_path / "a.mid")
    assert not sequence.notes
    assert sequence.ticks_per_quarter == 480


def test_each_tune_of_an_abc_file_is_a_sequence(tmp_path):
    for data in (ABC.encode(), ABC.encode("utf-8-sig"), ABC.encode("latin-1")):
        (first, chords, last), problems = converted(tmp_path, "tunes.abc", data)
        assert [first.sequence_metadata.title, last.sequence_metadata.title] == [
            "Eins",
            "Fünf",
        ]
        assert [note.pitch for note in chords.notes] == [67, 64, 60, 62]
        assert [note.pitch for note in last.notes] == [67, 69, 71, 67, 69]
        assert [note.start_time for note in last.notes] == [0, 0.5, 1, 1.5, 2.5]
        sha1 = "d4bb8d0c1cf6945f99b3dd47fa90e48a40d10c4c"  # of tunes.abc_5
        assert last.id == f"/id/abc/{tmp_path.name}/{sha1}"
        assert not problems


def test_tunes_of_the_same_number_are_two_and_the_first_keeps_its_id(tmp_path):
    (one,), _ = converted(tmp_path, "a.abc", b"X:1\nK:C\nC\n")
    (first, second), problems = converted(
        tmp_path, "a.abc", b"X:1\nK:C\nC\n\nX:1\nK:C\nD"
    )
    assert not problems
    assert first.id == one.id != second.id
    assert [second.notes[0].pitch, len(second.notes)] == [62, 1]


def test_magentas_parsers_of_scores_are_an_option(tmp_path):
    (tmp_path / "tunes.abc").write_bytes(ABC.encode())
    options = ScoreOptions("magenta")
    records, problems, *_ = midi.convert(str(tmp_path), "tunes.abc", scores=options)
    assert len(records) == 2
    assert problems == [
        "tune that is not valid ABC: ChordError: Chords are not supported."
    ]
    (tmp_path / "a.xml").write_text(MUSICXML)
    (record,), *_ = midi.convert(str(tmp_path), "a.xml", scores=options)
    sequence = music_pb2.NoteSequence.FromString(record)
    assert sequence.source_info.parser == sequence.SourceInfo.MAGENTA_MUSIC_XML


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("score.xml", MUSICXML.encode()),
        ("score.mxl", mxl_bytes(MUSICXML)),
        ("SCORE.MXL", mxl_bytes(MUSICXML)),
    ],
)
def test_musicxml_is_read_plain_and_packed(tmp_path, name, data):
    (sequence,), problems = converted(tmp_path, name, data)
    assert not problems
    assert [(n.pitch, n.start_time, n.end_time) for n in sequence.notes] == [
        (60, 0, 1.5),
        (66, 1.5, 2),
    ]
    assert sequence.id.startswith(f"/id/musicxml/{tmp_path.name}/")


NO_TICKS = midi_bytes(NOTE).replace(b"\x01\xe0MTrk", b"\x00\x00MTrk")
PAST_ALL = [NOTE[0], NOTE[1].copy(time=2**31)]
# 300,000 ticks of 16.8 seconds each.
SLOW = [
    mido.MetaMessage("set_tempo", tempo=2**24 - 1),
    NOTE[0],
    NOTE[1].copy(time=300_000),
]
HOUR = [NOTE[0], NOTE[1].copy(time=7200 * 15360)]  # quarters, ticks
FAR_END = [*NOTE, mido.MetaMessage("end_of_track", time=2**31)]
BENDS = [mido.Message("pitchwheel")] * 20_000 + [
    message
    for program in range(128)
    for message in (mido.Message("program_change", program=program), *NOTE)
]


@pytest.mark.parametrize("reader", midi.MIDI_READERS)
def test_an_hour_of_fine_ticks_and_a_far_end_of_track_are_read(tmp_path, reader):
    fine = midi_bytes(HOUR).replace(b"\x01\xe0MTrk", b"\x3c\x00MTrk")
    (tmp_path / "hour.mid").write_bytes(fine)
    assert midi.read_midi(tmp_path / "hour.mid", reader).total_time == 3600
    (tmp_path / "end.mid").write_bytes(midi_bytes(FAR_END))
    assert midi.read_midi(tmp_path / "end.mid", reader).total_time < 10


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.mid", b"", "empty file"),
        ("a.mid", b"GIF89a", 'no MIDI file: it starts with "GIF8"'),
        ("a.mid", b"MThd", "cut off: the file ends in its header"),
        ("a.mid", midi_bytes(), "no track in it"),
        ("a.mid", NO_TICKS, "no time: its header says 0 ticks a quarter"),
        ("a.mid", b"RIFF\x04\x00\x00\x00WAVE", 'no MIDI file: it starts with "RIFF"'),
        ("a.mid", midi_bytes(PAST_ALL), "absurd length: 2147483648 ticks"),
        (
            "a.mid",
            midi_bytes(SLOW).replace(b"\x01\xe0MTrk", b"\x00\x01MTrk"),
            "absurd length: 1,398 hours, 6 at most",
        ),
        ("a.mid", midi_bytes() + b"MTrk\0\0\0\0" * 65_536, "more than 65,535 tracks"),
        ("a.mid", midi_bytes(BENDS), "too many events: 2,560,128 notes, bends and"),
        ("a.abc", b"", "empty file"),
        ("a.abc", b"\n \n", "no tune in it"),
        (
            "a.abc",
            b"X:1\nT:t\nK:C\n\x01",
            'tune that cannot be read: X:1 "t", not text',
        ),
        ("a.xml", MUSICXML[:400].encode(), "not MusicXML: no well-formed XML"),
        ("a.xml", b"<drumkit_info/>", "not MusicXML: an XML file of <drumkit_info>"),
        ("a.mxl", b"PK\x03\x04 and no more", "damaged .mxl archive"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path, name, data, reason):
    sequences, (problem,) = converted(tmp_path, name, data)
    assert not sequences
    assert problem.startswith(reason)


def test_files_that_cannot_be_opened_have_a_reason(tmp_path):
    (tmp_path / "gone.mid").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.mid")
    for name, reason in [
        ("gone.mid", "cannot be opened: No such file or directory"),
        ("pipe.mid", "no ordinary file"),
    ]:
        assert midi.convert(str(tmp_path), name) == midi.Conversion([], [reason])
    odd = "\udcff.mid"  # what Python makes of a name that is no UTF-8
    (tmp_path / odd).write_bytes(midi_bytes(NOTE))
    _, (problem,), *_ = midi.convert(str(tmp_path), odd)
    assert problem == "its name is not valid Unicode: rename it"


def test_the_error_of_a_single_file_names_it(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"RIFF")
    with pytest.raises(midi.UnreadableMusic, match="a.mid: no MIDI file: it starts"):
        midi.read_midi(tmp_path / "a.mid")
    (tmp_path / "a.mid").write_bytes(b"")
    with pytest.raises(midi.UnreadableMusic, match="a.mid: empty file"):
        midi.read_midi(tmp_path / "a.mid")
    with pytest.raises(FileNotFoundError):
        midi.read_midi(tmp_path / "b.mid")


def test_a_single_file_may_be_a_score(tmp_path):
    (tmp_path / "a.abc").write_text("X:1\nL:1/4\nK:C\nCDE\n")
    assert [n.pitch for n in midi.read_midi(tmp_path / "a.abc").notes] == [60, 62, 64]
    (tmp_path / "b.abc").write_text("X:1\nK:C\nC\n\nX:2\nK:C\nD\n")
    with pytest.raises(midi.UnreadableMusic, match="b.abc: a book of 2 tunes"):
        midi.read_midi(str(tmp_path / "b.abc"))


def test_a_tempo_where_magenta_does_not_look_is_told(tmp_path):
    late_tempo = [mido.MetaMessage("set_tempo", tempo=400_000), *NOTE]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (sequence,), problems = converted(
            tmp_path, "a.mid", midi_bytes(NOTE, late_tempo)
        )
    assert [tempo.qpm for tempo in sequence.tempos] == [120]
    assert not problems
    lost = midi.convert(str(tmp_path), "a.mid").lost
    assert lost == {"tempos outside the first track": 1}
    assert [tempo.qpm for tempo in midi.read_midi(tmp_path / "a.mid").tempos] == [150]


GOOD = midi_bytes(
    [mido.MetaMessage("time_signature", numerator=3), *NOTE],
    [mido.MetaMessage("track_name", name="Lead"), *NOTE, *NOTE],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("music")


@pytest.fixture(autouse=True, scope="module")
def modest_lengths():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(midi, "MAX_TICKS", 10**6)
        patch.setattr(midi, "MAX_QUARTERS", 7_201)
        yield


@given(
    name=st.sampled_from(["a.mid", "a.abc", "a.xml", "a.mxl"]),
    start=st.sampled_from([b"", GOOD[:4], GOOD[:14], GOOD[:22], b"PK\x03\x04"]),
    rest=st.binary(max_size=200),
)
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_crash(folder, name, start, rest):
    sequences, problems = converted(folder, name, start + rest)
    assert sequences or problems


@given(length=st.integers(0, len(GOOD) - 1))
@settings(deadline=None)
def test_a_file_cut_off_has_what_is_left_and_says_so(folder, length):
    sequences, problems = converted(folder, "a.mid", GOOD[:length])
    assert bool(sequences) != bool(problems)
    if sequences:
        assert midi.convert(str(folder), "a.mid").mended


@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_wrong_byte_never_crashes(folder, place, byte):
    sequences, problems = converted(
        folder, "a.mid", GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    )
    assert sequences or problems
