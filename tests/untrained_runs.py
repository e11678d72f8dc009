"""Run directories of very small models, as they are initialised."""

from music_vae_tf import build, training
from music_vae_tf import config as configs
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
