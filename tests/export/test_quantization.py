"""The table of what --quantize costs is made again by one command."""

import subprocess
import sys
from pathlib import Path

import pytest
from small_models import seeded_weights, small

from music_vae_tf import config as configs
from music_vae_tf.export import magentajs

SCRIPT = Path(__file__).resolve().parents[2] / "bin" / "quantization.py"


@pytest.mark.slow
def test_the_script_measures_a_model_at_all_quantisations(groove_records, tmp_path):
    config = configs.override(small("groovae_4bar"), "batch_size=4")
    magentajs.write_run(tmp_path / "run", config, seeded_weights(config))
    (tmp_path / "small.yaml").write_text(configs.dump(config))
    flags = [
        f"--config={tmp_path / 'small.yaml'}",
        f"--checkpoint_file={tmp_path / 'run'}",
        f"--examples_path={groove_records}",
    ]
    command = [sys.executable, SCRIPT, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    head, _, size, *rows = done.stdout.splitlines()
    assert head == "| metric | none | float16 | uint16 | uint8 |"
    assert size.startswith("| weights, MB |")
    cells = [row.split("|") for row in rows if row.startswith("|")]
    measured = {row[1].strip(): row[2:-1] for row in cells}
    assert "metrics/velocities_loss" in measured
    assert len(set(measured["losses/r_loss"])) > 1
