"""`music_vae_generate --mode=transform`: a song's drums through a GrooVAE model."""

from __future__ import annotations

import logging
from pathlib import Path

from music_vae_tf.commands.attribute_flag import attribute_options
from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.convert_dir_to_note_sequences import worker_limits
from music_vae_tf.commands.outputs import Outputs, Piece
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.trained import config_and_checkpoint
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")

OWN_FLAGS = ("amount", "apply", "preserve_onsets")


def add_transform_flags(command: Command) -> None:
    """The flags that only this mode has."""
    command.float(
        "amount",
        1.0,
        "transform: 0 changes no note and adds none, 1 is the model's playing, more "
        "exaggerates it. A kit takes the place of taps at any amount.",
        at_least=0,
        at_most=10,
    )
    command.string(
        "apply",
        "velocity,timing",
        "transform: what is taken of the model's playing of given notes.",
    )
    command.boolean(
        "preserve_onsets",
        None,
        "transform: no hit is added or lost. Drums that a config adds are added to "
        "those of the file. By default on, except where a kit takes the place of taps.",
    )


def transform_files(flags, paths: list[str], outputs: Outputs) -> None:
    """Writes `--num_outputs` versions of each file, one by default."""
    config, checkpoint = config_and_checkpoint(flags)
    outputs.check()
    import_tensorflow()
    from music_vae_tf.generation import TrainedModel
    from music_vae_tf.generation.transform_tasks import check_config

    check_config(config)
    log.info("Loading %s", checkpoint)
    model = TrainedModel(config, flags.max_batch_size, checkpoint, seed=flags.seed)
    failures = []
    for path in paths:
        try:
            pieces = _transform(flags, model, path, outputs)
        except (OSError, ValueError) as error:
            if not is_for_one_file(error):
                raise
            failures.append(_of_file(path, error))
            if len(paths) == 1:
                raise UserError(failures[0]) from error
            log.error("%s", failures[-1])
            continue
        outputs.write(f"{config.name}_transform_{Path(path).stem}", pieces)
    if failures:
        raise UserError(f"{len(failures)} of {len(paths)} files were not transformed")


def is_for_one_file(error: Exception) -> bool:
    """Whether an error is a file's, so that others can be read none the less."""
    from music_vae_tf.data.midi import UnreadableMusic
    from music_vae_tf.data.song_drums import NothingToTransform

    return isinstance(error, (OSError, UnreadableMusic, NothingToTransform))


def _of_file(path, error) -> str:
    """An error that names the file, once."""
    return str(error) if str(error).startswith(path) else f"{path}: {error}"


def _transform(flags, model, path, outputs) -> list[Piece]:
    from music_vae_tf.data import limited_reading
    from music_vae_tf.data.midi_song import MidiSong

    song = limited_reading.read(MidiSong.read, path, worker_limits(flags))
    versions = model.transform(
        song,
        amount=flags.amount,
        apply=flags.apply,
        preserve_onsets=flags.preserve_onsets,
        temperature=flags.temperature,
        num_outputs=flags.num_outputs if flags["num_outputs"].present else 1,
        drum_map=outputs.drum_map,
        **attribute_options(flags),
        progress=lambda total: progress(total, "Transforming", unit="windows"),
    )
    for line in versions[0].report.lines():
        log.info("%s: %s", path, line)
    if silent := sum(one.report.is_silent for one in versions):
        log.warning(
            "%s: the model answers with no note in %d of %d versions; another --seed, "
            "or a --temperature nearer to 1, may give some",
            path,
            silent,
            len(versions),
        )
    return [Piece(midi=one.midi, heard=one.heard()) for one in versions]
