"""What a model played, as changes to the notes of a song.

A cell is one drum at one step. All its notes (a flam, two snares at once) move
together, by as much as the loudest of them, and keep their ratio of velocities. Notes
between two steps (triplets, a shuffle, 32nds) move as the notes around them do. A model
reads the step alone. It may guess a part of their distance from it, and double it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters import drum_classes
from music_vae_tf.data.converters.groove import MAX_VELOCITY
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.data.drum_maps import DrumMap
from music_vae_tf.data.midi_editing import Edits, NewNote, Placing
from music_vae_tf.data.midi_song import DRUM_CHANNEL, MidiSong
from music_vae_tf.data.song_grid import Stretch, spans
from music_vae_tf.generation.transform_tasks import TAP, Task


class Blend(NamedTuple):
    """How much of what the model plays is taken."""

    amount: float  # 0 nothing, 1 all, beyond 1 exaggerated
    velocity: bool
    timing: bool


class NewNotes(NamedTuple):
    """Where notes that a model adds are written to."""

    track: int
    channel: int
    pitches: list[int]  # [K]
    replaces: bool  # they take the place of all notes that the model read
    end: int  # tick of a bar line behind which none begins or sounds


def new_notes(
    song: MidiSong,
    numbers: Iterable[int],
    task: Task,
    stretches: Sequence[Stretch],
    drum_map: DrumMap,
) -> NewNotes:
    """The track and channel of most drums; of each drum its most frequent pitch.

    They end at the bar line that follows the last event of the tracks with drums. A
    kit that takes the place of taps plays on channel 10, whatever was tapped on.
    """
    places = Counter((song.notes[n].track, song.notes[n].channel) for n in numbers)
    (track, channel), _ = places.most_common(1)[0]
    classes = drum_classes.classes(task.converter.pitch_classes)
    pitches = [int(drum_map.write[pitches[0]]) for pitches in classes]
    end = _bar_line(song, max(song.tracks[number][-1][0] for number, _ in places))
    if task.name == TAP:
        return NewNotes(track, DRUM_CHANNEL, pitches, True, end)
    played = Counter(
        (drum, song.notes[number].pitch)
        for stretch in stretches
        for (_, drum), notes in stretch.cells.items()
        for number in notes
    )
    for (drum, pitch), _ in reversed(played.most_common()):
        pitches[drum] = pitch
    return NewNotes(track, channel, pitches, False, end)


def _bar_line(song, tick):
    """At a tick or after it."""
    found = spans(song, tick)
    return found[-1].end if found else tick


def add_edits(
    edits: Edits,
    song: MidiSong,
    stretch: Stretch,
    result: Groove,
    playing: np.ndarray,
    blend: Blend,
    new: NewNotes,
) -> None:
    """Adds the changes of a stretch.

    Args:
        result: what shall be played `[steps, drums]`.
        playing: bool `[steps, drums]`, which velocities and offsets are the model's.
    """
    moves = _moves(song, stretch, result, playing, blend) if blend.timing else {}
    for cell, numbers in stretch.cells.items():
        if new.replaces or not result.hits[cell]:
            edits.removed.update(numbers)
        elif playing[cell]:
            edits.placed.update(_placings(song, cell, numbers, result, blend, moves))
    for cell in zip(*np.nonzero(result.hits)):
        if new.replaces or cell not in stretch.cells:
            added = _added(stretch, cell, result, blend, new)
            if added.start < new.end:
                edits.added.append(added)


def _moves(song, stretch, result, playing, blend) -> dict[int, int]:
    """By how many ticks each note moves, by its number in the song."""
    moves, around, between = {}, defaultdict(list), defaultdict(list)
    for cell, numbers in stretch.cells.items():
        if not (playing[cell] and result.hits[cell]):
            continue
        on_grid = [number for number in numbers if number not in stretch.between]
        if on_grid:
            start = song.notes[on_grid[0]].start
            aim = stretch.tick(cell[0] - result.offsets[cell] / 2)
            aim = start + blend.amount * (aim - start)
            move = _within(stretch, cell[0], aim) - start
            moves.update(dict.fromkeys(on_grid, move))
            around[cell[1]].append((start, move))
        between[cell[1]] += (n for n in numbers if n in stretch.between)
    for drum, numbers in between.items():
        near = around[drum] or [one for ones in around.values() for one in ones]
        moves.update(_moves_between(song, stretch, numbers, sorted(near)))
    return moves


def _moves_between(song, stretch, numbers, around):
    """Moves of notes by those of the notes around them, half a step at most."""
    if not around:
        return
    starts = np.array([song.notes[number].start for number in numbers])
    places, moves = zip(*around)
    aims = starts + np.interp(starts, places, moves)
    for number, start, aim in zip(numbers, starts.tolist(), aims.tolist()):
        place = (start - stretch.start) / stretch.step
        yield number, _within(stretch, place, aim) - start


def _placings(song, cell, numbers, result, blend, moves):
    loudest, ratio = song.notes[numbers[0]].velocity, 1.0
    if blend.velocity:
        aim = result.velocities[cell] * MAX_VELOCITY
        ratio = max(loudest + blend.amount * (aim - loudest), 1) / loudest
    for number in numbers:
        note, move = song.notes[number], moves.get(number, 0)
        velocity = _velocity(note.velocity * ratio)
        if move or velocity != note.velocity:
            yield number, Placing(note.start + move, velocity)


def _added(stretch, cell, result, blend, new) -> NewNote:
    step, drum = (int(index) for index in cell)
    late = -result.offsets[cell] / 2 * blend.amount if blend.timing else 0
    start = _within(stretch, step, stretch.tick(step + late))
    return NewNote(
        new.track,
        new.channel,
        new.pitches[drum],
        _velocity(result.velocities[cell] * MAX_VELOCITY),
        start,
        min(start + max(round(stretch.step), 1), new.end),
    )


def _within(stretch, step, tick):
    """The nearest whole tick that is less than half a step from a step, which may be a
    fraction; in the stretch, and not before 0."""
    first = math.ceil(stretch.tick(step - 0.5))
    last = min(math.ceil(stretch.tick(step + 0.5)), stretch.end) - 1
    return max(min(max(round(tick), first), last), 0)


def _velocity(velocity):
    return int(np.clip(round(velocity), 1, MAX_VELOCITY))
