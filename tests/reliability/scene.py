"""Command lines of all commands over small music, for tests that kill them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from piano_files import two_hands, write_piano
from roll_files import tiny_config, write_piece
from song_files import band

from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.records import records_writer

GROOVES = 12
TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
CLEFS_TINY = "lstm_sizes=[4],dense_size=4,batch_size=2"


class Line(NamedTuple):
    """A command with the flags that do not change; `output` is below a folder."""

    command: str
    flags: tuple[str, ...]
    output: Callable[[Path], tuple[str, ...]]  # the flags that say where

    def flags_for(self, folder: Path, *more: str) -> list[str]:
        return [*self.flags, *self.output(folder), *more]


def _named(**paths: str) -> Callable[[Path], tuple[str, ...]]:
    return lambda folder: tuple(
        f"--{flag}={folder / path if path else folder}" for flag, path in paths.items()
    )


def music(folder: Path) -> None:
    """Writes the inputs of all lines."""
    (folder / "midi").mkdir(parents=True)
    for number in range(20):
        band(bars=2 + number).save(folder / "midi" / f"{number}.mid")
    (folder / "groove").mkdir()
    names = ["drummer,style,midi_filename,split"]
    with records_writer(folder / "grooves.tfrecord") as write:
        for number, (_, sequence) in enumerate(grooves.performances(GROOVES)):
            write(sequence.SerializeToString())
            write_midi(sequence, folder / "groove" / f"{number}.mid")
            split = ("train", "validation", "test")[number % 3]
            names.append(f"d,rock,{number}.mid,{split}")
    (folder / "groove" / "info.csv").write_text("\n".join(names) + "\n")
    (folder / "rolls").mkdir()
    for number, programs in enumerate([(0,), (25,), (33,), (0, 25), (33, 0)]):
        write_piece(folder / "rolls" / f"{number}.mid", *programs, shift=number)
    for name in ("conv_cvae", "clstm_decoder"):
        tiny_config(folder, name)
    for number in range(6):
        write_piano(folder / "piano" / f"{number}.mid", *two_hands(4 + number))


def preparations(folder: Path) -> dict[str, Line]:
    """The commands that make files of music, once."""
    records = f"--input_tfrecord={folder / 'grooves.tfrecord'}"
    roll_config = f"--config={folder / 'conv_cvae.yaml'}"
    return {
        "convert": Line(
            "convert_dir_to_note_sequences",
            (f"--input_dir={folder / 'midi'}", "--num_workers=1"),
            _named(output_file="a.tfrecord"),
        ),
        "preprocess": Line(
            "music_vae_preprocess_tfrecord",
            (records, "--config=groovae_4bar", "--output_shards=2"),
            _named(output_tfrecord="examples"),
        ),
        "prepare_groove": Line(
            "music_vae_prepare_groove",
            (f"--input_dir={folder / 'groove'}", "--num_workers=1"),
            _named(output_dir=""),
        ),
        "clef_prepare": Line(
            "clef_lstm_prepare",
            (f"--input_dir={folder / 'piano'}", "--num_workers=1"),
            _named(output_dir=""),
        ),
        "roll_prepare": Line(
            "piano_roll_vae_prepare",
            (f"--input_dir={folder / 'rolls'}", roll_config)
            + ("--held_out=0.3", "--num_workers=1"),
            _named(output_dir=""),
        ),
    }


def trainings(folder: Path, clefs: Path, rolls: Path) -> dict[str, Line]:
    """The commands that train; clefs and rolls are what was prepared.

    That of clstm_decoder needs a run of conv_cvae in the folder `cvae`.
    """
    records = f"--examples_path={folder / 'grooves.tfrecord'}"
    where = _named(run_dir="")
    return {
        "music_vae": Line(
            "music_vae_train",
            ("--config=groovae_4bar", f"--hparams={TINY}", records, "--seed=1"),
            where,
        ),
        "hierarchical": Line(
            "music_vae_train",
            ("--config=hierdec-groove_4bar_small", f"--hparams={TINY}", records)
            + ("--seed=1",),
            where,
        ),
        "clef_lstm": Line(
            "clef_lstm_train",
            ("--config=clef_lstm", f"--data_dir={clefs}", "--seed=1")
            + (f"--hparams={CLEFS_TINY}",),
            where,
        ),
        "conv_cvae": Line(
            "piano_roll_vae_train",
            (f"--config={folder / 'conv_cvae.yaml'}", "--seed=1")
            + (f"--examples_path={rolls / 'train.npz'}",),
            where,
        ),
        "clstm_decoder": Line(
            "piano_roll_vae_train",
            (f"--config={folder / 'clstm_decoder.yaml'}", "--seed=1")
            + (f"--examples_path={rolls / 'train.npz'}",)
            + (f"--cvae_run_dir={folder / 'cvae'}",),
            where,
        ),
    }


def uses(folder: Path, clefs: Path, rolls: Path, run_dir: Path) -> dict[str, Line]:
    """The commands that use a model: that of `MODEL_OF`, trained in run_dir."""
    flat = ("--config=groovae_4bar", f"--run_dir={run_dir}")
    records = f"--examples_path={folder / 'grooves.tfrecord'}"
    other, prior = f"--run_dir={run_dir}", f"{rolls / 'train.npz'}"
    return {
        "generate": Line(
            "music_vae_generate",
            (*flat, "--seed=1", "--num_outputs=20", "--format=mid,png"),
            _named(output_dir=""),
        ),
        "explore": Line(
            "music_vae_explore",
            (*flat, f"--input={folder / 'groove'}", "--seed=1", "--umap=false"),
            _named(output_dir=""),
        ),
        "export": Line(
            "music_vae_export",
            (*flat, "--format=safetensors", "--overwrite"),
            _named(output_dir=""),
        ),
        "evaluate": Line(
            "music_vae_evaluate",
            (*flat, records, "--task=reconstruct", "--two_sample_test=false")
            + ("--seed=1",),
            _named(output_json="figures.json"),
        ),
        "clef_generate": Line(
            "clef_lstm_generate",
            (other, "--seed=1", "--num_outputs=3", "--format=mid,png"),
            _named(output_dir=""),
        ),
        "clef_evaluate": Line(
            "clef_lstm_evaluate",
            (other, f"--data_dir={clefs}", "--split=test", "--num_pieces=2")
            + ("--seed=1",),
            _named(output_file="figures.json"),
        ),
        "roll_generate": Line(
            "piano_roll_vae_generate",
            (other, "--condition=piano", "--seed=1")
            + ("--num_outputs=3", "--format=mid,png"),
            _named(output_dir=""),
        ),
        "roll_evaluate": Line(
            "piano_roll_vae_evaluate",
            (other, f"--training_path={prior}", "--num_generated=4", "--seed=1")
            + (f"--examples_path={rolls / 'held_out.npz'}",),
            _named(output_dir=""),
        ),
    }


# Which of the trainings a use needs.
MODEL_OF = {
    **dict.fromkeys(("generate", "explore", "export", "evaluate"), "music_vae"),
    **dict.fromkeys(("clef_generate", "clef_evaluate"), "clef_lstm"),
    **dict.fromkeys(("roll_generate", "roll_evaluate"), "conv_cvae"),
}


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
