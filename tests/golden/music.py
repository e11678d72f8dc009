"""Writes the music that the golden data are made of: `python tests/golden/music.py`.

It runs in this project's own environment, before `make.py` runs in Magenta's. All of it
is made here: grooves from `music_vae_tf.data.grooves`, and pieces that are drawn with a
seed. The files are in the repository, so they are written again only to change them.
"""

import zipfile
from pathlib import Path

import mido
import numpy as np

from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi

FOLDER = Path(__file__).parent / "midi"
TICKS = 480  # of a quarter
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
DRUMS = 9  # the channel


def write_grooves(folder, count=12):
    """Performances of four bars, each style once, in a folder of its style."""
    for number, (style, sequence) in enumerate(grooves.performances(count, seed=14)):
        path = folder / style.replace(" ", "_") / f"{number:02}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(sequence, path)


def write_piece(path, parts, meta=()):
    """A MIDI file: `meta` in the first track, then a track per part.

    An entry of either is (tick, message); ticks count from the start of the piece.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = mido.MidiFile(ticks_per_beat=TICKS)
    for events in (meta, *parts):
        track = file.add_track()
        now = 0
        for tick, message in sorted(events, key=lambda event: event[0]):
            track.append(message.copy(time=tick - now))
            now = tick
    file.save(path)


def note(start, length, pitch, velocity, channel):
    """The two messages of a note."""
    numbers = {"channel": channel, "note": int(pitch)}
    return [
        (int(start), mido.Message("note_on", velocity=int(velocity), **numbers)),
        (int(start + length), mido.Message("note_off", velocity=0, **numbers)),
    ]


def line(rng, channel, lowest, bars, *, program=None, loose=0, rests=0.2):
    """A voice that walks up and down a scale, in eighths and quarters."""
    program = rng.integers(0, 8) if program is None else program
    change = mido.Message("program_change", channel=channel, program=int(program))
    events, now, degree = [(0, change)], 0, 7
    while now < bars * 4 * TICKS:
        length = int(rng.choice([TICKS // 2, TICKS, TICKS // 4]))
        degree = int(np.clip(degree + rng.integers(-2, 3), 0, 13))
        if rng.random() > rests:
            pitch = lowest + 12 * (degree // 7) + SCALE[degree % 7]
            start = max(0, now + int(rng.integers(-loose, loose + 1)))
            velocity = rng.integers(40, 120)
            events += note(start, length - 20, pitch, velocity, channel)
        now += length
    return events


def kit(rng, bars):
    """Kick, snare and hat on a grid of eighths."""
    events = []
    for eighth in range(8 * bars):
        pitches = [42] if rng.random() < 0.8 else [46]
        pitches += [36] if eighth % 4 == 0 or rng.random() < 0.2 else []
        pitches += [38] if eighth % 4 == 2 else []
        for pitch in pitches:
            start = eighth * TICKS // 2
            events += note(start, 60, pitch, rng.integers(50, 127), DRUMS)
    return events


def tempo(tick, qpm):
    return tick, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(qpm))


def metre(tick, numerator, denominator):
    numbers = {"numerator": numerator, "denominator": denominator}
    return tick, mido.MetaMessage("time_signature", **numbers)


def key(tick, name):
    return tick, mido.MetaMessage("key_signature", key=name)


def control(tick, number, value, channel=0):
    numbers = {"control": number, "value": value, "channel": channel}
    return tick, mido.Message("control_change", **numbers)


def pedals(bars):
    """The pedal goes down on each bar and comes up on its last beat."""
    bar = 4 * TICKS
    downs = [control(i * bar, 64, 100) for i in range(bars)]
    return downs + [control(i * bar + 3 * TICKS, 64, 0) for i in range(bars)]


def write_piano(folder):
    """Two hands with pedals, and what a MIDI file holds beside notes."""
    rng = np.random.default_rng(1)
    hands = [line(rng, 0, 60, 24, loose=15), line(rng, 1, 48, 24, loose=15)]
    hands[0] += pedals(24)
    write_piece(folder / "even.mid", hands, [tempo(0, 96), metre(0, 4, 4), key(0, "D")])

    rng = np.random.default_rng(2)
    hands = [line(rng, 0, 55, 16, loose=30), line(rng, 0, 43, 16, loose=30)]
    changes = [tempo(0, 70), tempo(4000, 71.5), tempo(9000, 64), tempo(9000, 65)]
    changes += [metre(0, 4, 4), metre(15360, 3, 4), key(0, "Fm"), key(9600, "Ab")]
    write_piece(folder / "rubato" / "changes.mid", hands, changes)

    rng = np.random.default_rng(3)
    voice = line(rng, 3, 60, 6)
    bends = [
        (tick, mido.Message("pitchwheel", channel=3, pitch=tick % 4000 - 2000))
        for tick in range(0, 9000, 700)
    ]
    odd = note(100, 0, 64, 90, 3)  # without length
    odd += note(500, 300, 65, 80, 3)[:1]  # without end
    odd += note(800, 900, 67, 80, 3) + note(1000, 200, 67, 70, 3)  # overlapping
    write_piece(folder / "odd.MID", [voice + bends + odd], [metre(0, 6, 8)])
    write_piece(folder / "silent.mid", [[]], [tempo(0, 120)])
    write_piece(folder / "waltz.mid", [line(rng, 0, 60, 9)], [metre(0, 3, 4)])


def write_bands(folder):
    """Melody, bass and drums; and more players than that."""
    meta = [tempo(0, 120), metre(0, 4, 4)]
    for number in range(4):
        rng = np.random.default_rng([4, number])
        lead = line(rng, 0, 60, 18, program=rng.integers(0, 32), rests=0.1)
        bass = line(rng, 1, 36, 18, program=33, rests=0.1)
        write_piece(folder / f"trio_{number}.mid", [lead, bass, kit(rng, 18)], meta)
    for number, players in enumerate([2, 4, 6]):
        rng = np.random.default_rng([5, number])
        lines = [
            line(rng, channel, 40 + 3 * channel, 4, program=13 * channel, loose=12)
            for channel in range(players)
        ]
        lines[0] += pedals(4)
        path = folder / f"players_{players}.mid"
        write_piece(path, [*lines, kit(rng, 4)], meta)


NOTE_XML = (
    "<note><pitch><step>{}</step><octave>{}</octave></pitch>"
    "<duration>{}</duration><voice>1</voice><type>{}</type></note>"
)


def score(bars):
    """A part in MusicXML; bars are lists of (step, octave, eighths, type)."""
    start = (
        "<attributes><divisions>2</divisions><key><fifths>1</fifths><mode>major</mode>"
        "</key><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
        '<direction><sound tempo="90"/></direction>'
    )
    measures = "".join(
        f'<measure number="{i + 1}">{start if i == 0 else ""}'
        + "".join(NOTE_XML.format(*entry) for entry in bar)
        + "</measure>"
        for i, bar in enumerate(bars)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="3.0">'
        '<part-list><score-part id="P1"><part-name>Flute</part-name></score-part>'
        f'</part-list><part id="P1">{measures}</part></score-partwise>'
    )


ABC = """X:1
T:A tune of the golden data
M:4/4
L:1/8
Q:1/4=100
K:G
|: G2 B2 d2 B2 | c2 e2 d4 | "G"G>A B/2c/2d "D7"A4 | [1 G8 :| [2 [GBd]8 |]

X:2
T:Another
M:3/4
L:1/4
K:Dm
D E F | (3 G/2A/2B/2 ^c d | D3 |]
"""


def write_formats(folder):
    """MusicXML, plain and compressed, and ABC."""
    folder.mkdir(parents=True, exist_ok=True)
    quarters = [(step, 5, 2, "quarter") for step in "CDEF"]
    halves = [("G", 4, 4, "half"), ("B", 4, 4, "half")]
    (folder / "plain.xml").write_text(score([quarters, halves, [("G", 3, 8, "whole")]]))
    (folder / "tunes.abc").write_text(ABC)
    container = (
        '<?xml version="1.0"?><container><rootfiles><rootfile full-path="piece.xml" '
        'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>'
    )
    with zipfile.ZipFile(folder / "packed.mxl", "w") as archive:
        for name, text in (
            ("META-INF/container.xml", container),
            ("piece.xml", score([halves, quarters])),
        ):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)


if __name__ == "__main__":
    write_grooves(FOLDER / "groove")
    write_piano(FOLDER / "piano")
    write_bands(FOLDER / "band")
    write_formats(FOLDER / "formats")
