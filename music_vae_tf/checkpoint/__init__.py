"""Magenta's checkpoints: found, read, restored and written under Magenta's names.

The training checkpoint *is* Magenta's; there is no second format. Weights, Adam's
moments, their decay powers and the step are flat tensors in
`run_dir/train/model.ckpt-N`, as Magenta's own Saver writes them. No tensor is
transposed or split; `names.py` has the one list of names.
"""

from music_vae_tf.checkpoint.companions import companions
from music_vae_tf.checkpoint.finding import CheckpointError, find, latest, step_of
from music_vae_tf.checkpoint.names import magenta_names, our_names
from music_vae_tf.checkpoint.reading import config_in, read
from music_vae_tf.checkpoint.restoring import RestoreReport, restore, warm_start
from music_vae_tf.checkpoint.vocabulary import check_vocabulary, keep_vocabulary
from music_vae_tf.checkpoint.writing import remove_leftovers, save, write

__all__ = [
    "CheckpointError",
    "RestoreReport",
    "check_vocabulary",
    "companions",
    "config_in",
    "find",
    "keep_vocabulary",
    "latest",
    "magenta_names",
    "our_names",
    "read",
    "remove_leftovers",
    "restore",
    "save",
    "step_of",
    "warm_start",
    "write",
]
