"""The models: tensors in, tensors out."""

from music_vae_tf import quiet

quiet.import_quietly()
