"""Magenta.js on this machine, and models of seeded weights that are exported for it."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from between_workers import made_once

from music_vae_tf import build
from music_vae_tf import config as configs
from music_vae_tf.export import magentajs

JS = Path(__file__).resolve().parents[1] / "js"
SECONDS = 300  # for npm


def small(name):
    """A config with its own depths and lengths, and few units."""
    config = configs.load(name)
    layers = ",".join("4" for _ in config.model.dec_rnn_size)
    hparams = f"enc_rnn_size=[6],dec_rnn_size=[{layers}],z_size=3"
    if config.model.nade_num_hidden:
        hparams += ",nade_num_hidden=5"
    return configs.override(config, hparams)


class Exported:
    """A model of seeded weights: its checkpoint, and a folder for Magenta.js."""

    def __init__(self, name, folder, quantization="none"):
        self.config = small(name)
        self.run_dir = folder / "run"
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        model = build.model(self.config, build.converter(self.config))
        rng = np.random.default_rng(len(name))
        values = {
            name: rng.normal(0, 0.7, variable.shape)
            for name, variable in model.named_variables.items()
        }
        magentajs.write_run(self.run_dir, self.config, values)
        magentajs.export(self.config, self.run_dir, self.folder, quantization)

    def spec(self):
        return json.loads((self.folder / "config.json").read_text())


def installed(tmp_path_factory):
    """A folder with Magenta.js in its node_modules, installed from the lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("left out: Node.js and npm are not on this machine")
    if (JS / "node_modules" / "@magenta").is_dir():
        return JS
    try:
        return made_once(tmp_path_factory, "js", install)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("left out: npm cannot install Magenta.js (no network?)")


def install(folder):
    for file in JS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(
        command, cwd=folder, capture_output=True, timeout=SECONDS, check=True
    )
