"""The effect of --quantize on every validation metric of a model, as a Markdown table.

    python bin/quantization.py --config=groovae_2bar_humanize --task=humanize \
        --examples_path=validation.tfrecord

The weights are rounded as a folder for Magenta.js stores them, and measured here by the
evaluation of music_vae_train, and with --task by the one of music_vae_evaluate. The
deviation of the posterior, which is in no such folder, keeps its 32 bits.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from music_vae_tf import checkpoint, pretrained
from music_vae_tf import config as configs
from music_vae_tf.commands import music_vae_evaluate
from music_vae_tf.export import magentajs, weights_manifest
from music_vae_tf.training import evaluate

OF_A_STEP = {"loss", "losses/kl_beta"}  # which depend on how long a model was trained


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint_file", help="default: the pretrained model")
    parser.add_argument("--examples_path", required=True)
    parser.add_argument("--task", help="of music_vae_evaluate, for a second part")
    flags = parser.parse_args()
    config, path = _model(flags)
    weights = magentajs.restored_weights(config, path)
    examples_path = os.path.abspath(flags.examples_path)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # heads of columns are the names of the run directories
        sizes = {
            name: _write_rounded(config, weights, name, Path(name))
            for name in weights_manifest.QUANTIZATIONS
        }
        metrics = [
            evaluate(data=examples_path, run_dir=name, wait=False).metrics
            for name in sizes
        ]
        _print_table(metrics, sizes)
        arguments = [f"--run_dir={','.join(sizes)}", f"--examples_path={examples_path}"]
        if flags.task:
            arguments += [f"--task={flags.task}", "--decoding=mode"]
        music_vae_evaluate.run([*arguments, "--log=WARN"])
        os.chdir("/")


def _model(flags):
    """The config, and the path of the weights."""
    if flags.checkpoint_file:
        return configs.load(flags.config), flags.checkpoint_file
    return pretrained.config(flags.config), pretrained.weights_path(flags.config)


def _write_rounded(config, weights, quantization, run_dir):
    """Writes a run directory of rounded weights; returns their bytes as stored."""
    stored = {k: v for k, v in weights.items() if k not in magentajs.SIGMA}
    with tempfile.TemporaryDirectory() as folder:
        size = weights_manifest.write(Path(folder), stored, quantization)
        rounded = {**weights, **weights_manifest.read(Path(folder))}
    ours = checkpoint.our_names(rounded)
    magentajs.write_run(run_dir, config, {ours[k]: v for k, v in rounded.items()})
    return size


def _print_table(metrics, sizes):
    rows = {"weights, MB": [f"{size / 1e6:.2f}" for size in sizes.values()]}
    for name in sorted({*metrics[0]} - OF_A_STEP):
        rows[name] = [f"{of_model[name]:.5g}" for of_model in metrics]
    print("| metric |", " | ".join(sizes), "|")
    print("|---|" + "--:|" * len(sizes))
    for name, values in rows.items():
        print("|", name, "|", " | ".join(values), "|")
    print()


if __name__ == "__main__":
    main()
