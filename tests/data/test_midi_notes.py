"""Events give the NoteSequence that pretty_midi and note_seq make of the same bytes."""

import io
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mido import Message, MetaMessage
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import midi, midi_events, midi_notes


def file_of(*tracks):
    file = mido.MidiFile(ticks_per_beat=96)
    file.tracks = [mido.MidiTrack(track) for track in tracks]
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def on(pitch, time=0, channel=0, velocity=80):
    return Message("note_on", note=pitch, time=time, channel=channel, velocity=velocity)


def off(pitch, time=0, channel=0):
    return Message("note_off", note=pitch, time=time, channel=channel)


def program(number, time=0):
    return Message("program_change", program=number, time=time)


def bend(pitch, time=0):
    return Message("pitchwheel", pitch=pitch, time=time)


def control(value, time=0, channel=0):
    return Message("control_change", control=4, value=value, time=time, channel=channel)


def sequence_of(data):
    return midi_notes.read(*midi_events.read_events(data)).sequence


def exact(data):
    """The NoteSequence by way of mido, pretty_midi and note_seq."""
    return midi._read_by_libraries(data)


def notes_of(*track):
    data = file_of(list(track))
    assert sequence_of(data) == exact(data)
    return [(n.pitch, n.start_time, n.end_time) for n in sequence_of(data).notes]


def test_one_release_ends_all_notes_that_began_before():
    assert notes_of(on(60), on(60, 96), off(60, 96), off(60, 96)) == [
        (60, 0, 1),
        (60, 0.5, 1),
    ]


def test_a_note_that_begins_as_another_of_its_pitch_ends_goes_on():
    assert notes_of(on(60), on(60, 96), off(60), off(60, 96)) == [
        (60, 0, 0.5),
        (60, 0.5, 1),
    ]


def test_a_note_released_as_it_begins_and_one_never_released_are_dropped():
    assert notes_of(on(60), off(60), off(60, 96), on(61), off(62, 96)) == []


def test_notes_are_in_the_order_of_their_release_within_an_instrument():
    assert notes_of(on(60), on(64), off(64, 96), off(60)) == [
        (64, 0, 0.5),
        (60, 0, 0.5),
    ]
    track = [on(60), on(36, channel=9), off(36, 96, channel=9), off(60), on(37, 0, 9)]
    data = file_of([*track, off(37, 96, channel=9)])
    assert sequence_of(data) == exact(data)
    assert [(n.pitch, n.instrument, n.is_drum) for n in sequence_of(data).notes] == [
        (36, 0, True),
        (37, 0, True),
        (60, 1, False),
    ]


def test_bends_from_before_the_first_note_are_shared_by_all_programs_of_a_channel():
    data = file_of(
        [bend(1), on(60), off(60, 96), bend(2), program(5), bend(3), on(60), bend(4)]
        + [off(60, 96), bend(5)]
    )
    bends = sequence_of(data).pitch_bends
    assert sequence_of(data) == exact(data)
    assert [(b.instrument, b.program, b.bend) for b in bends] == [
        *((0, 0, value) for value in (1, 2, 3, 4, 5)),
        *((1, 5, value) for value in (1, 2, 3, 4, 5)),
    ]


def test_names_are_those_when_the_instrument_appears():
    data = file_of(
        [
            *(MetaMessage("track_name", name="Left"), on(60), off(60, 96)),
            *(MetaMessage("track_name", name="Réchts"), program(1), on(60)),
            off(60, 96),
        ]
    )
    infos = sequence_of(data).instrument_infos
    assert sequence_of(data) == exact(data)
    assert [(info.instrument, info.name) for info in infos] == [
        (0, "Left"),
        (1, "Réchts"),
    ]


def test_tempos_are_read_from_the_first_track_and_repeated_ones_are_not():
    tempo = lambda value, time: MetaMessage("set_tempo", tempo=value, time=time)
    data = file_of(
        [tempo(400_000, 0), tempo(300_000, 50), tempo(300_000, 7), tempo(700_001, 40)],
        [tempo(100_000, 10), on(60, 33), off(60, 100)],
    )
    sequence = sequence_of(data)
    assert sequence == exact(data)
    assert [round(tempo.qpm, 4) for tempo in sequence.tempos] == [150, 200, 85.7142]


@pytest.mark.parametrize("fifths", range(-7, 8))
def test_keys_are_pitch_classes(fifths):
    names = mido.midifiles.meta._key_signature_decode
    data = file_of(
        [MetaMessage("key_signature", key=names[fifths, minor]) for minor in (0, 1)]
    )
    assert sequence_of(data).key_signatures == exact(data).key_signatures


BYTE = st.integers(0, 127)
TIME = st.sampled_from([0, 0, 0, 1, 2, 96, 200])
CHANNEL = st.sampled_from([0, 1, 9])
PITCH = st.sampled_from([36, 37])
MESSAGES = st.one_of(
    st.builds(on, PITCH, TIME, CHANNEL, velocity=st.sampled_from([0, 1, 127])),
    st.builds(off, PITCH, TIME, CHANNEL),
    st.builds(control, BYTE, TIME, CHANNEL),
    st.builds(bend, st.integers(-8192, 8191), TIME),
    st.builds(program, st.sampled_from([0, 1, 127]), TIME),
    st.builds(
        lambda tempo, time: MetaMessage("set_tempo", tempo=tempo, time=time),
        st.integers(1, 2**24 - 1),
        TIME,
    ),
    st.builds(
        lambda top, bottom, time: MetaMessage(
            "time_signature", numerator=top, denominator=2**bottom, time=time
        ),
        st.integers(1, 255),
        st.integers(0, 15),
        TIME,
    ),
    st.builds(
        lambda name, time: MetaMessage("track_name", name=name, time=time),
        st.sampled_from(["", "Kit", "Größe"]),
        TIME,
    ),
    st.builds(lambda time: Message("polytouch", note=36, time=time), TIME),
    st.builds(lambda time: Message("sysex", data=(1, 2), time=time), TIME),
)


@given(
    tracks=st.lists(st.lists(MESSAGES, max_size=40), min_size=1, max_size=3),
    ticks_per_quarter=st.integers(1, 2**15 - 1),
)
@settings(max_examples=100, deadline=None)
def test_any_file_gives_the_same_either_way(tracks, ticks_per_quarter):
    data = file_of(*tracks).replace(
        b"\x00\x60MTrk", ticks_per_quarter.to_bytes(2, "big") + b"MTrk", 1
    )
    serialized = sequence_of(data).SerializeToString(deterministic=True)
    assert serialized == exact(data).SerializeToString(deterministic=True)


PLAYED = file_of(
    [MetaMessage("set_tempo", tempo=400_000), MetaMessage("time_signature")],
    [
        *(MetaMessage("track_name", name="Kit"), control(3, 0, 9), on(36, 4, 9)),
        *(on(38, 90, 9), off(36, 2, 9), on(36, 0, 9), off(38, 1, 9), off(36, 30, 9)),
        *(program(4), bend(9), on(60), on(64), off(60, 96), off(64)),
    ],
)


@given(
    places=st.lists(st.integers(0, len(PLAYED) - 1), min_size=1, max_size=3),
    values=st.lists(st.integers(0, 255), min_size=3, max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_damaged_files_give_the_same_or_are_left_to_the_libraries(places, values):
    data = bytearray(PLAYED)
    for place, value in zip(places, values):
        data[place] = value
    try:
        _, tracks = midi_events.read_events(bytes(data))
    except midi_events.Unusual:
        return
    if max(track.length for track in tracks) < 10**6:  # else pretty_midi takes long
        assert sequence_of(bytes(data)) == exact(bytes(data))


def midi_files(folder):
    files = Path(folder).rglob("*")
    return sorted(file for file in files if file.suffix.lower() == ".mid")


def test_golden_files_give_the_same_either_way(golden):
    assert_same_either_way(midi_files(golden.path("midi")))


def test_real_files_give_the_same_either_way(shared):
    assert_same_either_way(midi_files(shared / "data")[::25])


def assert_same_either_way(files):
    assert len(files) > 20
    for file in files:
        data = file.read_bytes()
        sequence = sequence_of(data)
        assert isinstance(sequence, NoteSequence)
        assert sequence == exact(data), file
