"""Models that no config of Magenta's has, against numbers the original computed.

`unusual_models.npz` holds, for each of them, random weights under Magenta's names, a
batch, and what Magenta 2.1.4 made of it: posterior, reconstruction loss with z given,
the norm of a gradient, metrics, and samples at temperature 1e-6.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf import checkpoint
from music_vae_tf.batch import Batch
from music_vae_tf.config import Kind
from music_vae_tf.kinds.music_vae import MusicVAEConfig, music_vae
from music_vae_tf.models.prng import PRNGKey

ARRAYS = np.load(Path(__file__).with_name("unusual_models.npz"))
FLAT = Kind("bidirectional_lstm", {})
CATEGORICAL = Kind("lstm", {"output": Kind("categorical", {})})
SPLIT = Kind("split", {"depths": (3, 2), "cores": (CATEGORICAL, CATEGORICAL)})
RESIDUAL = {"residual_encoder": True, "residual_decoder": True}


def encoder_levels(*lengths, core="bidirectional_lstm"):
    return Kind("hierarchical", {"level_lengths": lengths, "core": core})


def decoder_levels(*lengths, **options):
    arguments = {"level_lengths": lengths, "core": CATEGORICAL, **options}
    return Kind("hierarchical", arguments)


# name: (encoder, decoder, what differs from the sizes below)
MODELS = {
    "lstm_encoder": (Kind("lstm", {}), CATEGORICAL, {}),
    "residual": (
        FLAT,
        CATEGORICAL,
        {"enc_rnn_size": (3, 3), "dec_rnn_size": (3, 3, 4), **RESIDUAL},
    ),
    "residual_lstm_controls": (Kind("lstm", {}), CATEGORICAL, RESIDUAL),
    "autoregressive": (FLAT, decoder_levels(2, 2, 4), {"max_seq_len": 16}),
    "autoregressive_below": (
        FLAT,
        decoder_levels(2, 2, 4, disable_autoregression=(1,)),
        {"max_seq_len": 16},
    ),
    "autoregressive_controls": (FLAT, decoder_levels(4, 4), {"max_seq_len": 16}),
    "reencoder": (
        encoder_levels(4, 2, 2),
        decoder_levels(2, 2, 4, reencode=True),
        {"max_seq_len": 16},
    ),
    "reencoder_of_lstm": (
        encoder_levels(4, 4, core="lstm"),
        decoder_levels(4, 4, reencode=True),
        {"max_seq_len": 16},
    ),
    "hierarchical_residual": (
        encoder_levels(4, 4),
        decoder_levels(4, 4, disable_autoregression=True),
        {
            "max_seq_len": 16,
            "enc_rnn_size": (2, 2),
            "dec_rnn_size": (3, 3),
            **RESIDUAL,
        },
    ),
    "hierarchical_groove": (  # as hierdec-groove_4bar
        FLAT,
        decoder_levels(
            *(4, 4),
            core=Kind("lstm", {"output": Kind("groove", {})}),
            disable_autoregression=True,
        ),
        {"max_seq_len": 16},
    ),
    "control_preprocessing": (
        FLAT,
        Kind("control_preprocessing", {"core": CATEGORICAL}),
        {"control_preprocessing_rnn_size": (2, 3)},
    ),
    "split": (FLAT, SPLIT, {}),
    "bernoulli": (FLAT, Kind("lstm", {"output": Kind("bernoulli", {})}), {}),
    "decoder_alone": (FLAT, CATEGORICAL, {"z_size": 0}),
    "decoder_alone_hierarchical": (
        FLAT,
        decoder_levels(4, 4, disable_autoregression=True),
        {"max_seq_len": 16, "z_size": 0},
    ),
    "concatenated": (
        FLAT,
        Kind("lstm", {"output": Kind("concatenated", {"depths": (3, 2)})}),
        {},
    ),
}
SIZES = {
    "enc_rnn_size": (3, 2),
    "dec_rnn_size": (3, 4),
    "z_size": 4,
    "max_seq_len": 6,
}


class Reference:
    """One of the models, with the weights and the batch of its numbers."""

    def __init__(self, name):
        self.arrays = {
            key.removeprefix(f"{name}/"): ARRAYS[key]
            for key in ARRAYS.files
            if key.startswith(f"{name}/")
        }
        encoder, decoder, changes = MODELS[name]
        section = MusicVAEConfig(
            encoder=encoder, decoder=decoder, **{**SIZES, **changes}
        )
        x = self.arrays["x"].astype(np.float32)
        self.controls = self.arrays.get("controls", x[..., :0])
        self.batch = Batch(x, x, self.controls, tf.constant(self.arrays["lengths"]))
        self.model = music_vae(
            section, x.shape[-1], x.shape[-1], self.controls.shape[-1]
        )
        names = checkpoint.magenta_names(self.model.named_variables)
        weights = {
            key.removeprefix("weights/"): array
            for key, array in self.arrays.items()
            if key.startswith("weights/")
        }
        assert sorted(names.values()) == sorted(weights)
        for ours, variable in self.model.named_variables.items():
            variable.assign(weights[names[ours]])


# Their graphs take long to build. The hierarchical decoders of configs have golden
# numbers of their own.
SLOW = {
    "autoregressive",
    "autoregressive_below",
    "autoregressive_controls",
    "reencoder",
    "reencoder_of_lstm",
    "hierarchical_residual",
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in MODELS
    ],
)
def reference(request):
    return Reference(request.param)


def close(got, expected):
    np.testing.assert_allclose(got, expected, 1e-4, 1e-5)


def test_every_model_is_compared():
    assert {key.split("/")[0] for key in ARRAYS.files} == set(MODELS)


def test_posterior_loss_and_gradient_equal_magentas(reference):
    model, arrays, batch = reference.model, reference.arrays, reference.batch

    @tf.function(autograph=False)
    def run():
        with tf.GradientTape() as tape:
            said = model._reconstruct(batch, tf.constant(arrays["z"]), PRNGKey(0))
            r_loss = tf.reduce_sum(said.step_losses, axis=1)
            posterior = model.posterior(batch) if model.z_size else ()
            total = tf.reduce_sum(r_loss) + sum(map(tf.reduce_sum, posterior))
        gradients = tape.gradient(total, model.trainable_variables)
        norm = tf.linalg.global_norm([g for g in gradients if g is not None])
        metrics = model.decoder.reconstruction_metrics(
            said.params, batch.targets, batch.lengths
        )
        return posterior, r_loss, norm, {n: t.value for n, t in metrics.items()}

    posterior, r_loss, norm, metrics = run()
    close(r_loss, arrays["r_loss"])
    for name, got in zip(("mu", "sigma"), posterior):
        close(got, arrays[name])
    close(norm, arrays["grad_norm"])
    for name, value in metrics.items():
        if not name.startswith("segment/"):
            close(value, arrays[f"metrics/{name}"])


def test_samples_near_temperature_zero_equal_magentas(reference):
    model, arrays = reference.model, reference.arrays
    sample = tf.function(
        lambda: model.sample(
            tf.constant(arrays["z"]),
            model.max_seq_len,
            arrays.get("sample_controls"),
            temperature=1e-6,
        ),
        autograph=False,
    )
    close(sample().rows, arrays["samples"])
