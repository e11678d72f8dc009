"""A song's drums through a GrooVAE model; everything else of the file stays as it is.

    model = TrainedModel("groovae_2bar_humanize", 8, "run")
    (performance,) = model.transform("song.mid", amount=0.8)
    performance.save("humanized.mid")
    print(performance.report)

The song may be of any length and any tempo map: what moves, moves by fractions of a
beat. Bars that the model does not know, and notes without a class, stay, and are
counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import mido
import numpy as np

from music_vae_tf.analysis.attributes import ATTRIBUTES, parse_amounts
from music_vae_tf.data import midi_song
from music_vae_tf.data.drum_maps import GENERAL_MIDI, DrumMap
from music_vae_tf.data.midi_editing import HI_HATS, Edits
from music_vae_tf.data.midi_song import MidiSong
from music_vae_tf.data.midi_sounding import Part, drum_parts_of, on_drum_channel
from music_vae_tf.data.song_drums import NothingToTransform, chosen_drums
from music_vae_tf.data.song_grid import SongGrid, grid
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.attributes import along, attributes_of, check_names
from music_vae_tf.generation.decodable import COLDEST, HOTTEST
from music_vae_tf.generation.transform_edits import Blend, add_edits, new_notes
from music_vae_tf.generation.transform_tasks import (
    Freedom,
    Task,
    decides_hits,
    freedom,
    task_of,
)
from music_vae_tf.generation.transform_windows import WindowModel, perform
from music_vae_tf.wording import amount as amount_of

VELOCITY, TIMING = APPLICABLE = "velocity", "timing"
LARGEST_AMOUNT = 10.0


class BadTransform(UserFacingError, ValueError):
    """Options of `transform` that make no sense."""


@dataclass
class Report:
    """What was taken of a song, and what became of it.

    Attributes:
        task: what the config does, in a user's words.
        tracks: `track name, channel` of the drums: number of notes.
        remarks: on the choice of drums, and on the file.
        taken: notes that the model read.
        left_out: bars and notes that stay as they are, with the reason.
        between: of the notes taken, those between sixteenths, which move as the notes
            around them do.
        moved, louder_or_softer, added, removed: numbers of notes.
    """

    task: str
    tracks: Counter[str]
    remarks: list[str]
    taken: int
    left_out: Counter[str] = field(default_factory=Counter)
    between: int = 0
    moved: int = 0
    louder_or_softer: int = 0
    added: int = 0
    removed: int = 0

    def lines(self) -> list[str]:
        """The report in sentences."""
        places = ", ".join(
            f"{count} on {place}" for place, count in self.tracks.items()
        )
        lines = [f"Drums: {places}", *self.remarks]
        if self.left_out:
            listed = _listed(self.left_out)
            lines.append(f"Unchanged: {listed}")
        if self.between:
            notes = amount_of(self.between, "notes between sixteenths")
            lines.append(f"With the timing of the notes around them: {notes}")
        lines.append(
            f"Of {self.taken} notes {self.moved} moved, {self.louder_or_softer} "
            f"changed their velocity, {self.removed} were removed; {self.added} were "
            "added"
        )
        return lines

    @property
    def is_silent(self) -> bool:
        """Whether the model took all notes away and gave none for them."""
        return self.removed == self.taken > 0 and not self.added

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class Transformed:
    """A song after `transform`."""

    midi: mido.MidiFile
    report: Report
    drums: frozenset[Part] = frozenset()  # that the model was given

    def save(self, path: str | os.PathLike) -> None:
        """Writes the MIDI file."""
        midi_song.save(self.midi, path)

    def heard(self) -> mido.MidiFile:
        """The song with its drums on channel 10, for sound and pictures."""
        return on_drum_channel(self.midi, self.drums)


def transform(
    trained: Any,
    music: Any,
    *,
    amount: float = 1.0,
    apply: Iterable[str] = APPLICABLE,
    preserve_onsets: bool | None = None,
    temperature: float = 0.5,
    num_outputs: int = 1,
    drums: str | None = None,
    drum_map: DrumMap = GENERAL_MIDI,
    attributes: str | Mapping[str, float] = "",
    attribute_file: Any = None,
    progress: Callable[[int], AbstractContextManager] | None = None,
) -> list[Transformed]:
    """Versions of a song, transformed as the model's config was trained to.

    Args:
        trained: a `TrainedModel` of a GrooVAE config.
        music: path or bytes of a MIDI file, a `mido.MidiFile` or a `MidiSong`.
        amount: 0 changes no note and adds none, 1 is the model's playing, more
            exaggerates it. A kit takes the place of taps at any amount.
        apply: what is taken of the playing of given notes: 'velocity', 'timing', or
            both, also as one text with commas.
        preserve_onsets: no hit is lost, or leaves its step; humanizing adds none. The
            default is the task's: yes, except where a kit takes the place of taps.
        temperature: of hits, and of the draw of the latent vectors; near 0 a version is
            the most probable one.
        num_outputs: versions; each has a draw of its own.
        drums: which notes are drums, as in `drum_parts`; by default as in the config.
        drum_map: which note is which drum, for reading and for new notes; see
            `data.drum_maps.load`.
        attributes, attribute_file: what the latent vectors of all windows are moved
            by; see `attributes.shift`.
        progress: is called with the number of windows to do, and gives a context whose
            `advance(windows)` is called as they are done.

    Raises:
        UnfitConfig: the model transforms no songs, or not with this option.
        NothingToTransform: no drums in bars that the model can read.
        UnreadableMusic: the file is not MIDI, or broken.
        BadTransform: an option makes no sense.
        BadAttribute, BadAmounts: as in `attributes.shift`.
    """
    blend = _blend(amount, apply, temperature)
    task = task_of(trained.config, trained.converter, preserve_onsets)
    shift = _shift(trained, task, attributes, attribute_file)
    song = MidiSong.read(music)
    choice = drums or task.converter.drums
    numbers, remarks = chosen_drums(
        song, choice, task.converter.pitch_classes, drum_map
    )
    gridded = grid(song, numbers, task.converter, drum_map)
    if not gridded.stretches:
        reasons = _listed(gridded.left_out)
        raise NothingToTransform(f"no drums that the model can read: {reasons}")
    if gridded.paired:
        whole = f"{task.converter.quarters_per_bar}/4"
        remarks.append(f"Read two by two as bars of {whole}: {_listed(gridded.paired)}")
    if song.mended:
        remarks.append(f"Broken MIDI, read as a DAW does: {_listed(song.mended)}")
    if song.is_finer:
        remarks.append(f"The output has {song.ticks_per_quarter} ticks a quarter")
    model = _window_model(trained, task)
    tracks = _places(song, numbers)
    parts = drum_parts_of(song.notes, numbers)
    results = []
    versions = _versions(model, gridded, shift, num_outputs, temperature, progress)
    for version in versions:
        new = new_notes(song, numbers, task, gridded.stretches, drum_map)
        edits = Edits(hi_hats=_hi_hats(drum_map))
        if amount or new.replaces:
            _add_edits(edits, song, gridded, version, task, blend, new)
        report = _report(song, gridded, edits, task, tracks, remarks)
        results.append(Transformed(song.edited(edits), report, parts))
    return results


def _listed(counts) -> str:
    return ", ".join(amount_of(n, what) for what, n in counts.items())


def _blend(amount, apply, temperature) -> Blend:
    words = apply.split(",") if isinstance(apply, str) else apply
    apply = tuple(word.strip() for word in words)
    if not 0 <= amount <= LARGEST_AMOUNT:
        raise BadTransform(f"amount={amount}: expected 0 to {LARGEST_AMOUNT:g}")
    if not apply or not set(apply) <= set(APPLICABLE):
        raise BadTransform(
            f"apply={','.join(apply)}: expected velocity, timing or velocity,timing"
        )
    if not COLDEST <= temperature <= HOTTEST:
        raise BadTransform(
            f"temperature={temperature}: expected a number above 0, from {COLDEST:g} "
            f"to {HOTTEST:g}"
        )
    return Blend(amount, VELOCITY in apply, TIMING in apply)


def _shift(trained, task, attributes, path):
    """What attributes add to the latent vector of each window: [Z], or 0."""
    if not attributes:
        return 0.0
    amounts, given_hits = parse_amounts(attributes), not decides_hits(task)
    vectors = attributes_of(trained, path, given_hits=given_hits)
    fixed = [name for name in amounts if name in ATTRIBUTES and name not in vectors]
    if given_hits and vectors and fixed:
        raise BadTransform(
            f"attribute {', '.join(fixed)}: all hits stay where they are, and this "
            f"model moves {', '.join(vectors)} of their playing. "
            "--nopreserve_onsets lets a model decide hits, if its task does"
        )
    check_names(trained, amounts, vectors)
    return along(vectors, amounts)


def _window_model(trained, task: Task) -> WindowModel:
    """The same for all songs that a model is given: it is compiled once."""
    kept = trained.__dict__.setdefault("_window_models", {})
    if task not in kept:
        kept[task] = WindowModel(trained, task)
    return kept[task]


def _versions(model, gridded: SongGrid, shift, num_outputs, temperature, progress):
    """What the model plays in each stretch, version after version."""
    stretches = gridded.stretches
    inputs = [model.cut(stretch.played) for stretch in stretches]
    free = [_freedom(model.task, stretch) for stretch in stretches]
    # Each window is encoded once; decoded for hits, if any are free, and for playing.
    counts = [len(one.starts) for one in inputs]
    passes = [1 + bool(one.hits.any()) for one in free]
    decoded = sum(count * times for count, times in zip(counts, passes))
    total = sum(counts) + decoded * num_outputs
    with progress(total) if progress else nullcontext(_Silent) as shown:
        windows = [model.read(one, shown.advance).moved(shift) for one in inputs]
        for _ in range(num_outputs):
            noise = temperature * model.trained.draw(1)[0]
            yield [
                perform(model, stretch.played, w, f, noise, temperature, shown.advance)
                for stretch, w, f in zip(stretches, windows, free)
            ]


class _Silent:
    """Progress that nobody sees."""

    @staticmethod
    def advance(windows):
        """Does nothing."""


def _freedom(task, stretch) -> Freedom:
    """Nothing is free where another metre cuts the last bar short."""
    inside = np.arange(len(stretch.played.hits))[:, None] < stretch.num_steps
    return Freedom(*(one & inside for one in freedom(task, stretch.played)))


def _add_edits(edits, song, gridded, version, task, blend, new) -> None:
    for stretch, result in zip(gridded.stretches, version):
        playing = _freedom(task, stretch).playing
        add_edits(edits, song, stretch, result, playing, blend, new)


def _hi_hats(drum_map) -> frozenset[int]:
    """The notes of a kit that are hi-hats."""
    return frozenset(np.flatnonzero(np.isin(drum_map.read, list(HI_HATS))).tolist())


def _places(song, numbers) -> Counter[str]:
    places = Counter()
    for number in numbers:
        note = song.notes[number]
        name = song.names[note.track] or f"{note.track + 1} of the file"
        places[f"track {name}, channel {note.channel + 1}"] += 1
    return places


def _report(song, gridded, edits, task, tracks, remarks) -> Report:
    placed = [(song.notes[n], placing) for n, placing in edits.placed.items()]
    cells = [cells for s in gridded.stretches for cells in s.cells.values()]
    return Report(
        task=task.description,
        tracks=tracks,
        remarks=list(remarks),
        taken=sum(map(len, cells)),
        left_out=gridded.left_out,
        between=sum(len(stretch.between) for stretch in gridded.stretches),
        moved=sum(note.start != placing.start for note, placing in placed),
        louder_or_softer=sum(n.velocity != p.velocity for n, p in placed),
        added=len(edits.added),
        removed=len(edits.removed),
    )
