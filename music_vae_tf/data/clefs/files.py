"""Stage 1: which files are learnt from, and a file as a music21 score."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from xml.etree import ElementTree

from music_vae_tf.data.clefs import NotUsable, midi_scores
from music_vae_tf.data.folder import kind_of
from music_vae_tf.data.midi import UnreadableMusic, read_midi
from music_vae_tf.data.scores.musicxml_document import musicxml_tree
from music_vae_tf.data.scores.score import UnreadableScore
from music_vae_tf.errors import UserFacingError


class NoSuchCorpus(UserFacingError, ValueError):
    """A corpus that music21 does not bring along."""


def sample_files(names: list[str], number: int | None, seed: int) -> list[str]:
    """That many of the files, drawn by the seed; all of them without a number."""
    if number is None or number >= len(names):
        return sorted(names)
    return sorted(random.Random(seed).sample(sorted(names), number))


def corpus_files(name: str) -> tuple[Path, list[str]]:
    """The scores by a composer in music21's own corpus: their folder, their names.

    Raises:
        NoSuchCorpus: there is none of that name.
    """
    from music21 import corpus

    found = {}
    for path in corpus.corpora.CoreCorpus().getPaths():
        path = Path(path)
        if path.suffix in (".mxl", ".xml", ".musicxml"):
            root = _corpus_root(path)
            found.setdefault(path.relative_to(root).parts[0], []).append(path)
    if name not in found:
        sizes = ", ".join(f"{key} ({len(found[key])})" for key in sorted(found))
        raise NoSuchCorpus(f"music21 brings no corpus {name!r}; it has: {sizes}")
    folder = _corpus_root(found[name][0]) / name
    return folder, sorted(str(path.relative_to(folder)) for path in found[name])


def _corpus_root(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.name == "corpus")


def parse(path, quantization: str = "fine"):
    """The music21 score of a file.

    MIDI goes through our own reader first, which explains broken and absurd files.

    Args:
        quantization: of MIDI. 'fine' as `midi_scores` has it; 'original' to sixteenths
            and triplets of eighths, as music21 and so the original system have it.

    Raises:
        NotUsable: it cannot be parsed, holds several scores, or was played freely.
    """
    from music21 import stream

    path = Path(path)
    if not path.is_file():
        raise NotUsable("no ordinary file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # music21's remarks on track names
            score = _parse(path, quantization)
    except NotUsable:
        raise
    except (UnreadableMusic, UnreadableScore) as error:
        raise NotUsable(str(error).removeprefix(f"{path}: ")) from error
    except OSError as error:
        reason = error.strerror or f"{type(error).__name__}: {error}"
        raise NotUsable(f"cannot be opened: {reason}") from error
    except Exception as error:  # malformed scores raise nearly anything
        raise NotUsable(f"cannot be parsed: {type(error).__name__}: {error}") from error
    if isinstance(score, stream.Opus):
        raise NotUsable("several scores in one file")
    return score


def _parse(path, quantization):
    from music21 import converter

    is_midi = kind_of(path.name) == "midi"
    if is_midi:
        read_midi(path)
    if is_midi and quantization == "fine":
        return midi_scores.score_of(path.read_bytes())
    if kind_of(path.name) == "musicxml":  # checked, and by parts
        tree = musicxml_tree(path.read_bytes())
        text = ElementTree.tostring(tree, encoding="unicode")
        return converter.parseData(text, format="musicxml")
    return converter.parse(path, forceSource=True, storePickle=False)
