"""Models as folders that Magenta.js loads, and such folders as checkpoints.

A folder holds `config.json` (see `magentajs_spec`), and the weights under Magenta's
names (see `weights_manifest`). Magenta.js reads the mean of the posterior alone, so the
folder has no weights of its deviation `sigma`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from music_vae_tf import build, checkpoint, config
from music_vae_tf.config import Config
from music_vae_tf.export import magentajs_spec, weights_manifest
from music_vae_tf.export.errors import ExportError
from music_vae_tf.json_files import read_json

SIGMA = ("encoder/sigma/kernel", "encoder/sigma/bias")
# sigma = softplus(bias) where its kernel is zero: so small that z is mu.
UNKNOWN_SIGMA_BIAS = -10.0
CONFIG_FILE = "config.json"
# What a description may choose beside its converter.
CHOICES = ("chordEncoder", "conditionOnKey", "extraControls", "useBooleanDecoder")


def export(
    config: Config, checkpoint_path: str | os.PathLike, folder: Path, quantization: str
) -> int:
    """Writes a trained model as a folder for Magenta.js; returns the bytes of weights.

    Args:
        config: with the sizes that were trained.
        checkpoint_path: in any form that `checkpoint.find` understands.
        folder: exists; is filled.
        quantization: one of `weights_manifest.QUANTIZATIONS`.

    Raises:
        ExportError: Magenta.js cannot run the model, or a weight does not fit.
        checkpoint.CheckpointError: the checkpoint does not fit the config.
    """
    spec = magentajs_spec.spec(config)
    arrays = restored_weights(config, checkpoint_path)
    kept = {name: arrays[name] for name in sorted(arrays) if name not in SIGMA}
    size = weights_manifest.write(folder, kept, quantization)
    # Last, so that a folder with a config.json is whole.
    (folder / CONFIG_FILE).write_text(json.dumps(spec, indent=1), encoding="utf-8")
    return size


def restored_weights(
    config: Config, checkpoint_path: str | os.PathLike
) -> dict[str, np.ndarray]:
    """{Magenta's name: array} of a config's model, with a checkpoint's values.

    Raises:
        checkpoint.CheckpointError: there is none, it is damaged, or it does not fit.
    """
    model = build.uninitialized_model(config, build.converter(config))
    variables = model.named_variables
    checkpoint.restore(variables, checkpoint_path)
    names = checkpoint.magenta_names(variables)
    return {names[name]: np.asarray(value) for name, value in variables.items()}


def read(folder: Path, asked: Config | None = None) -> Any:
    """(config, {our name: array}) of a folder for Magenta.js.

    The config is `asked`, or the named one whose description equals the folder's; its
    sizes are those of the weights. `sigma` is unknown: it is set so small that a sample
    of the posterior is its mean.

    Raises:
        ExportError: the folder is damaged, or fits no config; the message has the
            reason.
    """
    spec = _spec_of(folder)
    arrays = weights_manifest.read(folder)
    fitting = _config_of(spec, arrays, asked, folder)
    arrays = {**arrays, **_unknown_sigma(arrays)}
    return fitting, _checked(fitting, arrays, folder)


def _spec_of(folder):
    file = folder / CONFIG_FILE
    try:
        spec = read_json(file)
        kind = spec["dataConverter"]["type"]
        (spec["dataConverter"].get("args") or {}).items()
    except FileNotFoundError:
        raise ExportError(
            f"{folder} has no {CONFIG_FILE}: not a Magenta.js model"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ExportError(
            f"{file} is damaged: a JSON object with `dataConverter` is expected"
        ) from None
    if spec.get("type") != "MusicVAE":
        raise ExportError(
            f"{file} describes a model of type {spec.get('type')!r}; expected: MusicVAE"
        )
    known = (*magentajs_spec.OUTPUTS, "TrioConverter")
    if kind not in known:
        raise ExportError(
            f"{file} names the converter {kind!r}; there are {', '.join(known)}"
        )
    return spec


def _config_of(spec, arrays, asked, folder):
    candidates = [asked] if asked else _runnable()
    sized = [_with_sizes(candidate, arrays) for candidate in candidates]
    fitting = [each for each in sized if _same_music(magentajs_spec.spec(each), spec)]
    if not fitting:
        keys = ("dataConverter", *CHOICES)
        described = {key: spec[key] for key in keys if key in spec}
        raise ExportError(
            f"{folder} does not fit {asked.name if asked else 'any named config'}: it "
            f"is described as {json.dumps(described)}. Give --config, or a YAML file "
            "of your own."
        )
    exact = [each for each in fitting if each.model == config.load(each.name).model]
    return (exact or fitting)[0]


def _runnable():
    loaded = [config.load(name) for name in config.names("music_vae")]
    return [each for each in loaded if not magentajs_spec.obstacles(each)]


def _same_music(ours, theirs):
    """Whether two descriptions mean the same converter and controls."""
    defaults = {"minPitch": 0, "maxPitch": 127, "stepsPerQuarter": 4}
    kinds = [spec["dataConverter"]["type"] for spec in (ours, theirs)]
    if kinds[0] != kinds[1]:
        return False
    if kinds[0] in ("MelodyConverter", "TrioConverter"):
        defaults = {}
    mine, other = (
        {**defaults, **_without_defaults(spec["dataConverter"].get("args") or {})}
        for spec in (ours, theirs)
    )
    # Absent, null, false and [] all choose nothing.
    chosen = [[spec.get(key) or None for key in CHOICES] for spec in (ours, theirs)]
    return mine == other and chosen[0] == chosen[1]


def _without_defaults(args):
    """Arguments that choose nothing: absent, false, the usual drums, or the parts of a
    trio."""
    parts = ("melArgs", "bassArgs", "drumsArgs", "ignorePolyphony")
    usual = (None, False, magentajs_spec.USUAL_PITCH_CLASSES)
    return {k: v for k, v in args.items() if v not in usual and k not in parts}


def _with_sizes(candidate, arrays):
    """A config with the numbers of units that the weights have."""
    model = candidate.model
    mean = arrays.get("encoder/mu/bias")
    layers = [
        _units(arrays, name)
        for name in sorted(arrays)
        if _is_decoder_layer(name) and arrays[name].ndim == 2
    ]
    first = next((n for n in sorted(arrays) if _is_encoder_layer(n)), None)
    if mean is None or first is None or not layers:
        return candidate
    nade = next((a for n, a in arrays.items() if n.endswith("nade/w_enc")), None)
    sizes = {
        "z_size": mean.size,
        "enc_rnn_size": (_units(arrays, first),),
        "dec_rnn_size": tuple(layers),
    }
    if nade is not None:
        sizes["nade_num_hidden"] = nade.shape[-1]
    return dataclasses.replace(candidate, model=dataclasses.replace(model, **sizes))


def _units(arrays, name):
    return arrays[name].shape[-1] // 4


def _is_encoder_layer(name):
    return name.startswith("encoder/") and name.endswith("lstm_cell/kernel")


def _is_decoder_layer(name):
    """A layer of the (first) decoder that writes steps."""
    return name.endswith("lstm_cell/kernel") and (
        name.startswith("decoder/multi_rnn_cell/")
        or name.startswith("core_decoder/decoder/multi_rnn_cell/")
        or name.startswith("core_decoder/core_decoder_0/decoder/multi_rnn_cell/")
    )


def _unknown_sigma(arrays):
    if SIGMA[0] in arrays or "encoder/mu/kernel" not in arrays:
        return {}
    mean = arrays["encoder/mu/kernel"]
    return {
        SIGMA[0]: np.zeros_like(mean),
        SIGMA[1]: np.full(mean.shape[1:], UNKNOWN_SIGMA_BIAS, np.float32),
    }


def _checked(config: Config, arrays: Mapping[str, np.ndarray], folder):
    """{our name: array}: just those of the config's model.

    Raises:
        ExportError: one is missing, or has a wrong shape.
    """
    model = build.uninitialized_model(config, build.converter(config))
    names = checkpoint.magenta_names(model.named_variables)
    problems = [
        _problem(names[ours], variable, arrays.get(names[ours]))
        for ours, variable in model.named_variables.items()
    ]
    if any(problems):
        listed = "\n  ".join(problem for problem in problems if problem)
        raise ExportError(f"{folder} does not fit {config.name}:\n  {listed}")
    return {ours: arrays[names[ours]] for ours in names}


def _problem(name, variable, array):
    if array is None:
        return f"{name} is missing"
    if tuple(array.shape) != tuple(variable.shape):
        return f"{name} is {list(array.shape)}; {list(variable.shape)} is expected"
    return None


def write_run(folder: Path, trained: Config, arrays: Mapping[str, np.ndarray]) -> str:
    """Writes weights as a run directory that all commands take; returns the prefix."""
    from music_vae_tf.run_directory import RunDirectory

    directory = RunDirectory(folder)
    os.makedirs(directory.train_dir, exist_ok=True)
    prefix = checkpoint.save(directory.train_dir, 0, arrays)
    directory.write_record(trained, seed=0)
    return prefix
