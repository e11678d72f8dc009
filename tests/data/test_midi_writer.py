"""Written MIDI files are clean, and read back as the same notes."""

import mido
import note_seq
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq.protobuf import music_pb2

from music_vae_tf.data import track_names
from music_vae_tf.data.midi import read_midi
from music_vae_tf.data.midi_writer import write_midi


def sequence_of(*notes, **fields):
    """Notes (start, end, pitch, velocity), in seconds; other fields as given."""
    sequence = music_pb2.NoteSequence(ticks_per_quarter=480, **fields)
    for start, end, pitch, velocity in notes:
        sequence.notes.add(
            start_time=start, end_time=end, pitch=pitch, velocity=velocity
        )
    return sequence


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "a.mid"


@pytest.fixture
def rewritten(path):
    def rewrite(sequence):
        write_midi(sequence, path)
        return read_midi(path)

    return rewrite


def ticks_of(path):
    """`[(tick, message)]` of each track of a file."""
    tracks = []
    for track in mido.MidiFile(path).tracks:
        ticks = np.cumsum([message.time for message in track]).tolist()
        tracks.append(list(zip(ticks, track)))
    return tracks


def notes_of(sequence):
    return [(n.start_time, n.end_time, n.pitch, n.velocity) for n in sequence.notes]


def test_notes_come_back(rewritten):
    notes = [(0, 0.5, 60, 64), (0.25, 1.5, 64, 127), (1.5, 2, 64, 1)]
    assert sorted(notes_of(rewritten(sequence_of(*notes)))) == notes


def test_tempo_and_metre_stand_at_tick_0_even_if_the_sequence_has_none(path):
    write_midi(sequence_of((0, 1, 60, 64)), path)
    (timing, _) = ticks_of(path)
    assert [(tick, message.type) for tick, message in timing] == [
        (0, "set_tempo"),
        (0, "time_signature"),
        (0, "end_of_track"),
    ]
    assert timing[0][1].tempo == 500_000
    assert (timing[1][1].numerator, timing[1][1].denominator) == (4, 4)


def test_tempo_metre_and_key_changes_come_back(rewritten):
    sequence = sequence_of((0, 10, 60, 64))
    for time, qpm in [(0, 60), (4, 240), (5, 90)]:
        sequence.tempos.add(time=time, qpm=qpm)
    for time, numerator, denominator in [(0, 3, 4), (3, 6, 8)]:
        sequence.time_signatures.add(
            time=time, numerator=numerator, denominator=denominator
        )
    for time, key, mode in [(0, 0, 0), (3, 8, 1), (5, 6, 0)]:
        sequence.key_signatures.add(time=time, key=key, mode=mode)
    again = rewritten(sequence)
    assert [tempo.time for tempo in again.tempos] == [0, 4, 5]
    np.testing.assert_allclose([t.qpm for t in again.tempos], [60, 240, 90], 1e-6)
    assert again.time_signatures == sequence.time_signatures
    assert again.key_signatures == sequence.key_signatures


def test_drums_are_on_channel_10_and_others_are_not(path):
    sequence = sequence_of()
    for instrument in range(20):
        sequence.notes.add(
            end_time=1, pitch=60, velocity=64, instrument=instrument, program=instrument
        )
    # The number of an instrument that has other notes, as in many a NoteSequence.
    sequence.notes.add(end_time=1, pitch=36, velocity=64, instrument=3, is_drum=True)
    write_midi(sequence, path)
    parts = ticks_of(path)[1:]
    channels = [
        {message.channel for _, message in part if not message.is_meta}
        for part in parts
    ]
    names = [part[0][1].name for part in parts]
    assert len(parts) == 21
    assert {9} == channels.pop(names.index("Drums"))
    assert all(len(channel) == 1 and channel != {9} for channel in channels)
    again = read_midi(path)
    assert len(again.notes) == 21
    assert [note.pitch for note in again.notes if note.is_drum] == [36]


def test_tracks_have_the_names_of_their_instruments(path):
    sequence = sequence_of((0, 1, 60, 64))
    sequence.notes.add(instrument=1, program=33, end_time=1, pitch=40, velocity=64)
    sequence.instrument_infos.add(instrument=0, name="Zoë ♫")
    write_midi(sequence, path)
    names = [track[0][1].name for track in ticks_of(path)[1:]]
    assert list(map(track_names.decoded, names)) == [
        "Zoë ♫",
        "Electric Bass (finger)",
    ]


def test_no_note_begins_before_0(rewritten):
    again = rewritten(sequence_of((-0.05, 0.5, 60, 64), (-0.3, -0.2, 62, 64)))
    assert notes_of(again) == [(0, 1 / 960, 62, 64), (0, 0.5, 60, 64)]


def test_a_note_of_no_length_lasts_a_tick(rewritten):
    assert notes_of(rewritten(sequence_of((1, 1, 60, 64)))) == [
        (1, 1 + 1 / 960, 60, 64)
    ]


def test_a_note_ends_where_the_next_of_its_pitch_begins(rewritten):
    again = rewritten(sequence_of((0, 2, 60, 64), (1, 3, 60, 65), (1, 3, 62, 66)))
    assert sorted(notes_of(again)) == [(0, 1, 60, 64), (1, 3, 60, 65), (1, 3, 62, 66)]


def test_of_notes_on_one_tick_the_loudest_is_kept(rewritten):
    again = rewritten(sequence_of((1, 3, 60, 64), (1.0001, 2, 60, 90), (1, 4, 60, 10)))
    assert notes_of(again) == [(1, 2, 60, 90)]


def test_silent_notes_are_left_out(rewritten):
    assert not rewritten(sequence_of((0, 1, 60, 0))).notes


def test_controls_and_bends_come_back(rewritten):
    sequence = sequence_of((0, 1, 60, 64))
    sequence.control_changes.add(time=0.5, control_number=64, control_value=127)
    sequence.pitch_bends.add(time=0.25, bend=-8192)
    again = rewritten(sequence)
    assert again.control_changes == sequence.control_changes
    assert again.pitch_bends == sequence.pitch_bends


def test_a_sequence_without_resolution_gets_that_of_note_seq(rewritten):
    sequence = sequence_of((0, 1, 60, 64))
    sequence.ClearField("ticks_per_quarter")
    assert rewritten(sequence).ticks_per_quarter == note_seq.STANDARD_PPQ == 220


def test_what_could_not_be_written_leaves_the_old_file(path):
    write_midi(sequence_of((0, 1, 60, 64)), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="range"):
        write_midi(sequence_of((0, 1, 200, 64)), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_converted_music_comes_back(golden, rewritten):
    conversions = [c for name in golden.collections() for c in golden.conversions(name)]
    for name, _, serialized in conversions:
        sequence = music_pb2.NoteSequence.FromString(serialized)
        again = rewritten(sequence)
        assert len(again.notes) == len(sequence.notes), name
        for field in ("notes", "control_changes", "pitch_bends"):
            assert len(getattr(again, field)) == len(getattr(sequence, field)), name
        if sequence.notes:
            assert len(again.time_signatures) == max(1, len(sequence.time_signatures))
            assert_same_notes(again, sequence)


def test_generated_grooves_are_written_as_note_seq_writes_them(
    golden, rewritten, tmp_path
):
    """But for what is not clean: notes before 0, silent ones, and overlaps, where the
    end of one note of note_seq's cuts the next short."""
    _, arrays = golden.model("groovae_4bar")
    names = [name for name in arrays if name.startswith("decode/notesequence")]
    assert names
    for name in names:
        sequence = music_pb2.NoteSequence.FromString(arrays[name].tobytes())
        heard = [n for n in sequence.notes if n.velocity and n.start_time >= 0]
        del sequence.notes[:]
        sequence.notes.extend(heard)
        for note in sequence.notes:
            note.instrument = 0  # as it is numbered when read
        note_seq.note_sequence_to_midi_file(sequence, str(tmp_path / "theirs.mid"))
        theirs = read_midi(tmp_path / "theirs.mid")
        ours = rewritten(sequence)
        assert_same_notes(ours, sequence)
        (own_rows, own_times), (rows, times) = arrays_of(ours), arrays_of(theirs)
        np.testing.assert_array_equal(own_rows, rows)
        np.testing.assert_allclose(own_times[:, 0], times[:, 0], 0, 1 / 440)
        assert ours.tempos == theirs.tempos
        assert ours.time_signatures == theirs.time_signatures


def assert_same_notes(ours, theirs):
    """Equal but for the rounding of times to ticks, and where notes overlapped."""
    own_rows, own_times = arrays_of(ours)
    rows, times = arrays_of(theirs)
    np.testing.assert_array_equal(own_rows, rows)
    same_pitch = (rows[1:, :-1] == rows[:-1, :-1]).all(1)
    next_starts = np.append(np.where(same_pitch, times[1:, 0], np.inf), np.inf)
    times[:, 1] = np.minimum(times[:, 1], next_starts)
    slowest_qpm = min((tempo.qpm for tempo in theirs.tempos), default=120)
    tick_s = 60 / slowest_qpm / ours.ticks_per_quarter
    np.testing.assert_allclose(own_times, times, 0, tick_s)


def arrays_of(sequence):
    """Integers of the notes and their times `[notes, 2]`, pitch by pitch."""
    notes = sorted(
        sequence.notes, key=lambda n: (n.instrument, n.is_drum, n.pitch, n.start_time)
    )
    rows = [(n.instrument, n.program, n.is_drum, n.pitch, n.velocity) for n in notes]
    return np.array(rows), np.array([(n.start_time, n.end_time) for n in notes])


seconds = st.floats(-1, 100, allow_nan=False)
notes = st.builds(
    lambda start, length, *rest: (start, start + length, *rest),
    seconds,
    st.floats(0, 5),
    st.integers(0, 127),
    st.integers(0, 127),
)


@given(
    st.lists(notes, max_size=30),
    st.lists(st.tuples(seconds, st.floats(4, 400)), max_size=4),
    st.sampled_from([96, 220, 480, 960]),
)
@settings(max_examples=50, deadline=None)
def test_whatever_is_written_is_clean_and_stays_as_it_is(path, notes, tempos, ppq):
    sequence = sequence_of(*notes)
    sequence.ticks_per_quarter = ppq
    for time, qpm in tempos:
        sequence.tempos.add(time=time, qpm=qpm)
    write_midi(sequence, path)
    first = ticks_of(path)
    sounding = {}
    for tick, message in first[1] if len(first) > 1 else []:
        if message.type == "note_on" and message.velocity:
            assert message.note not in sounding
            sounding[message.note] = tick
        elif message.type == "note_on":
            assert tick > sounding.pop(message.note)
    assert not sounding
    write_midi(read_midi(path), path)
    assert notes_in_ticks(ticks_of(path)) == notes_in_ticks(first)


def notes_in_ticks(tracks):
    return [
        (tick, message.note, message.velocity)
        for track in tracks
        for tick, message in track
        if message.type == "note_on"
    ]
