"""The models against numbers of the original Magenta, for each of its configs."""

from functools import cached_property

import keras
import numpy as np
import pytest
import tensorflow as tf
from magenta_configs import MAGENTA

from music_vae_tf import build, checkpoint, config, training
from music_vae_tf.batch import Batch
from music_vae_tf.models import music_vae, trainable
from music_vae_tf.models.prng import PRNGKey

NAMES = sorted(MAGENTA)
TRAINED = [
    "cat-mel_2bar_small",
    "groovae_4bar",
    "hierdec-trio_16bar",
    "nade-drums_2bar_reduced",
]


class Reference:
    """One config's model as the golden data have it."""

    def __init__(self, golden, name):
        self.manifest, self.arrays = golden.model(name)
        changed = self.manifest["hparams_changed_from_config"]
        text = ",".join(f"{name}={value}" for name, value in changed.items())
        self.config = config.override(config.load(name), text)
        self.converter = build.converter(self.config)
        self.folder = golden.path("models", name)
        self.prefix = f"{self.folder}/{self.manifest['checkpoint_prefix']}"

    def batch(self, name):
        names = ("input_sequence", "output_sequence", "control_sequence")
        rows = [self.arrays.get(f"{name}/{kind}") for kind in names]
        rows = [rows[1][..., :0] if array is None else array for array in rows]
        rows = [tf.constant(array.astype(np.float32)) for array in rows]
        return Batch(*rows, tf.constant(self.arrays[f"{name}/sequence_length"]))

    def new_model(self):
        """One that a test may train."""
        model = training.compiled_model(self.config, self.converter, seed=0)
        checkpoint.restore(model.named_variables, self.prefix)
        return model

    @cached_property
    def model(self):
        """One that all tests of the config share: none changes it."""
        return self.new_model()

    @cached_property
    def computed(self):
        """{name of a batch: (mu, sigma), reconstruction}, by one graph for all."""
        z = self.arrays["z"]
        compute = tf.function(
            lambda batch: (
                self.model.posterior(batch),
                self.model._reconstruct(batch, z, PRNGKey(0)),
            ),
            autograph=False,
        )
        return {name: compute(self.batch(name)) for name in self.manifest["batches"]}


@pytest.fixture(scope="module")
def reference(golden, request):
    return Reference(golden, request.param)


def close(got, expected, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(got, expected, rtol, atol)


def test_every_config_is_compared(golden):
    assert golden.models() == NAMES


@pytest.mark.parametrize("reference", NAMES, indirect=True)
def test_numbers_equal_magentas(reference):
    model, arrays = reference.model, reference.arrays
    for name, ((mu, sigma), said) in reference.computed.items():
        batch = reference.batch(name)
        close(mu, arrays[f"{name}/mu"])
        close(sigma, arrays[f"{name}/sigma"])
        close(said.step_losses, arrays[f"{name}/step_loss"])
        close(tf.reduce_sum(said.step_losses, 1), arrays[f"{name}/r_loss"], atol=1e-4)
        logits = arrays[f"{name}/logits"]
        stride = reference.manifest["logits_time_stride"]
        there = np.any(logits != 0, axis=-1, keepdims=True)
        close(said.params[:, ::stride] * there, logits)

        metrics = model.decoder.reconstruction_metrics(
            said.params, batch.targets, batch.lengths
        )
        metrics = {name: float(metric.value) for name, metric in metrics.items()}
        assert metrics == pytest.approx(
            reference.manifest["metrics"][name], rel=1e-4, abs=1e-5
        )


@pytest.mark.parametrize("reference", NAMES, indirect=True)
def test_decoding_near_temperature_zero_equals_magentas(reference):
    model, arrays = reference.model, reference.arrays
    controls = arrays.get("decode/c_input")
    sample = tf.function(
        lambda: model.sample(
            arrays["decode/z"],
            reference.config.model.max_seq_len,
            None if controls is None else controls.astype(np.float32),
            temperature=1e-6,
        ),
        autograph=False,
    )
    close(sample().rows, arrays["decode/samples"])


@pytest.mark.parametrize("reference", NAMES, indirect=True)
def test_the_loss_at_a_step_equals_magentas(reference):
    arrays, objective = reference.arrays, reference.config.objective
    posterior, _ = reference.computed["full"]
    kl_nats = music_vae.losses.kl_to_standard_normal_nats(*posterior)
    close(kl_nats, arrays["full/kl_div"])
    kl_cost = music_vae.losses.kl_cost_nats(kl_nats, objective.free_bits)
    close(kl_cost, arrays["full/kl_cost"])
    for step, beta, loss in zip(
        arrays["loss_global_steps"], arrays["full/kl_beta"], arrays["full/loss"]
    ):
        close(objective.beta(step), beta, rtol=1e-6)
        r_loss = arrays["full/r_loss"].mean()
        close(r_loss + objective.beta(step) * tf.reduce_mean(kl_cost), loss)


@pytest.mark.parametrize("reference", TRAINED, indirect=True)
def test_three_training_steps_equal_magentas(reference, monkeypatch):
    model, arrays = reference.new_model(), reference.arrays

    class RecordedNoise(PRNGKey):
        """The latent noise that Magenta drew in these steps."""

        def fold_in(self, stream):
            return RecordedNoise(super().fold_in(stream)._seed)

        def normal(self, shape):
            return tf.gather(arrays["train/eps"], model.optimizer.iterations)

    monkeypatch.setattr(trainable, "PRNGKey", RecordedNoise)
    take_step = tf.function(model.train_step, autograph=False)
    for i in range(3):
        logs = take_step(reference.batch("full"))
        close(logs["loss"], arrays["train/loss"][i])
        close(logs["global_norm"], arrays["train/global_norm"][i])
        close(logs["learning_rate"], arrays["train/learning_rate"][i], rtol=1e-6)

    after = checkpoint.read(f"{reference.folder}/train_ckpt")
    state = training.state_of(model)
    magentas = checkpoint.magenta_names(state)
    assert int(state.pop("step")) == after["global_step"]
    for name, variable in state.items():
        # Where a gradient is nearly zero, Adam divides noise by its size.
        tolerance = {"rtol": 1e-3} if "_moment" in name else {"atol": 2e-5}
        close(variable, after[magentas[name]], **tolerance)


def test_recorded_sampling_equals_magentas_scheduled_sampling(golden, monkeypatch):
    compared = 0
    for name in NAMES:
        if "full/sampled_r_loss" not in golden.model(name)[1]:
            continue
        reference = Reference(golden, name)
        model, arrays = reference.model, reference.arrays
        _sample_by_argmax(monkeypatch)
        reconstruct = tf.function(
            lambda batch, model=model, z=arrays["z"]: model._reconstruct(
                batch, z, PRNGKey(0), sampling_probability=1.0
            ),
            autograph=False,
        )
        for batch_name in reference.manifest["batches"]:
            said = reconstruct(reference.batch(batch_name))
            close(said.step_losses, arrays[f"{batch_name}/sampled_step_loss"])
        compared += 1
    assert compared > 0


def _sample_by_argmax(monkeypatch):
    """As in the golden data: a categorical sampler replaced by an argmax."""
    from music_vae_tf.models import outputs

    monkeypatch.setattr(
        outputs.Categorical,
        "sample",
        lambda self, params, temperature, rng: tf.one_hot(
            tf.argmax(params, axis=-1), self.depth
        ),
    )


@pytest.mark.parametrize("reference", ["groovae_4bar"], indirect=True)
def test_keras_gives_a_model_back_from_its_config(reference):
    model = reference.model
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert list(twin.named_variables) == list(model.named_variables)
    twin.set_weights(model.get_weights())
    batch = reference.batch("full")
    close(twin(batch), model(batch))
