"""Kits on other notes than General MIDI's: read and written by tables."""

import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import drum_maps
from music_vae_tf.data.converters import drum_classes

CLASS = drum_classes.class_of_pitch(drum_classes.classes("reduced"))


@pytest.mark.parametrize("name", drum_maps.names())
@pytest.mark.parametrize("pitch", [36, 38, 42, 46, 45, 48, 50, 49])
def test_what_is_written_is_read_as_the_same_drum(name, pitch):
    one = drum_maps.load(name)
    assert CLASS[one.read[one.write[pitch]]] == CLASS[pitch]


def test_the_maps_that_are_promised_exist():
    assert drum_maps.names() == ["ableton", "gm", "logic", "td11", "toontrack"]


def test_the_kit_of_the_groove_midi_dataset_has_its_classes():
    one = drum_maps.load("td11")
    for number, drum in enumerate(drum_classes.ROLAND):
        assert {CLASS[one.read[pitch]] for pitch in drum.pitches} == {number}


def test_a_map_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("read: {60: 36, 61: 38, 36: 42}")
    mine = drum_maps.load(str(path))
    assert [mine.read[pitch] for pitch in (60, 61, 36, 46)] == [36, 38, 42, 46]
    # 36 is a hat there: a kick is written as 60. 38 is not used otherwise.
    assert [mine.write[pitch] for pitch in (36, 38)] == [60, 38]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("read: {22: 200}", "read has 22: 200: expected MIDI notes"),
        ("read: {true: 1}", "read has True: 1"),
        ("read: [1]", "expected MIDI notes"),
        ("kick: 36", "expected the keys name, source, read, write"),
        ("a: [", "not YAML"),
        ("", "not a drum map"),
    ],
)
def test_a_file_that_is_not_a_map_is_refused(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(drum_maps.BadDrumMap, match=words):
        drum_maps.load(str(path))


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(drum_maps.BadDrumMap, match="ableton, gm, logic, td11, toontr"):
        drum_maps.load("cubase")


def test_drums_alone_are_translated():
    sequence = NoteSequence()
    sequence.notes.add(pitch=22, is_drum=True)
    sequence.notes.add(pitch=22)
    table = drum_maps.load("td11").read
    assert [n.pitch for n in drum_maps.translated(sequence, table).notes] == [42, 22]
    del sequence.notes[0]
    assert drum_maps.translated(sequence, table, every=True).notes[0].pitch == 42
    assert drum_maps.translated(sequence, table).notes[0].pitch == 22
