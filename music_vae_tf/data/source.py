"""Where NoteSequences come from: TFRecord files, music files, a data set of TFDS."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger(__name__)


class NoMusic(ValueError):
    """A folder without music files."""

    for_the_user = True


class NothingHeldOut(ValueError):
    """Music that cannot be divided into a part to train on and a part held out."""

    for_the_user = True


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

    def split(self, share: float, seed: int) -> tuple[Source, Source]:
        """The source without a share of its files, and that share alone.

        A file's NoteSequences stay together. Which files are held out depends on their
        names and the seed; more music moves few of them from one part to the other.

        Raises:
            NothingHeldOut: there are fewer than two files.
        """
        ranks = sorted({_rank(sequence, seed) for sequence in self.read()})
        if len(ranks) < 2:
            raise NothingHeldOut(
                f"{self.name}: holding out a part needs music from two files at least; "
                f"there is {len(ranks)}"
            )
        number = min(max(1, round(share * len(ranks))), len(ranks) - 1)
        held_out = set(ranks[:number])

        def part(inside):
            return (s for s in self.read() if (_rank(s, seed) in held_out) is inside)

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
    def failing_in_its_own_words(self):
        """An error of `read` leaves as it was raised, not as tf.data wraps it."""
        try:
            yield
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None


def _rank(sequence, seed: int) -> bytes:
    """Where the file of a NoteSequence stands in the order of a seed."""
    file = f"{sequence.collection_name}/{sequence.filename}".encode()
    if not sequence.filename:
        file = sequence.SerializeToString(deterministic=True)
    return hashlib.sha1(f"{seed} ".encode() + file).digest()


def _read_files(root, names) -> Iterator:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from music_vae_tf.data import midi

    mended = Counter()
    for name in names:
        conversion = midi.convert(root, name, midi.DAW)
        for problem in conversion.problems:
            log.warning("%s: %s", name, problem)
        mended.update(conversion.mended)
        yield from map(NoteSequence.FromString, conversion.records)
    if mended:
        what = ", ".join(f"{count:,} {reason}" for reason, count in mended.items())
        log.info("Broken MIDI, read as a DAW does: %s", what)
