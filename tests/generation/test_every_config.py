"""Every config by reflection: batches of one, and what Keras and TensorFlow save."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf import build
from music_vae_tf import config as configs
from music_vae_tf.generation import TrainedModel, slerp
from music_vae_tf.models.prng import PRNGKey

NAMES = configs.names("music_vae")


def narrow(name):
    """A config with two units per layer."""
    config = configs.load(name)
    encoder = ",".join("2" for _ in config.model.enc_rnn_size)
    decoder = ",".join("2" for _ in config.model.dec_rnn_size)
    hparams = f"enc_rnn_size=[{encoder}],dec_rnn_size=[{decoder}],z_size=2"
    return configs.override(config, hparams)


def controls_of(model, length):
    depth = model.control_depth
    return np.zeros([length, depth], np.float32) if depth else None


# Of each structure of models one in batches of three; all others in batches of one.
IN_THREES = ("groovae_4bar", "hier-mel_16bar", "hierdec-groove_4bar_small")


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [*((name, 1) for name in NAMES), *((name, 3) for name in IN_THREES)],
)
def test_one_two_and_three_are_sampled_encoded_and_interpolated(name, batch_size):
    config = narrow(name)
    model = TrainedModel(config, batch_size, seed=1)
    length = config.model.max_seq_len
    if config.model.decoder.kind == "lstm":
        length = 4  # a hierarchy decodes its whole length
    controls = controls_of(model.model, length)
    segments = model.converter.length_shape
    full = config.model.max_seq_len
    lengths = np.full(segments, full // np.prod(segments, dtype=int))
    for number in (1, 2, 3):
        z = model.draw(number)
        rows = model.decode_to_tensors(z, length, 1.0, controls)
        assert [len(one) for one in rows] == [length] * number
        sequence = model.converter.to_sequence(rows[0], controls)
        assert isinstance(sequence, NoteSequence)
        inputs = np.zeros([number, full, model.converter.inputs.depth], np.float32)
        control_rows = controls_of(model.model, full)
        _, mu, sigma = model.encode_tensors(
            inputs,
            [lengths] * number,
            None if control_rows is None else [control_rows] * number,
        )
        assert mu.shape == sigma.shape == (number, 2)
        between = np.stack([slerp(mu[0], mu[-1], t) for t in np.linspace(0, 1, number)])
        assert len(model.decode_to_tensors(between, length, 1.0, controls)) == number


def test_many_models_in_one_process_do_not_warn_of_retracing(caplog):
    for _ in range(6):
        model = TrainedModel(narrow("groovae_4bar"), 1, seed=1)
        model.decode_to_tensors(np.zeros([1, 2]), 2)
    assert "retracing" not in caplog.text


SAVED = ["cat-mel_2bar_med_chords", "hierdec-groove_4bar_small"]


@pytest.mark.parametrize("name", SAVED)
def test_export_writes_what_tensorflow_loads_without_us(name, tmp_path):
    config = narrow(name)
    model = build.model(config, build.converter(config))
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    assert {"decode", "encode", "serve"} <= set(loaded.signatures)
    length, seed = config.model.max_seq_len, tf.constant([1, 2])
    controls = controls_of(model, length)
    z = np.ones([3, 2], np.float32)
    given = [] if controls is None else [controls]
    rows = loaded.decode(z, length, 0.5, seed, *given)["rows"]
    expected = model.sample(z, length, controls, 0.5, PRNGKey(seed)).rows
    # The last bit depends on the processor: kernels are chosen for each graph.
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["conv_cvae", "clstm_decoder", "clstm_decoder_windows"]
)
def test_models_of_class_rolls_are_exported(name, tmp_path):
    config = configs.load(name)
    model = build.model(config, build.converter(config))
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    shape = (1, 64) if name == "conv_cvae" else (1, model.latent_windows, 64)
    latent = np.ones(shape, np.float32)
    condition = np.array([[0, 1, 0, 0]], np.float32)
    logits = loaded.serve(latent, condition)["logits"]
    np.testing.assert_allclose(logits, model.logits(latent, condition), atol=1e-5)


def test_keras_saves_and_loads_a_model(tmp_path):
    config = narrow("groovae_4bar")
    model = build.model(config, build.converter(config))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    z, rng = np.ones([2, 2], np.float32), PRNGKey(tf.constant([1, 2]))
    np.testing.assert_array_equal(
        loaded.sample(z, 8, None, 1.0, rng).rows,
        model.sample(z, 8, None, 1.0, rng).rows,
    )
