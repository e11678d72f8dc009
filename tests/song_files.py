"""A band's MIDI file, as a DAW writes it, for tests of what edits such files."""

import mido

QUARTER, BAR = 480, 1920
# Of one bar: (sixteenth, pitch, velocity).
BEAT = [
    *[(step, 42, 70 + 10 * (step % 4 == 0)) for step in range(0, 16, 2)],
    *[(0, 36, 100), (6, 36, 80), (8, 36, 100), (4, 38, 110), (12, 38, 110)],
]


def note(tick, pitch, velocity=90, channel=9, length=60):
    """The two events of a note."""
    on = mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)
    off = mido.Message("note_off", note=pitch, velocity=40, channel=channel)
    return [(tick, on), (tick + length, off)]


def beat(bars, channel=9, first_bar=0, hits=BEAT):
    """The events of a beat, on the grid."""
    return [
        event
        for bar in range(first_bar, first_bar + bars)
        for step, pitch, velocity in hits
        for event in note(bar * BAR + step * 120, pitch, velocity, channel)
    ]


def track(events, name="", end=0):
    """A track of `(tick, message)`."""
    result, now = mido.MidiTrack(), 0
    if name:
        result.append(mido.MetaMessage("track_name", name=name))
    for tick, message in sorted(events, key=lambda event: event[0]):
        result.append(message.copy(time=tick - now))
        now = tick
    result.append(mido.MetaMessage("end_of_track", time=max(end - now, 0)))
    return result


def tempo(tick, bpm):
    return tick, mido.MetaMessage("set_tempo", tempo=round(6e7 / bpm))


def metre(tick, numerator, denominator=4):
    return tick, mido.MetaMessage(
        "time_signature", numerator=numerator, denominator=denominator
    )


def song(*tracks, quarter=QUARTER, kind=1):
    file = mido.MidiFile(type=kind, ticks_per_beat=quarter)
    file.tracks.extend(tracks)
    return file


def band(bars=6, drums=None, head=()):
    """Tempo ramp, markers, key, a bass with controllers, lyrics and drums."""
    ramp = [tempo(bar * BAR, 90 + 7 * bar) for bar in range(bars)]
    marks = [
        (bar * BAR, mido.MetaMessage("marker", text=f"bar {bar}"))
        for bar in range(bars)
    ]
    key = (0, mido.MetaMessage("key_signature", key="F#m"))
    own = (7, mido.MetaMessage("sequencer_specific", data=(1, 2, 3)))
    control = mido.Message("control_change", channel=1, control=1, value=3)
    bass = [(0, mido.Message("program_change", channel=1, program=33))]
    for step in range(4 * bars):
        bass += note(step * QUARTER + 3, 40 + step % 5, 80, 1, 400)
        bass.append((step * QUARTER + 50, control.copy(value=step % 128)))
        bend = mido.Message("pitchwheel", channel=1, pitch=step % 800 * 10)
        bass.append((step * QUARTER + 50, bend))
    lyrics = [(QUARTER, mido.MetaMessage("lyrics", text="la"))]
    sysex = [(QUARTER, mido.Message("sysex", data=(126, 127, 9, 1)))]
    pedal = mido.Message("control_change", channel=9, control=4)
    kit = [(0, mido.Message("program_change", channel=9, program=8))]
    kit += [(tick, pedal.copy(value=tick % 100)) for tick in range(0, bars * BAR, 333)]
    return song(
        track([key, own, *ramp, *marks, *head], "Song"),
        track(bass, "Bass", bars * BAR),
        track([*lyrics, *sysex], "Voice"),
        track(kit + (beat(bars) if drums is None else drums), "Drums", bars * BAR),
    )


def events(midi):
    """Of each track its `(tick, message without time)`."""
    result = []
    for messages in midi.tracks:
        tick, of_track = 0, []
        for message in messages:
            tick += message.time
            of_track.append((tick, message.copy(time=0)))
        result.append(of_track)
    return result


def is_note(message):
    return message.type in ("note_on", "note_off")


def without_drums(midi, channel=9):
    """All events but the notes of a channel."""
    return [
        [e for e in of_track if not (is_note(e[1]) and e[1].channel == channel)]
        for of_track in events(midi)
    ]


def strokes(midi, channel=9):
    """`(tick, pitch, velocity)` of the notes of a channel, in order."""
    return sorted(
        (tick, message.note, message.velocity)
        for of_track in events(midi)
        for tick, message in of_track
        if message.type == "note_on" and message.velocity and message.channel == channel
    )
