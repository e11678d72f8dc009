"""MusicXML -> NoteSequence.

    read_musicxml("song.musicxml").notes

Pitches are those that sound: transposing instruments are transposed. Ties follow `tie`,
which is for what sounds, and `tied` where a note has none. Cue notes are left out.
Dynamics: p, mf and so on hold in their staff until the next, `<sound dynamics>` and the
attribute of a note likewise; hairpins and accents change nothing. Hidden notes sound.
Ornaments, tremolos and arpeggios are not written out: a trill is one note.
"""

from __future__ import annotations

from pathlib import Path

from music_vae_tf.data.scores import musicxml_directions as directions
from music_vae_tf.data.scores.musicxml_document import musicxml_tree
from music_vae_tf.data.scores.musicxml_instruments import Player, players
from music_vae_tf.data.scores.musicxml_part import PartReader
from music_vae_tf.data.scores.note_sequence import to_note_sequence
from music_vae_tf.data.scores.score import Bar, Part, Score, UnreadableScore


def read_musicxml(source: bytes | str | Path, repeats: bool = True):
    """The NoteSequence of a MusicXML file, plain or compressed.

    Args:
        source: the bytes of a file, or its path.
        repeats: whether repeats, endings, D.C. and D.S. are played.

    Raises:
        UnreadableScore: no NoteSequence can be made of it; the message has the reason.
        OSError: it cannot be opened.
    """
    sequence, _ = musicxml_and_remarks(source, repeats)
    return sequence


def musicxml_and_remarks(source, repeats=True):
    """As read_musicxml, with a list of remarks on what of the file is left out."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    score, remarks = _score(musicxml_tree(data))
    return to_note_sequence(score, "MUSIC_XML", repeats), remarks


def _score(root):
    listed = players(root)
    readers = [
        PartReader(listed.get(element.get("id")) or Player())
        for element in root.iter("part")
    ]
    for reader, element in zip(readers, root.iter("part")):
        for measure in element.iter("measure"):
            reader.read(measure)
    if not any(reader.bars for reader in readers):
        raise UnreadableScore("no notes: a score without measures")
    longest = max(len(reader.bars) for reader in readers)
    parts = []
    for reader in readers:
        reader.finish()
        padding = [Bar() for _ in range(longest - len(reader.bars))]
        parts.append(Part(reader.player.name, reader.bars + padding))
    directions.settle_codas(parts)
    return Score(parts, _title(root), _composer(root)), _remarks(readers)


def _remarks(readers):
    unknown = sum(reader.unknown_strokes for reader in readers)
    return [f"unpitched notes of an unknown drum: {unknown} left out"] * bool(unknown)


def _title(root):
    titles = root.findtext("work/work-title"), root.findtext("movement-title")
    return next((" ".join(title.split()) for title in titles if title), "")


def _composer(root):
    found = [
        creator.text.strip()
        for creator in root.iter("creator")
        if creator.get("type") == "composer" and creator.text
    ]
    return " ".join(found[0].split()) if found else ""
