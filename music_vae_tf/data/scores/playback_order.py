"""The order in which the bars of a score are played."""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

from music_vae_tf.data.scores.score import MAX_BARS, Jump, Marks, UnreadableScore

STEPS_A_BAR = 20  # bars gone through for each that is played: others are skipped


def marks_of_words(words: str) -> dict[str, object]:
    """What a text means for the order, as fields of Marks: of "D.C. al Fine", a jump.

    Words that merely begin like that ("D. Scarlatti") say nothing.
    """
    text = " ".join(words.lower().split()).strip("()[]\"' ")
    if len(text) > 40:
        return {}
    jump = re.match(
        r"(?:d\.? ?(?P<where>[cs])\.?|(?P<long>da capo|dal segno))"
        r"(?:,? (?:a|al|alla|to|till|until) (?:the )?(?:fine|coda|end|segno)\.?"
        r"(?: (?:e|ed|and) .*)?)?\.?$",
        text,
    )
    if jump:
        return {"jump": Jump("s" in (jump["where"] or jump["long"][3:]))}
    if re.match(r"(?:to|al|alla) (?:the )?coda\b", text):
        return {"to_coda": ""}
    return {"fine": True} if re.match(r"fine\.?$", text) else {}


def playback_order(marks: Sequence[Marks], sections: Sequence[str] = ()) -> list[int]:
    """Indices of the bars as they are played, each bar's marks given.

    Repeats are not taken again after a D.C. or D.S., where the last endings are played,
    as musicians do. With `sections`, labels of parts of the tune, these are played in
    that order, each with its own repeats.

    Raises:
        UnreadableScore: it would be more than MAX_BARS.
    """
    spans = _spans(marks)
    if not any(label in spans for label in sections):
        return _Player(marks).play()
    order = list(range(*spans.get("", (0, 0))))  # what comes before the first part
    for label in sections:
        first, end = spans.get(label, (0, 0))
        order += [first + index for index in _Player(marks[first:end]).play()]
        _check(len(order))
    return order


def _spans(marks):
    """The bars of each section: label -> (first, end)."""
    starts = [i for i, mark in enumerate(marks) if mark.section]
    spans = {"": (0, starts[0])} if starts else {}
    for first, end in zip(starts, [*starts[1:], len(marks)]):
        spans.setdefault(marks[first].section, (first, end))
    return spans


def _check(number):
    if number > MAX_BARS:
        raise UnreadableScore(
            f"its repeats give more than {MAX_BARS} bars, which is the limit"
        )


class _Player:
    """Goes through the bars as a musician does."""

    def __init__(self, marks):
        self._marks = marks
        self._groups = _ending_groups(marks)
        self._signs = _signs(marks)
        self._order, self._steps = [], 0
        self._start, self._pass = 0, 1  # of the repeat in work
        self._has_jumped, self._takes_repeats = False, True

    def play(self) -> list[int]:
        bar = 0
        while bar is not None and bar < len(self._marks):
            bar = self._step(bar)
        return self._order

    def _step(self, bar):
        """Plays a bar, or skips it; the next one, or None at the end."""
        mark = self._marks[bar]
        self._steps += 1
        _check(self._steps // STEPS_A_BAR)
        if mark.repeat_start and bar != self._start:
            self._begin(bar)
        if mark.ending and not self._is_now(bar):
            return self._following(bar)
        self._order.append(bar)
        _check(len(self._order))
        return self._after(bar, mark)

    def _begin(self, bar):
        self._start, self._pass = bar, 1

    def _is_now(self, bar):
        """Whether an ending is played in this pass."""
        ending = self._marks[bar].ending
        if not self._takes_repeats:
            return max(ending) == self._groups[bar]
        return self._pass in ending

    def _following(self, bar):
        """The next bar; a repeat ends with its last ending."""
        after = bar + 1
        if bar in self._groups and self._is_out_of_group(after):
            self._begin(after)
        return after

    def _is_out_of_group(self, bar):
        return bar not in self._groups or (
            self._marks[bar].ending_starts
            and min(self._marks[bar].ending) <= min(self._marks[bar - 1].ending)
        )

    def _after(self, bar, mark):
        if self._has_jumped:
            if mark.fine:
                return None
            if mark.to_coda is not None:
                coda = self._find("coda", mark.to_coda, beyond=bar)
                if coda is not None:
                    self._takes_repeats = True  # the coda is new
                    self._begin(coda)
                    return coda
        if mark.repeat_plays and self._takes_repeats:
            if self._pass < self._plays(bar, mark):
                self._pass += 1
                return self._start
            if bar not in self._groups:
                self._begin(bar + 1)
        target = None if self._has_jumped else self._target(mark.jump)
        return self._following(bar) if target is None else self._jump(target)

    def _plays(self, bar, mark):
        if bar in self._groups:  # |1 :| alone is followed by the second ending
            return max(self._groups[bar], 2 if max(mark.ending) == 1 else 1)
        return mark.repeat_plays

    def _target(self, jump):
        """Where a jump leads; None if there is none, or no segno for it."""
        if jump is None or not jump.to_segno:
            return None if jump is None else 0
        return self._find("segno", jump.label)

    def _jump(self, target):
        self._has_jumped, self._takes_repeats = True, False
        self._begin(target)
        return target

    def _find(self, what, label, beyond=-1):
        """The bar with a segno or coda, by its label if there are several."""
        for one in (label, None):
            bars = self._signs.get((what, one), [])
            following = bisect.bisect_right(bars, beyond)
            if following < len(bars):
                return bars[following]
        return None


def _signs(marks):
    """`{(segno or coda, label): bars}`, and of any label under None."""
    found = {}
    for bar, mark in enumerate(marks):
        for what in ("segno", "coda"):
            label = getattr(mark, what)
            for key in (label, None) if label is not None else ():
                found.setdefault((what, key), []).append(bar)
    return found


def _ending_groups(marks):
    """For bars of endings: the highest number among those that belong together."""
    groups, last = [[]], 0
    for bar, mark in enumerate(marks):
        new = mark.ending_starts and mark.ending and min(mark.ending) <= last
        if not mark.ending or new:
            groups.append([])
        if mark.ending:
            groups[-1].append(bar)
        last = min(mark.ending, default=0)
    found = {}
    for bars in groups:
        highest = max((max(marks[bar].ending) for bar in bars), default=0)
        found |= dict.fromkeys(bars, highest)
    return found
