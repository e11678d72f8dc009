"""What a model played, as changes to the notes of a song.

A cell is one drum at one step. All its notes (a flam, two snares at once) move
together, by as much as the loudest of them, and keep their ratio of velocities.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters import drum_classes
from music_vae_tf.data.converters.groove import MAX_VELOCITY
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.data.drum_maps import DrumMap
from music_vae_tf.data.midi_editing import Edits, NewNote, Placing
from music_vae_tf.data.midi_song import DRUM_CHANNEL, MidiSong
from music_vae_tf.data.song_grid import Stretch
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


def new_notes(
    song: MidiSong, numbers, task: Task, stretches, drum_map: DrumMap
) -> NewNotes:
    """The track and channel of most drums; of each drum its most frequent pitch.

    A kit that takes the place of taps plays on channel 10, whatever was tapped on.
    """
    places = Counter((song.notes[n].track, song.notes[n].channel) for n in numbers)
    (track, channel), _ = places.most_common(1)[0]
    classes = drum_classes.classes(task.converter.pitch_classes)
    pitches = [int(drum_map.write[pitches[0]]) for pitches in classes]
    if task.name == TAP:
        return NewNotes(track, DRUM_CHANNEL, pitches, replaces=True)
    played = Counter(
        (drum, song.notes[number].pitch)
        for stretch in stretches
        for (_, drum), notes in stretch.cells.items()
        for number in notes
    )
    for (drum, pitch), _ in reversed(played.most_common()):
        pitches[drum] = pitch
    return NewNotes(track, channel, pitches, replaces=False)


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
    for cell, numbers in stretch.cells.items():
        if new.replaces or not result.hits[cell]:
            edits.removed.update(numbers)
        elif playing[cell]:
            edits.placed.update(_placings(song, stretch, cell, numbers, result, blend))
    for cell in zip(*np.nonzero(result.hits)):
        if new.replaces or cell not in stretch.cells:
            edits.added.append(_added(stretch, cell, result, blend, new))


def _placings(song, stretch, cell, numbers, result, blend):
    loudest = song.notes[numbers[0]]
    delta, ratio = 0, 1.0
    if blend.timing:
        aim = stretch.tick(cell[0] - result.offsets[cell] / 2)
        start = loudest.start + blend.amount * (aim - loudest.start)
        delta = _within(stretch, cell[0], start) - loudest.start
    if blend.velocity:
        aim = result.velocities[cell] * MAX_VELOCITY
        velocity = loudest.velocity + blend.amount * (aim - loudest.velocity)
        ratio = max(velocity, 1) / loudest.velocity
    for number in numbers:
        note = song.notes[number]
        velocity = _velocity(note.velocity * ratio)
        if delta or velocity != note.velocity:
            yield number, Placing(note.start + delta, velocity)


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
        start + max(round(stretch.step), 1),
    )


def _within(stretch, step, tick):
    """The nearest whole tick that is rounded to this step, and not before 0."""
    first = math.ceil(stretch.tick(step - 0.5))
    last = math.ceil(stretch.tick(step + 0.5)) - 1
    return max(min(max(round(tick), first), last), 0)


def _velocity(velocity):
    return int(np.clip(round(velocity), 1, MAX_VELOCITY))
