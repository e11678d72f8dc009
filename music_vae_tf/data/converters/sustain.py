"""The sustain pedal: notes ring on until it is released or they are struck again.

Equal to note_seq's apply_sustain_control_changes, stretch by stretch of a piece. Order
matters here more than elsewhere (of what happens at one time, the pedal comes first),
so that this is a loop, but only over instruments whose pedal is down.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from music_vae_tf.data import limits
from music_vae_tf.data.converters.grid import Pieces, Stretch

SUSTAIN_CONTROL = 64
_HALF_DOWN = 64  # of 127; from here on the pedal is down

# In the order in which they count, if they happen at one time.
_PEDAL_DOWN, _PEDAL_UP, _NOTE_ON, _NOTE_OFF = range(4)


class Pedal(NamedTuple):
    """A pedal goes down or up."""

    seconds: float
    instrument: int
    is_down: bool


def read_pedals(sequence) -> list[Pedal]:
    """The movements of all sustain pedals of a NoteSequence, in order of time."""
    pedals = [
        Pedal(change.time, change.instrument, change.control_value >= _HALF_DOWN)
        for change in sequence.control_changes
        if change.control_number == SUSTAIN_CONTROL
    ]
    limits.check_times([pedal.seconds for pedal in pedals], "pedals")
    return sorted(pedals, key=lambda pedal: pedal.seconds)


def sustained(pieces: Pieces, pedals: list[Pedal]) -> Pieces:
    """The same notes, as long as they sound.

    Of notes of one pitch that start together while the pedal is down, the last is left.

    Args:
        pedals: those of the whole piece, in order of time.
    """
    if not any(pedal.is_down for pedal in pedals):
        return pieces
    notes, stretch, stretches = pieces
    columns = _Columns(*(notes[field].tolist() for field in _Columns._fields))
    bounds = np.searchsorted(stretch, np.arange(len(stretches) + 1)).tolist()
    struck_again, longer = [], []
    for number, moves in enumerate(_within(pedals, stretches)):
        played = range(bounds[number], bounds[number + 1])
        total = stretches[number].total_seconds
        if any(move.is_down for move in moves):
            total = _sustain(columns, played, moves, total, struck_again)
        longer.append(stretches[number]._replace(total_seconds=total))
    notes = notes.copy()
    notes["end_seconds"] = columns.end_seconds
    left = np.delete(np.arange(len(notes)), struck_again)
    return Pieces(notes.take(left), stretch[left], longer)


class _Columns(NamedTuple):
    """Columns of notes as lists, which are faster for a few notes at a time."""

    is_drum: list[bool]
    instrument: list[int]
    pitch: list[int]
    start_seconds: list[float]
    end_seconds: list[float]  # changed where notes are sustained


def _within(pedals: list[Pedal], stretches: list[Stretch]) -> Iterator[list[Pedal]]:
    """For each stretch, where the pedals are at its start and how they move in it."""
    seconds = [pedal.seconds for pedal in pedals]
    position, now = {}, 0
    for stretch in stretches:
        while now < len(pedals) and pedals[now].seconds <= stretch.start_seconds:
            position[pedals[now].instrument] = pedals[now].is_down
            now += 1
        moves = [Pedal(0.0, *pedal) for pedal in position.items()]
        end = bisect_left(seconds, stretch.end_seconds)
        moves += [
            pedal._replace(seconds=pedal.seconds - stretch.start_seconds)
            for pedal in pedals[now:end]
        ]
        yield moves


def _sustain(
    columns: _Columns,
    played: Iterable[int],
    moves: list[Pedal],
    total_seconds: float,
    struck_again: list[int],
) -> float:
    """Changes the ends of the notes played in a stretch; returns its own (seconds).

    Notes that are struck again at once are added to `struck_again`.
    """
    played = [note for note in played if not columns.is_drum[note]]
    last_seconds = max(move.seconds for move in moves)
    last_seconds = max([last_seconds, *(columns.end_seconds[note] for note in played)])
    rings_on = False
    for instrument in {move.instrument for move in moves if move.is_down}:
        ringing = _ring(
            columns,
            [note for note in played if columns.instrument[note] == instrument],
            [move for move in moves if move.instrument == instrument],
            struck_again,
        )
        for note in ringing:
            columns.end_seconds[note] = last_seconds
        rings_on |= bool(ringing)
    if rings_on:
        return last_seconds  # as in note_seq, even if drums play on
    return max([total_seconds, *(columns.end_seconds[note] for note in played)])


def _ring(
    columns: _Columns, played: list[int], moves: list[Pedal], struck_again: list[int]
) -> list[int]:
    """Changes the ends of the notes of one instrument; those that never end."""
    ends = columns.end_seconds
    events = [(columns.start_seconds[note], _NOTE_ON, note) for note in played]
    events += [(ends[note], _NOTE_OFF, note) for note in played]
    events += [(m.seconds, _PEDAL_DOWN if m.is_down else _PEDAL_UP, 0) for m in moves]
    sounding, is_down = [], False
    for seconds, event, note in sorted(events):
        over = []
        if event == _NOTE_ON:
            if is_down:
                over = [n for n in sounding if columns.pitch[n] == columns.pitch[note]]
                struck_again += [n for n in over if columns.start_seconds[n] == seconds]
            sounding.append(note)
        elif event == _NOTE_OFF:
            if not is_down and note in sounding:
                sounding.remove(note)
        else:
            is_down = event == _PEDAL_DOWN
            if not is_down:
                over = [n for n in sounding if ends[n] < seconds]
        for n in over:
            ends[n] = seconds
            sounding.remove(n)
    return sounding
