"""A written score -> the NoteSequence of how it sounds."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from note_seq.protobuf import music_pb2

from music_vae_tf.data.scores.playback_order import playback_order
from music_vae_tf.data.scores.score import (
    MAX_NOTES,
    Bar,
    Marks,
    Part,
    Score,
    Tied,
    UnreadableScore,
)
from music_vae_tf.data.scores.timeline import Timeline, timeline

TICKS_PER_QUARTER = 220  # as note_seq gives its scores
GRACE = Fraction(1, 8)  # quarters: a 32nd each, before the beat
SHORTEST = Fraction(1, 64)
LONGEST_GAP = 4  # quarters between tied notes


def to_note_sequence(score: Score, encoding: str, repeats: bool = True):
    """The NoteSequence of a score.

    Tied notes are one. Grace notes last a 32nd each and end on the beat; notes of the
    same voice before them end earlier. Each part is an instrument of its own, once for
    each program, and its drums are another.

    Args:
        encoding: 'MUSIC_XML' or 'ABC'.
        repeats: whether repeats, endings, D.C. and D.S. are played.

    Raises:
        UnreadableScore: it has no note, or too many, or lasts too long.
    """
    timelines = _timelines(score, repeats)
    _check_size(score, timelines)
    sequence = _empty_sequence(score, encoding)
    _write_signatures(sequence, timelines[0])
    instruments = {}
    for number, (part, line) in enumerate(zip(score.parts, timelines)):
        sequence.part_infos.add(part=number, name=part.name)
        _write_notes(sequence, number, _sounding(part, line), line, instruments)
        _write_chords(sequence, part, line)
    sequence.notes.sort(key=lambda note: (note.start_time, note.part, -note.pitch))
    sequence.text_annotations.sort(key=lambda annotation: annotation.time)
    ends = [line.clock()(line.end) for line in timelines]
    sequence.total_time = max(*ends, *(note.end_time for note in sequence.notes))
    return sequence


def _empty_sequence(score, encoding):
    info = music_pb2.NoteSequence.SourceInfo
    sequence = music_pb2.NoteSequence(ticks_per_quarter=TICKS_PER_QUARTER)
    sequence.source_info.source_type = info.SCORE_BASED
    sequence.source_info.encoding_type = info.EncodingType.Value(encoding)
    if score.title:
        sequence.sequence_metadata.title = score.title
    if score.composer:
        sequence.sequence_metadata.composers.append(score.composer)
    return sequence


# The order of bars.


def _timelines(score: Score, repeats) -> list[Timeline]:
    """One for each part; the same for all whose bars are the same in number."""
    parts = score.parts
    if len({len(part.bars) for part in parts}) == 1:
        together = [_merged(bars) for bars in zip(*(part.bars for part in parts))]
        return [_timeline(together, score.sections, repeats)] * len(parts)
    merged = ([_merged([bar]) for bar in part.bars] for part in parts)
    lines = [_timeline(bars, score.sections, repeats) for bars in merged]
    return [line._replace(tempos=lines[0].tempos) for line in lines]


def _timeline(bars, sections, repeats):
    marks = [bar.marks for bar in bars]
    order = playback_order(marks, sections) if repeats else list(range(len(bars)))
    return timeline(bars, order)


def _merged(bars) -> Bar:
    """Length, order, tempo, time signature and key of the same bar of all parts."""
    marks, tempos = Marks(), {}
    for bar in reversed(bars):
        tempos.update(bar.tempos)  # the first part's hold
    for bar in bars:
        marks.merge(bar.marks)
    metre = next((bar.metre for bar in bars if bar.metre), None)
    lengths = [bar.length for bar in bars if bar.length is not None]
    nominal = metre.quarters if metre else Fraction(4)
    return Bar(
        length=max(lengths, default=nominal),
        marks=marks,
        tempos=sorted(tempos.items()),
        metre=metre,
        key=next((bar.key for bar in bars if bar.key), None),
    )


def _check_size(score, timelines):
    number = sum(
        len(part.bars[index].notes)
        for part, line in zip(score.parts, timelines)
        for index in line.order
    )
    if number > MAX_NOTES:
        raise UnreadableScore(f"{number} notes as played; {MAX_NOTES} are the limit")
    if not number:
        raise UnreadableScore("no notes")


# Notes as they sound.


class _Sound:
    """A note on its way out; times are quarters since the beginning."""

    __slots__ = ("start", "end", "note")

    def __init__(self, start, end, note):
        self.start, self.end, self.note = start, end, note


def _sounding(part: Part, line: Timeline) -> list[_Sound]:
    """The notes of a part as played: ties joined, grace notes before their beats."""
    sounds, graces, open_ties = [], [], defaultdict(list)
    for start, index in zip(line.starts, line.order):
        for note in sorted(part.bars[index].notes, key=lambda note: note.onset):
            onset = start + note.onset
            if note.grace:
                graces.append((onset, note))
                continue
            sound = _tied_to(note, onset, open_ties)
            if sound is None:
                sound = _Sound(onset, onset, note)
                sounds.append(sound)
            sound.end = onset + note.duration
            if note.tie:
                open_ties[note.pitch].append(sound)
    return sounds + _place_graces(graces, sounds)


def _tied_to(note, onset, open_ties):
    """The sound that a note goes on with, the nearest of the same voice if there are
    several.

    Ties of arpeggios leave a gap: the note sounds on until its other half.
    """
    if not note.continues or note.pitch not in open_ties:
        return None
    gap = LONGEST_GAP if note.continues == Tied.BY_SIGN else 0
    found = [s for s in open_ties.pop(note.pitch) if s.end >= onset - LONGEST_GAP]
    found.sort(key=lambda s: (abs(onset - s.end), s.note.voice != note.voice))
    if not found or not 0 <= onset - found[0].end <= gap:
        open_ties[note.pitch] += found
        return None
    open_ties[note.pitch] += found[1:]
    return found[0]


def _place_graces(graces, sounds):
    """Places grace notes, and makes room for them."""
    ending, starting = defaultdict(list), defaultdict(list)
    for sound in sounds if graces else ():
        ending[sound.end, sound.note.voice].append(sound)
        starting[sound.start, sound.note.voice].append(sound)
    groups = defaultdict(list)
    for beat, note in graces:
        groups[beat, note.voice].append(note)
    placed = []
    for (beat, voice), notes in groups.items():
        number = max(note.grace for note in notes)
        each = GRACE if beat == 0 else min(GRACE, beat / number)
        first = beat - number * each if beat else Fraction(0)
        if beat == 0:  # nothing is before: they take their time from the notes
            each = _make_room_after(number, starting[beat, voice])
        for sound in ending[beat, voice]:
            shortest = min(SHORTEST, sound.end - sound.start)
            sound.end = max(sound.start + shortest, first)
        for note in notes:
            start = first + (number - note.grace) * each
            own = _tied_from(note, starting[beat, voice])
            held = _tied_into(note, ending[beat, voice])
            if held is not None:
                held.end = start + each
            elif own is not None:
                own.start = min(own.start, start)
            else:
                placed.append(_Sound(start, start + each, note))
    return placed


def _tied_from(grace, sounds):
    """The sound that a tied grace note goes on in."""
    same = [sound for sound in sounds if sound.note.pitch == grace.pitch]
    return same[0] if grace.tie and same else None


def _tied_into(grace, sounds):
    """The sound that goes on in a tied grace note, as after an arpeggio."""
    same = [sound for sound in sounds if sound.note.pitch == grace.pitch]
    return same[0] if grace.continues == Tied.BY_SIGN and same else None


def _make_room_after(number, sounds):
    """Starts notes later for the grace notes before them; how long each of these is."""
    shortest = min((sound.end - sound.start for sound in sounds), default=GRACE * 2)
    each = min(GRACE, shortest / 2 / number)
    for sound in sounds:
        sound.start += number * each
    return each


# Into the protocol buffer.


def _write_notes(sequence, part, sounds, line, instruments):
    clock = line.clock()
    for sound in sounds:
        pitch = sound.note.pitch
        voice = part, pitch.is_drum, pitch.program
        sequence.notes.add(
            pitch=pitch.number,
            velocity=sound.note.velocity,
            start_time=clock(sound.start),
            end_time=clock(sound.end),
            instrument=instruments.setdefault(voice, len(instruments)),
            program=pitch.program,
            is_drum=pitch.is_drum,
            part=part,
            voice=sound.note.voice,
        )


def _write_chords(sequence, part, line):
    clock, kind = line.clock(), music_pb2.NoteSequence.TextAnnotation.CHORD_SYMBOL
    for start, index in zip(line.starts, line.order):
        for onset, symbol in part.bars[index].chords:
            time = clock(start + onset)
            sequence.text_annotations.add(time=time, text=symbol, annotation_type=kind)


def _write_signatures(sequence, line):
    clock = line.clock()
    for position, qpm in line.tempos:
        sequence.tempos.add(time=clock(position), qpm=qpm)
    for position, metre in line.metres:
        sequence.time_signatures.add(
            time=clock(position),
            numerator=metre.numerator,
            denominator=metre.denominator,
        )
    for position, key in line.keys:
        mode = sequence.KeySignature.Mode.Value(key.mode.upper())
        sequence.key_signatures.add(time=clock(position), key=key.tonic, mode=mode)
