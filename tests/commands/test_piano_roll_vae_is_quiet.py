"""The commands of class rolls print their own lines alone, and none of TensorFlow's."""

import os
import subprocess
import sys

import pytest

REFUSED = "piano_roll_vae_{}: "


def outputs_of(command, *flags):
    """stdout and stderr of a command in a process of its own."""
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [sys.executable, "-m", f"music_vae_tf.commands.{command}", *flags],
        capture_output=True,
        text=True,
        env=environment,
    )
    return done.stdout, done.stderr.splitlines()


def test_a_summary_has_nothing_beside_its_table():
    flags = "--config=conv_cvae", "--mode=summary"
    table, lines = outputs_of("piano_roll_vae_train", *flags)
    assert table.startswith("layer ") and lines == []


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_a_refusal_is_one_line(command, tmp_path):
    rolls = tmp_path / "rolls.npz"
    rolls.write_bytes(b"")
    inputs = {
        "generate": ["--condition=piano"],
        "evaluate": [f"--training_path={rolls}", f"--examples_path={rolls}"],
    }
    _, lines = outputs_of(
        f"piano_roll_vae_{command}", *inputs[command], f"--output_dir={tmp_path}"
    )
    assert len(lines) == 1
    assert lines[0].startswith(REFUSED.format(command) + "--run_dir is missing")
