"""Small models with seeded weights, for tests of all formats."""

import numpy as np

from music_vae_tf import build
from music_vae_tf import config as configs


def small(config):
    """A config with its own depths and lengths, and few units."""
    config = configs.load(config) if isinstance(config, str) else config
    fours = lambda sizes: ",".join("4" for _ in sizes)
    hparams = (
        f"enc_rnn_size=[{fours(config.model.enc_rnn_size)}],"
        f"dec_rnn_size=[{fours(config.model.dec_rnn_size)}],z_size=3"
    )
    if config.model.nade_num_hidden:
        hparams += ",nade_num_hidden=5"
    return configs.override(config, hparams)


def seeded_weights(config):
    """{Magenta's name: array} of random weights, large enough to matter."""
    model = build.model(config, build.converter(config))
    rng = np.random.default_rng(len(config.name))
    return {
        name: rng.normal(0, 0.7, variable.shape).astype(np.float32)
        for name, variable in model.named_variables.items()
    }


def seeded_model(config):
    """A model with these weights."""
    model = build.model(config, build.converter(config))
    for name, value in seeded_weights(config).items():
        model.named_variables[name].assign(value)
    return model
