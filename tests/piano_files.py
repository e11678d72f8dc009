"""Small piano pieces as MIDI files, for tests: parts of (start, length, pitches)."""

import mido

TICKS = 480  # per quarter note


def write_piano(path, *parts, names=(), metres=((0, 4, 4),), channel=0):
    """A MIDI file with one track for each part; times in quarter notes."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    timing = [
        (
            round(start * TICKS),
            mido.MetaMessage("time_signature", numerator=n, denominator=d),
        )
        for start, n, d in metres
    ]
    file.tracks.append(track(timing))
    for number, part in enumerate(parts):
        events = []
        if number < len(names):
            events.append((0, mido.MetaMessage("track_name", name=names[number])))
        for start, length, pitches in part:
            for pitch in pitches:
                on = mido.Message("note_on", note=pitch, velocity=80, channel=channel)
                events.append((round(start * TICKS), on))
                events.append((round((start + length) * TICKS), on.copy(velocity=0)))
        file.tracks.append(track(events))
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


def track(events):
    """Messages at absolute ticks as a track; notes end before others begin."""
    made, now = mido.MidiTrack(), 0
    for tick, message in sorted(
        events, key=lambda e: (e[0], getattr(e[1], "velocity", 0) > 0)
    ):
        made.append(message.copy(time=tick - now))
        now = tick
    return made


def two_hands(bars=4, shift=0):
    """A scale over broken chords, in C major but for the shift."""
    right = [
        (bar * 4 + beat, 1, [72 + shift + step])
        for bar in range(bars)
        for beat, step in enumerate((0, 4, 7, 12 if bar % 2 else 5))
    ]
    left = [
        (bar * 4 + half, 2, [48 + shift + low, 55 + shift])
        for bar in range(bars)
        for half, low in ((0, 0), (2, 4))
    ]
    return right, left
