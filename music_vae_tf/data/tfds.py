"""Data sets of TensorFlow Datasets that hold MIDI -> NoteSequences.

Prepared sets are looked for, and kept, where TFDS keeps them: in `$TFDS_DATA_DIR`, or
in `~/tensorflow_datasets`.
"""

from __future__ import annotations

import difflib
import logging
import os
import textwrap
from collections.abc import Iterator

from music_vae_tf.errors import UserFacingError

log = logging.getLogger("music_vae_tf")

REACHABLE_WITHIN_S = 10


class NoDataset(UserFacingError, ValueError):
    """A data set that cannot be had."""


def require() -> None:
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
    """The NoteSequences of a data set with a feature `midi`, always in the same order.

    A set that is not prepared yet is downloaded. MIDI that cannot be read is left out,
    with a warning.

    Raises:
        NoDataset: there is no such data set or split, it holds no MIDI, or it cannot be
            downloaded.
    """
    require()
    from music_vae_tf.data.midi import UnreadableMusic, parse_midi

    for index, data in enumerate(_midi_files(_builder(name), name, split)):
        try:
            yield parse_midi(data)
        except UnreadableMusic as error:
            log.warning(
                "skipped example %d of %s, split %s: %s", index, name, split, error
            )


def _builder(name):
    import tensorflow_datasets as tfds

    # TFDS itself reads the variable only once, when it is imported.
    data_dir = os.environ.get("TFDS_DATA_DIR")
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        near = difflib.get_close_matches(name.split("/")[0], tfds.list_builders())
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise NoDataset(
            f"TFDS has no data set {name}{hint} A set of your own is looked for in "
            f"{data_dir or '~/tensorflow_datasets'}, or in another folder that the "
            "environment variable TFDS_DATA_DIR names"
        ) from None
    except OSError as error:  # of the network, as those of requests are
        raise NoDataset(_not_there(name, data_dir, error)) from error
    except Exception as error:  # a name out of shape, an unknown configuration ...
        raise NoDataset(f"{name}: {_in_words(error)}{_configurations(name)}") from error


def _configurations(name):
    import tensorflow_datasets as tfds

    known = name.partition("/")[0]
    if known not in tfds.list_builders():
        return ""
    configs = ", ".join(tfds.builder_cls(known).builder_configs)
    return f" (configurations of {known}: {configs})"


def _midi_files(builder, name, split) -> Iterator[bytes]:
    """The contents of the feature `midi`; others are not even decoded."""
    import tensorflow_datasets as tfds

    _check("midi", builder.info.features, f"{name} has the features")
    if not builder.is_prepared():
        _prepare(builder, name)
    _check(split, builder.info.splits, f"{name} has the splits")
    dataset = builder.as_dataset(
        split=split, decoders=tfds.decode.PartialDecoding({"midi": True})
    )
    for example in dataset.as_numpy_iterator():
        yield example["midi"]


def _check(wanted, there, what):
    if wanted not in there:
        raise NoDataset(
            f"{what} {', '.join(there)}, and no {wanted}: take a data set with it, "
            "such as groove/4bar-midionly, or give --examples_path"
        )


def _prepare(builder, name):
    import requests

    try:
        for url in list(builder.url_infos)[:1]:
            # TFDS would try for minutes.
            requests.head(url, timeout=REACHABLE_WITHIN_S)
        builder.download_and_prepare()
    except Exception as error:  # each builder fails in its own way
        raise NoDataset(_not_there(name, builder.data_dir, error)) from error


def _not_there(name, folder, error) -> str:
    return (
        f"{name}, a data set of TFDS that is taken where no music is named, is not in "
        f"{folder or '~/tensorflow_datasets'}, and preparing it failed: "
        f"{_in_words(error)}. Name music of your own (--examples_path, or `data` in "
        "Python), or copy the data set there from a machine where it is prepared "
        "(TFDS_DATA_DIR=FOLDER names another folder)"
    )


def _in_words(error):
    return textwrap.shorten(f"{type(error).__name__}: {error}", 400)
