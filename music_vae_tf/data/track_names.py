"""Names of tracks, which MIDI files hold as bytes of no known encoding.

Magenta reads them as Latin-1, and so do we: then the bytes come out again as they were.
Who shows a name, or compares it, decodes it first.
"""

from __future__ import annotations

import re
import unicodedata

from note_seq.protobuf.music_pb2 import NoteSequence

CONTROLS = re.compile("[\x80-\x9f]")  # of Latin-1, which no name has
JAPANESE = re.compile("[ぁ-ヿ]|[一-鿿]{2}")  # a kana, or two kanji


def decoded(name: str) -> str:
    """A name that was read as Latin-1: as UTF-8 where its bytes are that.

    Bytes that are control characters in Latin-1 are those of Windows: Shift JIS where
    that gives kana or two kanji in a row, otherwise Windows-1252.

    >>> decoded("SchlÃ¤gel")
    'Schlägel'
    """
    text = _decoded(name, "utf-8")
    if text is None and CONTROLS.search(name):
        text = _decoded(name, "cp932")
        if text is None or not JAPANESE.search(text):
            text = _decoded(name, "cp1252")
    return (name if text is None else text).strip()


def _decoded(name, encoding):
    """None where the bytes are none of the encoding."""
    try:
        return name.encode("latin-1").decode(encoding)
    except UnicodeError:
        return None


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
