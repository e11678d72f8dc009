"""Words that depend on a number, and texts that are too long to show."""

import re

# {plural: singular} of the words in reasons why music is left out.
SINGULAR = {
    "are": "is",
    "bars": "bar",
    "bends": "bend",
    "bytes": "byte",
    "changes": "change",
    "chunks": "chunk",
    "controls": "control",
    "instruments": "instrument",
    "notes": "note",
    "pieces": "piece",
    "signatures": "signature",
    "tempos": "tempo",
    "tracks": "track",
    "windows": "window",
}


def counted(number: int, noun: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def amount(number: int, plural: str) -> str:
    """`2 tracks that are cut off`, `1 track that is cut off`; never `these bar`."""
    if number == 1:
        words = re.compile(r"(?<!\bthese )\b[a-z]+")
        plural = words.sub(lambda m: SINGULAR.get(m[0], m[0]), plural)
    return f"{number:,} {plural}"


def shortened(text: str, longest: int = 600) -> str:
    """A text of a stranger's file as a message shows it: `abc [...] xyz`.

    Beyond `longest` characters its middle is left out; both ends say what is wrong.
    """
    if len(text) <= longest:
        return text
    tail = longest // 3
    gap = " [...] "
    return text[: longest - tail - len(gap)] + gap + text[-tail:]
