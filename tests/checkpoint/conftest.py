"""Small checkpoints that the tests of the checkpoint package share."""

import numpy as np
import pytest

from music_vae_tf import checkpoint


@pytest.fixture
def values():
    """{our name: array} of a model with two variables, as after three steps."""
    return {
        "mu/kernel": np.arange(6, dtype=np.float32).reshape(3, 2),
        "mu/kernel/first_moment": np.full([3, 2], 0.5, np.float32),
        "mu/kernel/second_moment": np.full([3, 2], 0.25, np.float32),
        "decoder/layer_0/bias": np.array([1, 2, 3, 4], np.float32),
        "decoder/layer_0/bias/first_moment": np.zeros(4, np.float32),
        "decoder/layer_0/bias/second_moment": np.zeros(4, np.float32),
        "first_moment_decay_power": np.float32(0.9**4),
        "second_moment_decay_power": np.float32(0.999**4),
    }


@pytest.fixture
def run_dir(tmp_path, values):
    """A directory in which someone has trained for three steps."""
    checkpoint.save(tmp_path / "run" / "train", 3, values)
    return tmp_path / "run"
