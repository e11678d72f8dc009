"""Whole steps of MusicVAEs through XLA; a GPU takes them so."""

import numpy as np
import pytest
import tensorflow as tf
from xla import assert_xla_agrees

from music_vae_tf import build, training
from music_vae_tf import config as configs
from music_vae_tf.batch import Batch

TINY = "batch_size=2,enc_rnn_size=[2],dec_rnn_size=[2,2],z_size=2"


@pytest.mark.parametrize(
    "name, steps, length",
    [
        ("cat-mel_2bar_small", 32, 9),  # with scheduled sampling
        pytest.param("groovae_4bar", 64, 9, marks=pytest.mark.slow),
        pytest.param("hierdec-mel_16bar", 256, 256, marks=pytest.mark.slow),
    ],
)
def test_xla_takes_the_same_step(name, steps, length):
    config = configs.override(configs.load(name), TINY)
    converter = build.converter(config)
    model = training.compiled_model(config, converter, seed=0)
    depth = converter.targets.depth
    classes = np.random.default_rng(0).integers(depth, size=[2, steps])
    rows = tf.one_hot(classes, depth)
    batch = Batch(rows, rows, rows[..., :0], tf.constant([length, length]))
    assert_xla_agrees(model, batch)
