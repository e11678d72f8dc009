"""Names of tracks, which MIDI files hold as bytes of no known encoding.

Magenta reads them as Latin-1, and so do we: then the bytes come out again as they were.
Who shows a name, or compares it, decodes it first.
"""

from __future__ import annotations

import unicodedata

from note_seq.protobuf.music_pb2 import NoteSequence


def decoded(name: str) -> str:
    """A name that was read as Latin-1: as UTF-8 where its bytes are that.

    >>> decoded("SchlÃ¤gel")
    'Schlägel'
    """
    try:
        return name.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return name.strip()


def encoded(name: str) -> str:
    """A name as MIDI libraries write it: each character is a byte.

    Names that Latin-1 does not have are UTF-8.
    """
    try:
        name.encode("latin-1")
    except UnicodeEncodeError:
        return name.encode("utf-8", "replace").decode("latin-1")
    return name


def of_instruments(sequence: NoteSequence) -> dict[int, str]:
    """The decoded name of each instrument of a NoteSequence that has one."""
    infos = sequence.instrument_infos
    return {info.instrument: decoded(info.name) for info in infos if info.name.strip()}


def is_same(name: str, other: str) -> bool:
    """Whether two decoded names are one for a user: case and accents' forms aside."""
    return _comparable(name) == _comparable(other)


def _comparable(name):
    return unicodedata.normalize("NFKC", name).casefold().strip()
