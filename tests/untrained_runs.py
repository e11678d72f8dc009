"""Very small models that are not trained, and run directories of such."""

import numpy as np

from music_vae_tf import build, training
from music_vae_tf import config as configs
from music_vae_tf.generation import TrainedModel
from music_vae_tf.run_directory import RunDirectory

SIZES = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2"


def untrained_run(folder, name):
    """The folder, with a model of the config of this name in it."""
    config = configs.override(configs.load(name), SIZES)
    model = training.compiled_model(config, build.converter(config), seed=0)
    directory = RunDirectory.at(str(folder))
    training.Saver(directory.train_dir, 1, 1).save(model)
    directory.write_record(config, seed=0)
    return folder


def playing_model(name, sizes, batch_size):
    """A model whose weights are large enough to play something."""
    config = configs.override(configs.load(name), sizes)
    trained = TrainedModel(config, batch_size, seed=3)
    rng = np.random.default_rng(5)
    for variable in trained.model.weights:
        variable.assign(rng.normal(0, 0.7, variable.shape))
    return trained
