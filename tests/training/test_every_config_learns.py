"""Every config by reflection: its loss falls on a batch; its checkpoint comes back."""

import numpy as np
import pytest
import tensorflow as tf
from narrow_models import converter_of, narrow, random_batch

from music_vae_tf import build, checkpoint, training
from music_vae_tf import config as configs

TRAINING_STEPS = 3


@pytest.mark.parametrize("name", configs.names())
def test_the_loss_falls_and_the_checkpoint_makes_the_round_trip(name, tmp_path):
    config = narrow(configs.load(name))
    converter = converter_of(config)
    model = training.compiled_model(config, converter, seed=0)
    batch = random_batch(config, converter)
    losses = [float(model.train_step(batch)["loss"]) for _ in range(TRAINING_STEPS)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    checkpoint.save(tmp_path, TRAINING_STEPS, training.state_of(model), 1, 1)
    other = training.compiled_model(config, converter, seed=1)
    assert training.resume(other, tmp_path) is not None
    theirs = training.state_of(other)
    for key, variable in training.state_of(model).items():
        np.testing.assert_array_equal(variable, theirs[key], err_msg=key)


@pytest.mark.parametrize("name", configs.names("conv_cvae", "clstm_decoder"))
def test_a_sampled_class_roll_converts(name):
    """tests/generation/test_every_config.py samples the MusicVAEs."""
    config = narrow(configs.load(name))
    converter = build.converter(config)
    model = build.model(config, converter)
    windows = () if config.kind == "conv_cvae" else (config.model.latent_windows,)
    z = tf.ones([1, *windows, config.model.z_size])
    (roll,) = tf.argmax(model.logits(z, tf.ones([1, 4])), axis=-1).numpy()
    sequence = converter.to_sequence(roll.astype(np.uint8))
    cells = np.count_nonzero(roll)
    assert len(sequence.notes) <= cells and bool(sequence.notes) == bool(cells)
