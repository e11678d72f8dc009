"""Bars in the order in which they are played: where each begins, tempo, metre, key."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from music_vae_tf.data.scores.score import (
    DEFAULT_QPM,
    MAX_BAR_QUARTERS,
    MAX_SECONDS,
    Bar,
    Key,
    Metre,
    UnreadableScore,
)

_LONGEST_BAR = Fraction(MAX_BAR_QUARTERS)
_DENOMINATORS = (4, 8, 16, 32, 64)  # of metres for bars that are not full


class Timeline(NamedTuple):
    """Positions in quarters since the beginning."""

    order: list[int]  # the bar that is played, for each that is
    starts: list[Fraction]  # where each begins
    end: Fraction
    tempos: list[tuple[Fraction, float]]  # the first is at 0
    metres: list[tuple[Fraction, Metre]]
    keys: list[tuple[Fraction, Key]]

    def clock(self) -> Clock:
        """Its seconds."""
        return Clock(self.tempos)


class Clock:
    """Quarters -> seconds."""

    def __init__(self, tempos):
        self._quarters = [quarter for quarter, _ in tempos]
        self._pace = [60.0 / qpm for _, qpm in tempos]  # seconds a quarter
        self._seconds = [0.0]
        for (before, after), pace in zip(pairwise(self._quarters), self._pace):
            self._seconds.append(self._seconds[-1] + float(after - before) * pace)

    def __call__(self, quarter: Fraction) -> float:
        """Seconds since the beginning."""
        index = bisect_right(self._quarters, quarter) - 1
        since = float(quarter - self._quarters[index])
        return self._seconds[index] + since * self._pace[index]


def timeline(bars: Sequence[Bar], order: list[int]) -> Timeline:
    """The timeline of bars of one part, or of all parts merged, played in an order.

    Raises:
        UnreadableScore: it would last longer than MAX_SECONDS, or a bar is absurd.
    """
    if bars and max(bar.length for bar in bars) > _LONGEST_BAR:
        raise UnreadableScore(
            f"a bar of more than {MAX_BAR_QUARTERS} quarter notes, which is the limit"
        )
    starts, end = [], Fraction(0)
    for index in order:
        starts.append(end)
        end += bars[index].length
    tempos = _tempos(bars, order, starts)
    if Clock(tempos)(end) > MAX_SECONDS:
        raise UnreadableScore(
            f"it lasts longer than {MAX_SECONDS // 3600} hours, which is the limit"
        )
    keys = _changes((start, bars[index].key) for start, index in zip(starts, order))
    return Timeline(order, starts, end, tempos, _metres(bars, order, starts), keys)


def _tempos(bars, order, starts):
    """All changes of tempo. A bar that is played again has its tempo again."""
    at_start, qpm = [], DEFAULT_QPM
    for bar in bars:
        at_start.append(qpm)
        qpm = bar.tempos[-1][1] if bar.tempos else qpm
    found = [(Fraction(0), DEFAULT_QPM)]
    for start, index in zip(starts, order):
        found.append((start, at_start[index]))
        found += [(start + onset, qpm) for onset, qpm in bars[index].tempos]
    return _changes(sorted(found, key=lambda tempo: tempo[0]))


def _changes(values):
    """Those that differ from what holds; of several at one time the last holds."""
    last_at = {position: value for position, value in values if value is not None}
    found = []
    for position, value in last_at.items():
        if not found or value != found[-1][1]:
            found.append((position, value))
    return found


def _metres(bars, order, starts):
    """Time signatures such that every bar line falls where it is written.

    As in note_seq, a bar that is not full, like an upbeat, gets a signature of its own.
    It gets none if it and the next are one bar with a repeat sign inside. The last bar
    may end early without one.
    """
    found, next_completes = [], False
    for number, (start, index) in enumerate(zip(starts, order)):
        bar = bars[index]
        if bar.metre is None:
            continue
        if next_completes:  # the bar before
            next_completes = False
            continue
        missing = bar.metre.quarters - bar.length
        is_last = number == len(order) - 1
        following = None if is_last else bars[order[number + 1]]
        # A full bar of another metre, which may be as long, is a bar of its own.
        next_completes = (
            missing > 0
            and following is not None
            and (following.length, following.metre) == (missing, bar.metre)
        )
        may_be_short = next_completes or (is_last and missing > 0)
        own = None if missing == 0 or may_be_short else bar.length
        found.append((start, _metre_of(own) or bar.metre))
    return _changes(found)


def _metre_of(quarters):
    """The metre of a bar of that length; None if it has none."""
    for denominator in _DENOMINATORS:
        numerator = (quarters or 0) * denominator / 4
        if numerator and numerator == int(numerator) and numerator < 256:
            return Metre(int(numerator), denominator)
    return None
