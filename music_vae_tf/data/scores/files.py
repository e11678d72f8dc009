"""Score files -> NoteSequences: as they sound, or as note_seq's parsers read them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from music_vae_tf.data.scores.abc import read_abc
from music_vae_tf.data.scores.musicxml import musicxml_and_remarks
from music_vae_tf.data.scores.score import UnreadableScore
from music_vae_tf.wording import shortened

SOUNDING, MAGENTA = SCORE_READERS = "sounding", "magenta"


class ScoreOptions(NamedTuple):
    """How score files are read."""

    reader: str = SOUNDING
    repeats: bool = True  # whether they are played; Magenta's reader ignores this


def read_score(data: bytes, kind: str, options: ScoreOptions):
    """The NoteSequences of a file's bytes by the numbers of its tunes, and problems.

    The number is '' where a file is not a book. A problem is a reason, with details
    after a colon.

    Args:
        kind: 'musicxml' or 'abc'.

    Raises:
        UnreadableScore: no NoteSequence can be made of it.
    """
    return _READERS[options.reader, kind](data, options.repeats)


def _musicxml(data, repeats):
    sequence, remarks = musicxml_and_remarks(data, repeats)
    return {"": sequence}, remarks


def _abc(data, repeats):
    sequences, problems = {}, []
    for tune in read_abc(data, repeats):
        title = shortened(tune.title, 60)
        name = f'X:{tune.number} "{title}"' if title else f"X:{tune.number}"
        if tune.error:
            problems.append(f"tune that cannot be read: {name}, {tune.error}")
        else:
            sequences[_key(tune.number, sequences)] = tune.sequence
            problems += [f"left out of a tune: {name}, {it}" for it in tune.remarks]
    if not sequences:
        raise UnreadableScore("; ".join(problems[:3]))
    return sequences, problems


def _key(number, sequences):
    """The number of a tune; the second of that number in a book is `5_2`."""
    key, count = number, 1
    while key in sequences:
        count += 1
        key = f"{number}_{count}"
    return key


def _musicxml_by_note_seq(data, _):
    from note_seq import musicxml_reader

    # The parser takes a file, and recognises its kind by the name.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "score.mxl" if data.startswith(b"PK") else "score.xml")
        path.write_bytes(data)
        try:
            sequence = musicxml_reader.musicxml_file_to_sequence_proto(str(path))
        except Exception as error:  # malformed scores raise nearly anything
            raise UnreadableScore(f"no valid MusicXML: {_in_words(error)}") from error
    return {"": sequence}, []


def _abc_by_note_seq(data, _):
    from note_seq import abc_parser

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # as before ABC 2.1
    try:
        tunes, errors = abc_parser.parse_abc_tunebook(text)
    except Exception as error:  # malformed tunes raise nearly anything
        raise UnreadableScore(f"no valid ABC: {_in_words(error)}") from error
    problems = [f"tune that is not valid ABC: {_in_words(error)}" for error in errors]
    if not tunes:
        raise UnreadableScore(problems[0] if problems else "no tune in it")
    return {str(number): tune for number, tune in tunes.items()}, problems


_READERS = {
    (SOUNDING, "musicxml"): _musicxml,
    (SOUNDING, "abc"): _abc,
    (MAGENTA, "musicxml"): _musicxml_by_note_seq,
    (MAGENTA, "abc"): _abc_by_note_seq,
}


def _in_words(error):
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
