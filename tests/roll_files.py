"""Small pieces and configs of class rolls, for tests."""

import re

from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf import config
from music_vae_tf.data.midi_writer import write_midi


def write_piece(path, *programs, seconds=2.0, shift=0):
    """A scale in canon for these programs, a note each fifth of a second."""
    sequence = NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=90)
    for part, program in enumerate(programs):
        for i in range(round(seconds / 0.2)):
            sequence.notes.add(
                pitch=40 + 12 * part + (i + shift) % 7,
                velocity=80,
                start_time=i * 0.2,
                end_time=i * 0.2 + 0.15,
                program=program,
                instrument=part,
            )
    write_midi(sequence, path)


def tiny_config(folder, name):
    """A config of two units and rolls of 0.8 s, as a user's own file."""
    text = config.dump(config.load(name))
    for key, value in {
        "roll_steps": 8,
        "continuation_steps": 4,
        "hop_steps": 4,
        "shortest_steps": 8,
        "z_size": 2,
        "lstm_size": 2,
        "batch_size": 4,
        "latent_windows": 2 if name == "clstm_decoder_windows" else 1,
        "filters": "[2, 2]",
    }.items():
        text = re.sub(rf"(\b{key}:) .*", rf"\1 {value}", text)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path
