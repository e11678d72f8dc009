"""Written music whose sound is known: strategies that draw it, and what it sounds like.

The model knows nothing of files or of their readers. `corpus_musicxml` and `corpus_abc`
write it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise, zip_longest
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

GRACE = Fraction(1, 8)  # quarters that a grace note lasts, before its beat
TOLERANCE = 2e-6  # seconds
# Rhythms that fill a span; in quarters.
RHYTHMS = {
    Fraction(1, 4): [["1/4"]],
    Fraction(1, 2): [["1/2"], ["1/4", "1/4"]],
    Fraction(1): [
        *(["1"], ["1/2", "1/2"], ["3/4", "1/4"], ["1/4", "3/4"], ["1/3"] * 3),
        *(["2/3", "1/3"], ["1/3", "2/3"]),
    ],
    Fraction(2): [["2"], ["3/2", "1/2"], ["1/2", "1", "1/2"]],
}
METRES = [(4, 4), (3, 4), (2, 4), (6, 8), (5, 8), (7, 8), (2, 2), (7, 16), (5, 4)]


class Event(NamedTuple):
    """A note, a chord, or with no pitch a rest."""

    duration: Fraction  # quarters
    pitches: tuple[int, ...]  # MIDI numbers that sound
    tied: bool = False  # to the next event, which has the same pitches
    graces: tuple[int, ...] = ()


@dataclass
class Mark:
    """What a bar says of the order of bars."""

    start: bool = False
    plays: int = 0
    ending: int = 0
    is_last_ending: bool = False
    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    jump: str = ""  # "dc", "ds"
    section: str = ""


class Form(NamedTuple):
    """Marks of the bars as written, and their indices as played."""

    marks: list[Mark]
    order: list[int]
    section_order: str = ""  # of ABC: "AAB"


class Part(NamedTuple):
    """Voices of bars of events. Dynamics hold until the next."""

    program: int
    is_drum: bool
    transpose: int  # semitones from what is written to what sounds
    voices: list[list[list[Event]]]
    dynamics: list[str]  # of each bar; "" changes nothing


@dataclass
class Piece:
    """All that is written."""

    form: Form
    metres: list[tuple[int, int]]  # of each bar
    lengths: list[Fraction]  # of each bar, quarters
    parts: list[Part]
    tempos: list[list[tuple[Fraction, int]]] = field(default_factory=list)


# The order of bars.


class _Segment(NamedTuple):
    kind: str  # plain, repeat, endings
    bars: int
    times: int


_segments = st.builds(
    _Segment,
    st.sampled_from(["plain", "repeat", "endings"]),
    st.integers(1, 2),
    st.integers(2, 3),
)


@st.composite
def forms(draw, has_pickup=False):
    """Plain bars, repeats and endings one after another, and perhaps a jump."""
    segments = draw(st.lists(_segments, min_size=1, max_size=3))
    if has_pickup:
        segments = [_Segment("plain", 1, 1), *segments]
    marks, full, once = [], [], []
    for segment in segments:
        bars, played, last = _segment(segment, marks)
        full.append(played)
        once.append(last)
    jump = draw(st.sampled_from(["", "dc", "fine", "ds", "coda"]))
    order = sum(full, [])
    if not jump or (jump in ("fine", "coda") and len(segments) < 2):
        return Form(marks, order)
    first = draw(st.integers(0, len(segments) - 1 - (jump in ("fine", "coda"))))
    marks[-1].jump = "dc" if jump in ("dc", "fine") else "ds"
    if jump == "dc":
        return Form(marks, order + sum(once, []))
    if jump == "fine":
        marks[once[first][-1]].fine = True
        return Form(marks, order + sum(once[: first + 1], []))
    marks[once[first][0]].segno = True
    if jump == "ds":
        return Form(marks, order + sum(once[first:], []))
    leave = draw(st.integers(first, len(segments) - 2))
    marks[once[leave][-1]].to_coda = True
    marks.append(Mark(coda=True))
    return Form(marks, order + sum(once[first : leave + 1], []) + [len(marks) - 1])


def _segment(segment, marks):
    """Adds a segment's marks; its bars, as played, and as played after a jump."""
    first = len(marks)
    marks += [Mark() for _ in range(segment.bars)]
    body = list(range(first, len(marks)))
    if segment.kind == "plain":
        return body, body, body
    marks[first].start = True
    if segment.kind == "repeat":
        marks[-1].plays = segment.times
        return body, body * segment.times, body
    number = segment.times
    marks += [Mark(ending=i + 1, plays=2) for i in range(number)]
    marks[-1].plays, marks[-1].is_last_ending = 0, True
    endings = list(range(body[-1] + 1, len(marks)))
    played = [bar for ending in endings for bar in [*body, ending]]
    return body + endings, played, [*body, endings[-1]]


@st.composite
def sections(draw):
    """Parts of ABC, played in an order of their own."""
    sizes = draw(st.lists(st.integers(1, 2), min_size=2, max_size=3))
    marks, bars = [], {}
    for label, size in zip("ABC", sizes):
        bars[label] = list(range(len(marks), len(marks) + size))
        marks += [Mark() for _ in range(size)]
        marks[bars[label][0]].section = label
    labels = draw(st.lists(st.sampled_from(list(bars)), min_size=1, max_size=5))
    return Form(marks, sum((bars[it] for it in labels), []), "".join(labels))


def _always_follows(order):
    """The bars that are never played but before the next one, and that one after."""
    after = {bar: set() for bar in order}
    before = {bar: set() for bar in order}
    for bar, following in [*pairwise(order), (order[-1], None), (None, order[0])]:
        if bar is not None:
            after[bar].add(following)
        if following is not None:
            before[following].add(bar)
    return {b for b in after if after[b] == {b + 1} and before[b + 1] == {b}}


# The notes. A Random draws them: strategies would take a second a piece.


class _Range(NamedTuple):
    """The pitches of a voice, and whether it has grace notes."""

    lowest: int
    highest: int
    has_graces: bool


def _bar(random, length, its: _Range):
    events, left = [], length
    while left:
        span = random.choice([span for span in RHYTHMS if span <= left])
        for duration in random.choice(RHYTHMS[span]):
            events.append(Event(Fraction(duration), _pitches(random, its)))
        left -= span
    return events


def _pitches(random, its):
    number = random.choice([0, 1, 1, 1, 2, 3])
    return tuple(random.sample(range(its.lowest, its.highest + 1), number))


def _voice(random, lengths, order, its: _Range):
    bars = [_bar(random, length, its) for length in lengths]
    for events in bars:
        for i in range(1, len(events)):
            choice = random.randrange(6)
            if choice == 0 and events[i - 1].pitches:
                _tie(events, i - 1, events, i)
            elif choice == 1 and its.has_graces and _has_room(events, i):
                graces = random.choices(range(its.lowest, its.highest), k=2)
                graces = tuple(graces[: random.randint(1, 2)])
                events[i] = events[i]._replace(graces=graces)
    follows = _always_follows(order)
    for number, (events, following) in enumerate(pairwise(bars)):
        can_tie = events[-1].pitches and not following[0].tied
        if number in follows and can_tie and random.randrange(2):
            _tie(events, -1, following, 0)
    return bars


def _has_room(events, i):
    return events[i].pitches and events[i - 1].duration >= Fraction(1, 2)


def _tie(events, i, following, j):
    events[i] = events[i]._replace(tied=True)
    following[j] = following[j]._replace(pitches=events[i].pitches)


def _part(random, lengths, order):
    is_drum = random.randrange(4) == 0
    high, low = _Range(60, 84, not is_drum), _Range(36, 59, not is_drum)
    ranges = [low] if is_drum else random.choice([[high], [high, low]])
    return Part(
        0 if is_drum else random.choice([0, 24, 33, 127]),
        is_drum,
        0 if is_drum else random.choice([0, 0, -2, 3, -12]),
        [_voice(random, lengths, order, its) for its in ranges],
        [random.choice(["", "", "", "p", "f"]) for _ in lengths],
    )


@st.composite
def pieces(draw, form=None):
    """A piece of one to three parts; without `form`, one as MusicXML has it, too."""
    has_pickup = form is None and draw(st.booleans())
    form = draw(forms(has_pickup)) if form is None else form
    metres = [draw(st.sampled_from(METRES))]
    for _ in form.marks[1:]:
        can_change = not has_pickup or len(metres) > 1
        changes = can_change and draw(st.integers(0, 4)) == 0
        metres.append(draw(st.sampled_from(METRES)) if changes else metres[-1])
    lengths = [Fraction(4 * n, d) for n, d in metres]
    if has_pickup:
        lengths[0] = draw(st.sampled_from([Fraction(1, 2), Fraction(1, 4)]))
    random = Random(draw(st.integers(0, 2**32)))
    number = draw(st.integers(1, 3))
    parts = [_part(random, lengths, form.order) for _ in range(number)]
    if not any(e.pitches for p in parts for v in p.voices for b in v for e in b):
        parts[0].voices[0][0][0] = Event(parts[0].voices[0][0][0].duration, (60,))
    piece = Piece(form, metres, lengths, parts)
    piece.tempos = [_tempos(random, bar) for bar in parts[0].voices[0]]
    return piece


def _tempos(random, events):
    """Perhaps a tempo at the onset of an event."""
    if random.randrange(4):
        return []
    onsets = [sum((e.duration for e in events[:i]), Fraction(0)) for i in range(3)]
    return [(random.choice(onsets[: len(events)]), random.choice([60, 90, 150, 230]))]


# How it sounds.


class Note(NamedTuple):
    """A note that sounds; times in seconds."""

    pitch: int
    is_drum: bool
    program: int
    start: float
    end: float
    velocity: int


class Sound(NamedTuple):
    """What a piece sounds like."""

    notes: list[Note]
    tempos: list[tuple[float, float]]
    metres: list[tuple[float, int, int]]


def sound(piece: Piece, velocities: dict[str, int], repeats=True) -> Sound:
    """What a piece sounds like; `velocities` of its dynamics, and of none as ''."""
    order = piece.form.order if repeats else list(range(len(piece.lengths)))
    starts = [
        sum((piece.lengths[b] for b in order[:i]), Fraction(0))
        for i in range(len(order))
    ]
    tempos = _tempo_map(piece, order, starts)
    notes = []
    for part in piece.parts:
        loudness = _in_force(part.dynamics, velocities)
        for voice in part.voices:
            for pitch, start, end, velocity in _sounds(voice, order, starts, loudness):
                times = _seconds(tempos, start), _seconds(tempos, end)
                notes.append(Note(pitch, part.is_drum, part.program, *times, velocity))
    metres = [(s, _metre(piece, b)) for s, b in zip(starts, order)]
    metres[-1] = starts[-1], piece.metres[order[-1]]  # which may end early
    return Sound(
        sorted(notes),
        [(_seconds(tempos, at), qpm) for at, qpm in tempos],
        [(_seconds(tempos, at), *metre) for at, metre in _changes(metres)],
    )


def _in_force(dynamics, velocities):
    """The velocity of each bar, as written."""
    now, found = "", []
    for sign in dynamics:
        now = sign or now
        found.append(velocities[now])
    return found


def _sounds(voice, order, starts, loudness):
    """Pitch, start, end and velocity of a voice's notes, in quarters."""
    sounds, is_tied = [], False
    for start, bar in zip(starts, order):
        onset = start
        for event in voice[bar]:
            lead = onset - len(event.graces) * GRACE
            for it in sounds if event.graces else ():
                it[2] = lead if it[2] == onset else it[2]
            for i, pitch in enumerate(event.graces):
                begin = lead + i * GRACE
                sounds.append([pitch, begin, begin + GRACE, loudness[bar]])
            end = onset + event.duration
            for pitch in event.pitches:
                if is_tied:
                    last = max((s for s in sounds if s[0] == pitch), key=lambda s: s[2])
                    last[2] = end
                else:
                    sounds.append([pitch, onset, end, loudness[bar]])
            is_tied, onset = event.tied, end
    return sounds


def _metre(piece, bar):
    """A pickup has a metre of its own."""
    numerator, denominator = piece.metres[bar]
    if piece.lengths[bar] == Fraction(4 * numerator, denominator):
        return numerator, denominator
    whole = piece.lengths[bar] / 4
    return whole.numerator, whole.denominator


def _tempo_map(piece, order, starts):
    """A bar that is played again has its tempo again."""
    now, at_start = 120, []
    for found in piece.tempos:
        at_start.append(now)
        now = found[-1][1] if found else now
    changes = []
    for start, bar in zip(starts, order):
        changes.append((start, at_start[bar]))
        changes += [(start + onset, qpm) for onset, qpm in piece.tempos[bar]]
    return _changes(changes)


def _changes(values):
    """Those that change something; of several at once, the last."""
    kept = []
    for at, value in dict(values).items():
        if not kept or kept[-1][1] != value:
            kept.append((at, value))
    return kept


def _seconds(tempos, position):
    ends = [at for at, _ in tempos[1:]] + [max(position, tempos[-1][0])]
    return float(
        sum(
            max(min(position, end) - start, 0) * Fraction(60, qpm)
            for (start, qpm), end in zip(tempos, ends)
        )
    )


def heard(sequence) -> Sound:
    """A NoteSequence in the same words."""
    return Sound(
        sorted(
            Note(n.pitch, n.is_drum, n.program, n.start_time, n.end_time, n.velocity)
            for n in sequence.notes
        ),
        [(t.time, t.qpm) for t in sequence.tempos],
        [(m.time, m.numerator, m.denominator) for m in sequence.time_signatures],
    )


def assert_same(found: Sound, expected: Sound):
    """Asserts that all is the same, times to some microseconds."""
    for name in Sound._fields:
        rows, wanted = getattr(found, name), getattr(expected, name)
        pairs = list(zip_longest(rows, wanted, fillvalue=()))
        differing = [pair for pair in pairs if not _is_same(*pair)]
        assert not differing, f"{name}: {differing[:3]} of {len(pairs)}"


def _is_same(row, other):
    return len(row) == len(other) and all(
        abs(a - b) < TOLERANCE for a, b in zip(row, other)
    )
