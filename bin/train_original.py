"""Trains the original Magenta and keeps a checkpoint every 100 steps.

Written for Python 3.7, the newest that Magenta's dependencies support. It takes the
flags of Magenta's `music_vae_train`, which otherwise writes a checkpoint a minute:

    MAGENTA/bin/python bin/train_original.py --config=groovae_4bar --run_dir=original \
        --examples_path=train.tfrecord --num_steps=2000 --checkpoints_to_keep=0
"""

import tensorflow.compat.v1 as tf
import tf_slim
from magenta.models.music_vae import music_vae_train

SAVE_STEPS = 100


def main():
    """Runs Magenta's own command with another interval between checkpoints."""
    loop = tf_slim.training.train

    def train(logdir, scaffold, hooks, save_checkpoint_secs, **options):
        del save_checkpoint_secs
        saver = tf.train.CheckpointSaverHook(
            logdir, save_steps=SAVE_STEPS, scaffold=scaffold
        )
        return loop(
            logdir=logdir,
            scaffold=scaffold,
            hooks=[*hooks, saver],
            save_checkpoint_secs=None,
            **options,
        )

    tf_slim.training.train = train
    music_vae_train.console_entry_point()


if __name__ == "__main__":
    main()
