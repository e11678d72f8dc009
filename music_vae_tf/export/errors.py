"""What is raised when a model cannot be exported or read back."""


class ExportError(ValueError):
    """A model, a folder or a file that does not fit the format asked for."""

    for_the_user = True
