"""Where NoteSequences come from: TFRecord files, music files, a data set of TFDS."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from music_vae_tf.data.holdout import NothingHeldOut, held_out, rank
from music_vae_tf.data.workers import Died, Limits, map_files
from music_vae_tf.errors import UserFacingError
from music_vae_tf.wording import amount

__all__ = ["NoMusic", "NotMusic", "NothingHeldOut", "Source"]

log = logging.getLogger("music_vae_tf")
EXPECTED = (
    "expected the path of a TFRecord file, of a folder or of a music file, or several "
    "NoteSequences"
)
LIMITS = Limits(command="convert_dir_to_note_sequences ")
READING = ["music_vae_tf.data.midi", "music_vae_tf.data.scores.files"]


class NoMusic(UserFacingError, ValueError):
    """A folder without music files."""


class NotMusic(UserFacingError, ValueError):
    """Data given from Python that are not music, or not in a form known here."""


class Source:
    """NoteSequences that can be read again and again."""

    def __init__(self, name: str, read: Callable[[], Iterable]):
        self.name = name
        self._read = read
        self._failure = None

    @classmethod
    def of_files(cls, pattern: str) -> Source:
        """TFRecord files, by a path or a pattern.

        Raises:
            records.BadRecords: there is none.
        """
        from music_vae_tf.data import records

        records.matching_files(pattern)
        return cls(pattern, lambda: records.read_note_sequences(pattern))

    @classmethod
    def of_data_set(cls, name: str, split: str) -> Source:
        """A data set of TensorFlow Datasets, by its name there.

        Raises:
            tfds.NoDataset: TensorFlow Datasets is not installed.
        """
        from music_vae_tf.data import tfds

        tfds.require()
        return cls(name, lambda: tfds.read_note_sequences(name, split))

    @classmethod
    def of_folder(cls, root: str) -> Source:
        """The music files of a folder and all folders in it, in the order of names.

        MIDI is read as a DAW plays it. What cannot be read is left out, with a warning.

        Raises:
            NoMusic: there is none.
            OSError: the folder cannot be read.
        """
        from music_vae_tf.data.folder import KINDS, list_folder

        names = list_folder(root, recursive=True).music
        if not names:
            raise NoMusic(f"{root}: no music file ({', '.join(KINDS)}) there")
        return cls(root, lambda: _read_files(root, names))

    @classmethod
    def from_data(cls, data) -> Source:
        """Whatever names NoteSequences in Python.

        Args:
            data: a path (TFRecord file, pattern of several, folder of music files, one
                music file), several paths, several NoteSequences, or a Source. What can
                be iterated only once, such as a generator, is read into memory here.

        Raises:
            NotMusic: it is something else, or empty.
            records.BadRecords, NoMusic, OSError: nothing of use is at the path.
        """
        if isinstance(data, Source):
            return data
        if isinstance(data, (str, os.PathLike)):
            return cls._of_path(os.path.expanduser(os.fspath(data)))
        if isinstance(data, (bytes, dict)) or not isinstance(data, Iterable):
            raise NotMusic(
                f"{EXPECTED}; this is of type {type(data).__name__}{_advice(data)}"
            )
        items = list(data) if isinstance(data, Iterator) else data
        first = next(iter(items), None)
        if first is None:
            raise NotMusic(f"{EXPECTED}; this {type(data).__name__} is empty")
        if isinstance(first, (str, os.PathLike)):
            return cls._of_paths(list(items))
        numbered = lambda: itertools.starmap(_checked, enumerate(items))
        return cls("NoteSequences in memory", numbered)

    @classmethod
    def _of_path(cls, path: str) -> Source:
        from music_vae_tf.data.folder import kind_of

        if os.path.isdir(path):
            return cls.of_folder(path)
        if kind_of(path) is None:
            return cls.of_files(path)
        with open(path, "rb"):  # it is there, and readable
            folder, name = os.path.split(path)
        return cls(path, lambda: _read_files(folder, [name]))

    @classmethod
    def _of_paths(cls, paths: list) -> Source:
        for path in paths:
            if not isinstance(path, (str, os.PathLike)):
                raise NotMusic(f"several paths are expected; {path!r} is among them")
        sources = [cls.from_data(path) for path in paths]
        name = f"{sources[0].name} and {len(paths) - 1} more"
        return cls(
            name if len(paths) > 1 else sources[0].name,
            lambda: itertools.chain.from_iterable(s.read() for s in sources),
        )

    def split(self, share: float, seed: int) -> tuple[Source, Source]:
        """The source without a share of its files, and that share alone.

        A file's NoteSequences stay together. Which files are held out depends on their
        names and the seed; more music moves few of them from one part to the other.

        Raises:
            NothingHeldOut: there are fewer than two files.
        """
        ranks = {_rank(sequence, seed) for sequence in self.read()}
        chosen = held_out(ranks, share, self.name)

        def part(inside):
            return (s for s in self.read() if (_rank(s, seed) in chosen) is inside)

        return (
            Source(self.name, lambda: part(False)),
            Source(f"{self.name} (held out)", lambda: part(True)),
        )

    def read(self) -> Iterator:
        """All NoteSequences, from the first."""
        try:
            yield from self._read()
        except Exception as error:
            self._failure = error
            raise

    @contextlib.contextmanager
    def reraise_source_error(self):
        """An error of `read` leaves as it was raised, not as tf.data wraps it."""
        try:
            yield
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None


def _advice(data) -> str:
    is_sequence = type(data).__name__ == "NoteSequence"
    return ": put it into a list" if is_sequence else ""


def _checked(number: int, item):
    """The item, if it is a NoteSequence."""
    from note_seq.protobuf.music_pb2 import NoteSequence

    if isinstance(item, NoteSequence):
        return item
    raise NotMusic(
        f"item {number} of the data is a {type(item).__name__}; a NoteSequence is "
        "expected, as music_vae_tf.read_midi returns"
    )


def _rank(sequence, seed: int) -> bytes:
    """Where the file of a NoteSequence stands in the order of a seed."""
    file = f"{sequence.collection_name}/{sequence.filename}".encode()
    if not sequence.filename:
        file = sequence.SerializeToString(deterministic=True)
    return rank(file, seed)


def _read_files(root, names) -> Iterator:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from music_vae_tf.data import midi

    convert = functools.partial(midi.convert, root, reader=midi.DAW)
    mended = Counter()
    for name, conversion in zip(names, map_files(convert, names, READING, LIMITS)):
        if isinstance(conversion, Died):
            log.warning("left out %s: %s", name, conversion.problem)
            continue
        for problem in conversion.problems:
            log.warning("%s: %s", name, problem)
        mended.update(conversion.mended)
        yield from map(NoteSequence.FromString, conversion.records)
    if mended:
        what = ", ".join(amount(count, reason) for reason, count in mended.items())
        log.info("Broken MIDI, read as a DAW does: %s", what)
