"""TensorFlow Datasets that hold MIDI -> NoteSequences."""

from __future__ import annotations

from collections.abc import Iterator


class NoDataset(ValueError):
    """A data set that cannot be had."""

    for_the_user = True


def require():
    """
    Raises:
        NoDataset: tensorflow-datasets is not installed.
    """
    try:
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        raise NoDataset(
            "data sets of TFDS need tensorflow-datasets: pip install "
            '"music_vae_tf[tfds]", or give --examples_path'
        ) from error


def read_note_sequences(name: str, split: str) -> Iterator:
    """The NoteSequences of a data set with a feature `midi`.

    Raises:
        NoDataset: there is no such data set or split, or it holds no MIDI.
    """
    require()
    import tensorflow_datasets as tfds

    from music_vae_tf.data.midi import parse_midi

    try:
        dataset = tfds.load(name, split=split)
    except (tfds.core.DatasetNotFoundError, ValueError, OSError) as error:
        raise NoDataset(f"{name}, split {split}: {error}") from error
    if "midi" not in dataset.element_spec:
        raise NoDataset(
            f"{name} has the features {', '.join(dataset.element_spec)}, none of them "
            "midi: take a configuration of the data set with MIDI, "
            "such as groove/4bar-midionly"
        )
    for example in tfds.as_numpy(dataset):
        yield parse_midi(example["midi"])
