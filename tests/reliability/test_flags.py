"""Flags of all commands: numbers are finite, `~` is a home, and output is the same."""

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

from music_vae_tf import commands
from music_vae_tf.commands.command import PATH, Command, Misuse

MODULES = [
    importlib.import_module(f"{commands.__name__}.{module.name}")
    for module in pkgutil.iter_modules(commands.__path__)
    if module.name not in ("benchmark_magenta", "benchmark_ours")
]
COMMANDS = [
    m.command for m in MODULES if isinstance(getattr(m, "command", None), Command)
]
PATHS = [
    "input_dir",
    "output_dir",
    "run_dir",
    "data_dir",
    "examples_path",
    "validation_path",
    "output_file",
    "input",
    "input_midi_1",
    "input_midi_2",
    "control_midi",
    "input_midi",
    "z_file",
    "save_z",
    "info_csv",
    "soundfont",
    "checkpoint_file",
    "warm_start_checkpoint",
    "attribute_vector",
    "attribute_file",
    "test_input",
    "input_tfrecord",
    "output_tfrecord",
    "cvae_run_dir",
    "clstm_run_dir",
    "prior_path",
    "training_path",
    "torch_weights",
    "clstm_torch_weights",
    "magenta",
    "from_magentajs",
    "drum_map",
    "output_json",
    "config",
]


def cases(kind):
    return [
        pytest.param(command, name, id=f"{command.name}-{name}")
        for command in COMMANDS
        for name in command._flags
        if command._flags[name].flag_type() == kind
    ]


def read(command, *arguments):
    return command._read(list(arguments))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(("command", "name"), cases("float"))
def test_a_number_that_is_not_finite_is_misuse(command, name, value):
    with pytest.raises(Misuse, match=name):
        read(command, f"--{name}={value}")


@pytest.mark.parametrize(("command", "name"), cases("string"))
def test_the_home_is_expanded_in_every_path(command, name):
    value = read(command, f"--{name}=~/x")[name].value
    expected = os.path.expanduser("~/x") if PATH.search(name) else "~/x"
    assert value == expected
    assert bool(PATH.search(name)) == (name in PATHS) or name.endswith("files")


@pytest.mark.parametrize(("command", "name"), cases("string"))
def test_a_null_character_is_misuse(command, name):
    with pytest.raises(Misuse, match=rf"--{name}='.*a null character"):
        read(command, f"--{name}=a\0b")


# Integers that make nothing larger: what is read, kept or left out, and training steps.
WITHOUT_LIMIT = [
    *("num_steps", "eval_num_batches", "validation_interval", "patience", "seed"),
    *("checkpoints_to_keep", "keep_checkpoint_every_n_hours", "num_files"),
    *("max_total_time", "max_num_notes", "min_velocities", "min_metric_positions"),
    *("top_k_notes", "top_k_durations"),
]


@pytest.mark.parametrize(("command", "name"), cases("int"))
def test_a_number_beyond_all_sense_is_misuse(command, name):
    if command._flags[name].parser.upper_bound is None:
        assert name in WITHOUT_LIMIT and "explore" not in command.name
        return
    with pytest.raises(Misuse, match=name):
        read(command, f"--{name}={10**30}")


RENDER = """
import sys
from note_seq.protobuf.music_pb2 import NoteSequence
from music_vae_tf.rendering import engraving, score
piece = NoteSequence()
piece.tempos.add(qpm=90)
for number, name in enumerate(("treble", "bass")):
    piece.instrument_infos.add(instrument=number, name=name)
    for beat in range(8):
        piece.notes.add(
            pitch=72 - 24 * number + beat,
            velocity=80,
            start_time=beat / 2,
            end_time=beat / 2 + 0.5,
            instrument=number,
        )
xml = score.musicxml(piece, "title")
sys.stdout.buffer.write(xml + "".join(engraving.svg_pages(xml)).encode())
"""


def test_sheets_of_the_same_music_are_the_same_bytes():
    pytest.importorskip("music21")
    pytest.importorskip("verovio")
    one, other = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RENDER],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for _ in range(2)
    )
    assert one == other
    assert b"<score-part id=" in one and b"encoding-date" not in one
