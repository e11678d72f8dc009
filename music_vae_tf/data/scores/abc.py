"""ABC -> NoteSequences, one a tune.

    for tune in read_abc(Path("book.abc").read_bytes()):
        print(tune.number, tune.title, tune.error or len(tune.sequence.notes))

The standard 2.1 is read, and what older files use. That is rests, tuplets, grace
notes, chords, ties, broken rhythm, endings, repeats, parts, voices, overlays, fields
within a tune, dynamics, D.C. and D.S. Ornaments are not written out. Chord symbols
become annotations. Neither hornpipes nor beats get an accent.
"""

from __future__ import annotations

from typing import NamedTuple

from note_seq.protobuf import music_pb2

from music_vae_tf.data.scores.abc_book import RawTune, check_size, split_book
from music_vae_tf.data.scores.abc_tune import read_tune
from music_vae_tf.data.scores.note_sequence import to_note_sequence
from music_vae_tf.data.scores.score import UnreadableScore


class Tune(NamedTuple):
    """A tune of a book: its NoteSequence, or why there is none."""

    number: str  # as X: gives it; other tunes of the book may have the same
    title: str
    sequence: music_pb2.NoteSequence | None
    error: str | None = None
    remarks: tuple[str, ...] = ()  # what of it is left out


def read_abc(source: bytes | str, repeats: bool = True) -> list[Tune]:
    """The tunes of an ABC book in their order.

    Only a tune that cannot be read is skipped.

    Args:
        source: the text of a book, or its bytes: UTF-8, else Latin-1.
        repeats: whether repeats, endings, parts, D.C. and D.S. are played.

    Raises:
        UnreadableScore: there is no tune in it.
    """
    tunes = split_book(source)
    if not tunes:
        raise UnreadableScore("no tune in it: no line begins with X:")
    return [_read(tune, repeats) for tune in tunes]


def _read(tune: RawTune, repeats) -> Tune:
    try:
        check_size(tune)
        score, remarks = read_tune(tune.lines)
        sequence = to_note_sequence(score, "ABC", repeats)
    except UnreadableScore as error:
        return Tune(tune.number, tune.title, None, str(error))
    except (ImportError, MemoryError):
        raise  # of the installation, or of a limit for the whole file
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        return Tune(tune.number, tune.title, None, why)
    return Tune(tune.number, tune.title, sequence, None, tuple(remarks))
