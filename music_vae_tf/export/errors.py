"""What is raised when a model cannot be exported or read back."""

from music_vae_tf.errors import UserFacingError


class ExportError(UserFacingError, ValueError):
    """A model, a folder or a file that does not fit the format asked for."""
