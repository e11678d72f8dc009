"""Very small models of drums, trained for two steps, for the tests of commands."""

from music_vae_tf.commands import music_vae_train

TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=3,batch_size=4"


def train(name, run_dir, records, *flags):
    """Calls the command; gives its exit status."""
    return music_vae_train.run(
        [
            f"--config={name}",
            f"--run_dir={run_dir}",
            f"--examples_path={records}",
            f"--hparams={TINY}",
            "--num_steps=2",
            "--seed=1",
            *flags,
        ]
    )
