"""The names of Magenta's `data`."""

from music_vae_tf.data.converters import chords, drum_classes, melody, trio
from music_vae_tf.magenta_api.augmenter import NoteSequenceAugmenter
from music_vae_tf.magenta_api.converters import (
    BaseNoteSequenceConverter,
    DrumsConverter,
    GrooveConverter,
    OneHotMelodyConverter,
    TrioConverter,
)
from music_vae_tf.magenta_api.datasets import (
    convert_to_tensors_op,
    count_examples,
    get_dataset,
)
from music_vae_tf.magenta_api.tensors import (
    ConverterTensors,
    combine_converter_tensors,
    maybe_sample_items,
    np_onehot,
)

__all__ = [
    "BaseNoteSequenceConverter",
    "ConverterTensors",
    "DrumsConverter",
    "GrooveConverter",
    "NoteSequenceAugmenter",
    "OneHotMelodyConverter",
    "TrioConverter",
    "combine_converter_tensors",
    "convert_to_tensors_op",
    "count_examples",
    "get_dataset",
    "maybe_sample_items",
    "np_onehot",
]

PIANO_MIN_MIDI_PITCH, PIANO_MAX_MIDI_PITCH = melody.PIANO_PITCHES
MIN_MIDI_PITCH, MAX_MIDI_PITCH = melody.MIDI_PITCHES
MIDI_PITCHES = drum_classes.MIDI_PITCHES
MAX_INSTRUMENT_NUMBER = trio.MOST_INSTRUMENTS - 1

MEL_PROGRAMS = range(0, 32)
BASS_PROGRAMS = range(32, 40)
ELECTRIC_BASS_PROGRAM = trio.BASS_PROGRAM

REDUCED_DRUM_PITCH_CLASSES = [list(p) for p in drum_classes.classes("reduced")]
FULL_DRUM_PITCH_CLASSES = [list(p) for p in drum_classes.classes("full")]
ROLAND_DRUM_PITCH_CLASSES = [list(p) for p in drum_classes.classes("roland")]

OUTPUT_VELOCITY = melody.OUTPUT_VELOCITY
CHORD_SYMBOL = chords.CHORD_SYMBOL
