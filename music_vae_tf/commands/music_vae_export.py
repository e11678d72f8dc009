"""Writes a trained model in the format of another program.

    music_vae_export --format=magentajs --run_dir=run --output_dir=groovae

--format=magentajs makes a folder that Magenta.js loads by its URL:
`new music_vae.MusicVAE(url)`. --quantize makes its weights smaller.

--format=safetensors makes one file of compact weights, with 16 or 8 bits per weight and
without the optimizer's state. --checkpoint_file of all commands takes such a file.

--format=savedmodel makes a folder that TensorFlow loads without this package, and
--format=onnx makes files for ONNX Runtime. Both hold the encoder, the whole decoder,
and one step of the decoder, whose state the host program keeps.

--format=bundle makes one .tar of checkpoint and config, which Magenta loads as well.
--format=huggingface makes a folder to push to the Hugging Face Hub.

--format=checkpoint goes the other way. It makes a run directory of a folder that was
made for Magenta.js, so that all commands here can use a model that exists only there:

    music_vae_export --format=checkpoint --from_magentajs=folder --output_dir=run
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.trained import (
    add_model_flags,
    config_and_checkpoint,
    converter_of,
    restored,
)
from music_vae_tf.quiet import import_tensorflow

FORMATS = (
    "magentajs",
    "safetensors",
    "savedmodel",
    "onnx",
    "bundle",
    "huggingface",
    "checkpoint",
)
COMPACT = ("safetensors", "huggingface")
CARD = "README.md"
# The paths in a folder that this command has written, which --overwrite may remove.
OF_AN_EXPORT = re.compile(
    r"README\.md|config\.(json|yaml)|(vocabulary|labels)\.json|weights_manifest\.json"
    r"|group1-shard\d+of\d+|[^/]+\.(safetensors|tar|onnx)|saved_model\.pb"
    r"|fingerprint\.pb|variables(/variables\.[^/]+)?|assets"
    r"|train(/(checkpoint|(config|vocabulary)\.(yaml|json)|model\.ckpt-0\.[^/]+))?"
)

command = Command("music_vae_export", __doc__)
command.enum("format", None, FORMATS, "What to write.")
command.string(
    "output_dir", None, "Folder to write; it must not hold anything.", required=True
)
command.boolean("overwrite", False, "Replace what is in --output_dir.")
add_model_flags(command)
command.string("hparams", "", "Hyperparameters that the checkpoint was trained with.")
command.enum(
    "quantize",
    "none",
    ("none", "float16", "uint16", "uint8"),
    "How weights for Magenta.js are stored: in 4, 2, 2 or 1 bytes.",
)
command.integer(
    "bits", 16, "Per weight, for --format=safetensors: 16 or 8.", at_least=8, at_most=16
)
command.string(
    "from_magentajs", None, "Folder with config.json, for --format=checkpoint."
)


def main(flags):
    if flags.format is None:
        raise UserError(f"--format is required: {' or '.join(FORMATS)}")
    _check_pairs(flags)
    import_tensorflow()
    output_dir = Path(os.path.expanduser(flags.output_dir))
    _check_may_be_replaced(flags, output_dir)
    with _filled_whole(output_dir) as folder:
        report = WRITERS[flags.format](flags, folder)
    print(report.format(folder=output_dir))


def _check_pairs(flags):
    if (flags.format == "checkpoint") != (flags.from_magentajs is not None):
        raise UserError("--format=checkpoint and --from_magentajs go together")
    if flags.bits not in (8, 16):
        raise UserError(f"--bits={flags.bits}: expected 8 or 16")
    if flags.quantize != "none" and flags.format != "magentajs":
        raise UserError(_no_effect(flags, "quantize", "magentajs"))
    if flags.bits != 16 and flags.format not in COMPACT:
        raise UserError(_no_effect(flags, "bits", " and ".join(COMPACT)))
    for name in ("run_dir", "checkpoint_file", "hparams"):
        if flags.format == "checkpoint" and getattr(flags, name):
            raise UserError(_no_effect(flags, name, "all formats but checkpoint"))


def _no_effect(flags, name, formats):
    return f"--{name} has no effect on --format={flags.format}: it is for {formats}"


def _to_magentajs(flags, folder):
    from music_vae_tf.export import magentajs

    config, checkpoint_path = _config_and_checkpoint(flags, only_for="Magenta.js")
    size = magentajs.export(config, checkpoint_path, folder, flags.quantize)
    note = ""
    if config.converter.arguments.get("add_instruments"):
        note = (
            "\nMagenta.js has no argument for the drums that this config adds: a page "
            "must remove their notes before it encodes."
        )
    return f"{config.name} for Magenta.js in {{folder}}: {size / 1e6:.1f} MB{note}"


def _to_compact(flags, folder):
    from music_vae_tf.export import compact

    config, _, _, checkpoint_path = _restored(flags)
    path = compact.export(config, checkpoint_path, folder, flags.bits)
    size = path.stat().st_size / 1e6
    return f"{config.name} as {{folder}}/{path.name}: {size:.1f} MB"


def _from_magentajs(flags, folder):
    from music_vae_tf import config as configs
    from music_vae_tf.export import magentajs

    asked = configs.load(flags.config, "music_vae") if flags.config else None
    source = Path(os.path.expanduser(flags.from_magentajs))
    config, arrays = magentajs.read(source, asked)
    magentajs.write_run(folder, config, arrays)
    return (
        f"{config.name} from {source} in {{folder}}. The folder has no sigma of the "
        "posterior, so that encoding gives its mean each time. Use it with "
        "--run_dir={folder}"
    )


def _to_endpoints(flags, folder):
    """--format=savedmodel and --format=onnx."""
    from music_vae_tf.export import onnx, saved_model

    config, model, _, checkpoint_path = _restored(flags)
    write = (saved_model if flags.format == "savedmodel" else onnx).export
    names = write(config, model, folder)
    _write(_companions(checkpoint_path), folder)
    obstacle = model.decoder.step_obstacle if config.kind == "music_vae" else ""
    reason = f"\nNo start and step: {obstacle}." if obstacle else ""
    return f"{config.name} in {{folder}}: {', '.join(names)}{reason}"


def _to_bundle(flags, folder):
    from music_vae_tf.export import bundle

    config, model, step, checkpoint_path = _restored(flags, only_for="Magenta")
    texts = {**_companions(checkpoint_path), **_card(checkpoint_path)}
    path = folder / f"{config.name}.tar"
    bundle.export(config, model, max(step, 0), texts, path)
    return f"{config.name} as {{folder}}/{path.name}"


def _to_hugging_face(flags, folder):
    from music_vae_tf.export import hugging_face

    config, _, _, checkpoint_path = _restored(flags)
    card = _card(checkpoint_path).get(CARD)
    hugging_face.export(config, checkpoint_path, folder, flags.bits, card)
    return (
        f"{config.name} for the Hugging Face Hub in {{folder}}. Complete README.md, "
        "and push it: hf upload user/repository {folder}"
    )


def _config_and_checkpoint(flags, only_for=""):
    """The config with its hyperparameters, and the path of its checkpoint.

    only_for: a program that has models of the kind music_vae alone.
    """
    from music_vae_tf import config as configs
    from music_vae_tf import pretrained

    config, checkpoint_path = config_and_checkpoint(flags, kinds=())
    if only_for and config.kind != "music_vae":
        raise UserError(
            f"--format={flags.format} is for {only_for}, which has no models of kind "
            f"{config.kind}: use --format=savedmodel or --format=onnx"
        )
    asked = configs.override(config, flags.hparams)
    if pretrained.is_weights(checkpoint_path):
        pretrained.check(asked)
    return asked, checkpoint_path


def _restored(flags, only_for=""):
    """The config, the model, its step and the path of its checkpoint."""
    config, checkpoint_path = _config_and_checkpoint(flags, only_for)
    converter = converter_of(config, checkpoint_path)
    model, step = restored(config, converter, checkpoint_path)
    return config, model, step, checkpoint_path


def _companions(checkpoint_path):
    from music_vae_tf import checkpoint

    return checkpoint.companions(checkpoint_path)


def _write(texts, folder):
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _card(checkpoint_path):
    """{README.md: the model card} of a pretrained model, or beside a checkpoint."""
    path = Path(os.path.expanduser(checkpoint_path))
    places = (path / CARD, path.parent / CARD, path.with_suffix(".md"))
    for place in reversed(places):
        if place.is_file():
            return {CARD: place.read_text(encoding="utf-8")}
    return {}


def _check_may_be_replaced(flags, folder: Path):
    """
    Raises:
        UserError: `folder` holds something, and may not be overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output_dir={folder}: it is a file")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not flags.overwrite:
        raise UserError(
            f"--output_dir={folder} is not empty: name another, or give --overwrite"
        )
    for name in ("run_dir", "checkpoint_file", "from_magentajs"):
        source = getattr(flags, name)
        if source and _is_in(source, folder):
            raise UserError(
                f"--output_dir={folder} holds what is exported, --{name}={source}: "
                "name another folder"
            )
    if alien := _not_of_an_export(folder):
        raise UserError(
            f"--output_dir={folder} holds {alien}, which is of no export: --overwrite "
            "removes exports only; name another folder"
        )


def _is_in(path, folder):
    return Path(os.path.expanduser(path)).resolve().is_relative_to(folder.resolve())


def _not_of_an_export(folder):
    """A path that this command has not written; None if all are its own."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return next((path for path in paths if not OF_AN_EXPORT.fullmatch(path)), None)


@contextlib.contextmanager
def _filled_whole(folder: Path):
    """Yields a folder beside `folder` that takes its name once it is filled."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")
    os.chmod(unfinished, 0o755)
    try:
        yield Path(unfinished)
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


WRITERS = {
    "magentajs": _to_magentajs,
    "safetensors": _to_compact,
    "savedmodel": _to_endpoints,
    "onnx": _to_endpoints,
    "bundle": _to_bundle,
    "huggingface": _to_hugging_face,
    "checkpoint": _from_magentajs,
}

run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
