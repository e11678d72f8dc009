"""Generation with a trained clef-split LSTM: pieces for two hands, in seven stages.

1 top-k sampling            of notes and of durations, one event after the other
2 data frame                the sampled classes, one row an event
3 inverse label encoding    classes -> chord labels and duration categories
4 inverse transformation    labels -> pitches, categories -> ticks
5 a stream per clef         events one after the other
6 stream balancing          both streams end together, with the last bar
7 score                     a NoteSequence in the requested key
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from note_seq.protobuf import music_pb2

from music_vae_tf import build, checkpoint
from music_vae_tf.batch import Batch
from music_vae_tf.config import Config
from music_vae_tf.data.clefs import STAVES, TICKS_PER_QUARTER, Form, transformation
from music_vae_tf.data.clefs.keys import Key
from music_vae_tf.data.clefs.transformation import Event
from music_vae_tf.data.clefs.windows import Clock, Context, Piece, multi_hot
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.compiling import compiled
from music_vae_tf.models.clef_lstm import Logits, StaffInput

TRACKS = {"treble": "Right hand", "bass": "Left hand"}
VELOCITIES = {"treble": 84, "bass": 68}  # the melody before what goes with it
MIDI_TICKS_PER_QUARTER = 480
PIANO_PITCHES = range(21, 109)


class CannotGenerate(UserFacingError, ValueError):
    """A request beyond the vocabulary of the model."""


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the next event is sampled from the model's distribution."""

    top_k_notes: int = 10  # only the k most probable classes can be drawn
    top_k_durations: int = 5
    weighted: bool = True  # by their probabilities; otherwise uniformly
    temperature: float = 1.0  # below 1 what is probable becomes more probable


class TrainedClefLSTM:
    """A clef-split LSTM with the labels and weights of a training."""

    def __init__(self, config: Config, labels: dict, checkpoint_dir_or_path: Any):
        """
        Raises:
            checkpoint.CheckpointError: missing, damaged, or of another config.
        """
        self.config, self.labels = config, labels
        converter: Any = build.converter(config)  # a ClefsConverter
        self.windows = converter.windows(labels)
        self.model = build.uninitialized_model(config, self.windows)
        checkpoint.restore(self.model.named_variables, checkpoint_dir_or_path)
        self._predict = compiled(self.model)
        self._steps = {
            staff: compiled(network.step)
            for staff, network in self.model.staves.items()
        }

    @property
    def usual_sampling(self) -> Sampling:
        """The original's k, or the size of a smaller vocabulary."""
        sizes = [
            (len(its.notes.words), len(its.durations.words))
            for its in self.labels.values()
        ]
        notes, durations = map(min, zip(*sizes))
        usual = Sampling()
        return Sampling(
            min(usual.top_k_notes, notes), min(usual.top_k_durations, durations)
        )

    def check(self, sampling: Sampling) -> None:
        """
        Raises:
            CannotGenerate: a k is larger than the vocabulary.
        """
        for staff, its in self.labels.items():
            for name, k, encoding in (
                ("notes", sampling.top_k_notes, its.notes),
                ("durations", sampling.top_k_durations, its.durations),
            ):
                if k > len(encoding.words):
                    raise CannotGenerate(
                        f"top_k_{name} is {k}, and the {staff} staff knows "
                        f"{len(encoding.words)} labels of {name}: take that or less"
                    )

    def classes(self, piece: Any, staff: str, head: str) -> np.ndarray:
        """The classes of a piece's events on a staff: int [N].

        Args:
            head: 'notes' or 'durations'.
        """
        word_of = {
            "notes": lambda event: transformation.chord_label(event.pitches),
            "durations": lambda event: transformation.duration_category(event.duration),
        }[head]
        encoding = getattr(self.labels[staff], head)
        return np.array([encoding.encode(word_of(e)) for e in piece.lines[staff]])

    def log_probabilities(self, piece: Piece) -> dict:
        """What the model expected of every event of a piece, in nats.

        Each is expected once, from all that its window has before it; as windows
        overlap, that is little at the beginning of a piece alone.

        Returns:
            {staff: Logits of arrays [N, classes]}, normalised.
        """
        found = {staff: [] for staff in STAVES}
        examples = self.windows.examples(piece)
        for example, fresh in zip(examples, self.windows.fresh_events(piece)):
            logits = self._predict(self._batch_of_one(example))
            for i, staff in enumerate(STAVES):
                events = slice(fresh[i].start, int(example.length[i]))
                found[staff].append(
                    [tf.nn.log_softmax(head[0, events]) for head in logits[staff]]
                )
        return {
            staff: Logits(*(np.concatenate(head) for head in zip(*windows)))
            for staff, windows in found.items()
        }

    def _batch_of_one(self, example):
        """An example as a Batch of float32 arrays [1, T + 1, columns]."""
        dense = lambda layout, rows: layout.unpack(rows)[None]
        return Batch(
            dense(self.windows.inputs, example.inputs),
            dense(self.windows.targets, example.targets),
            dense(self.windows.controls, example.controls),
            example.length[None],
        )

    def sample(
        self, form: Form, mode: str, sampling: Sampling, rng: np.random.Generator
    ) -> dict:
        """Stages 1 to 6: events of both staves, `{staff: [Event]}`, in C major or in
        A minor.

        The treble is sampled first, and the bass reads it.

        Args:
            mode: 'major' or 'minor'.
            rng: a NumPy Generator.

        Raises:
            CannotGenerate: a k is larger than the vocabulary.
        """
        self.check(sampling)
        bars = range(0, form.end, form.bar)
        clock, streams = Clock(bars, form.end, mode), {}
        for staff in STAVES:
            treble_context = Context(streams.get("treble", []))
            frame = self._sampled_frame(
                staff, clock, treble_context, form.end, sampling, rng
            )
            streams[staff] = stream_of(frame, self.labels[staff])
        return balanced(streams, form.end)

    def _sampled_frame(self, staff, clock, treble_context, end, sampling, rng):
        """Stages 1 and 2: classes of notes and durations, up to the piece's end."""
        import pandas

        network, labels = self.model.staves[staff], self.labels[staff]
        lengths = np.array(
            [transformation.duration_of(word) for word in labels.durations.words]
        )
        states, before, now, rows = network.zero_states(1), None, 0, []
        while now < end:
            step = self._step_before(
                staff, before, clock.at(now), treble_context.at(now)
            )
            logits, states = self._steps[staff](step, states)
            before = _drawn(logits, now, lengths, sampling, rng)
            rows.append(before)
            now += lengths[before[1]]
        return pandas.DataFrame(rows, columns=["note", "duration"])

    def _step_before(self, staff, before, clock, treble_context):
        """The network's input before its next event: `StaffInput` [1, ...]."""
        pitches = ()
        if before is not None:
            label = self.labels[staff].notes.decode(before[0])
            pitches = transformation.chord_of(label)
        columns, now, after = treble_context
        clock = clock if staff == "treble" else [*clock, *columns]
        values = (
            (-1, -1) if before is None else before,
            multi_hot(pitches),
            clock,
            np.concatenate([multi_hot(now), multi_hot(after)]),
        )
        return StaffInput(*(np.array([value], np.float32) for value in values))


def _drawn(logits: Logits, now, lengths, sampling, rng) -> tuple[int, int]:
    """Stage 1: classes of the next event's note and duration.

    The last class, the unknown label, is never drawn. Neither is a duration after which
    no note could be written.
    """
    notes = logits.notes[0, :-1].numpy()
    durations = logits.durations[0, :-1].numpy()
    writable = is_writable(now, now + lengths)
    if writable.any():
        durations = np.where(writable, durations, -np.inf)
    options = sampling.weighted, sampling.temperature, rng
    return (
        top_k_sample(notes, sampling.top_k_notes, *options),
        top_k_sample(durations, sampling.top_k_durations, *options),
    )


def top_k_sample(
    logits: np.ndarray,
    k: int,
    weighted: bool,
    temperature: float,
    rng: np.random.Generator,
) -> int:
    """Samples one of the k most probable classes, by their probabilities or uniformly.

    logits: [classes]; a class with -inf is never drawn.
    """
    top = np.argsort(-logits, kind="stable")[:k]
    top = top[np.isfinite(logits[top])]
    if not weighted:
        return int(rng.choice(top))
    scaled = (logits[top] - logits[top[0]]).astype(float) / temperature
    weights = np.exp(scaled)
    return int(rng.choice(top, p=weights / weights.sum()))


def is_writable(start: int, end: Any) -> np.ndarray:
    """Whether a note from one tick to another (or others) can be written plainly.

    A note that starts on a 16th may end on any later 16th. A note in triplets of
    eighths or 16ths stays within its quarter, until the triplet is complete.
    """
    end = np.asarray(end)
    quarter_end = (start // TICKS_PER_QUARTER + 1) * TICKS_PER_QUARTER
    sixteenth, triplet, sextuplet = (TICKS_PER_QUARTER // parts for parts in (4, 3, 6))
    if start % sixteenth:
        grid = triplet if start % triplet == 0 else sextuplet
        return (end % grid == 0) & (end <= quarter_end)
    on_sixteenths = end % sixteenth == 0
    if start % TICKS_PER_QUARTER:
        return on_sixteenths
    return on_sixteenths | ((end % sextuplet == 0) & (end <= quarter_end))


def stream_of(frame: Any, labels: Any) -> list[Event]:
    """Stages 3 to 5: a data frame of classes -> events, one after the other."""
    chords = frame["note"].map(labels.notes.decode).map(transformation.chord_of)
    durations = frame["duration"].map(labels.durations.decode)
    lengths = durations.map(transformation.duration_of)
    onsets = lengths.cumsum() - lengths
    return [Event(*event) for event in zip(onsets, lengths, chords)]


def balanced(streams: dict[str, list[Event]], end: int) -> dict[str, list[Event]]:
    """Stage 6: cuts both streams at the end of the piece, or fills them with rests."""
    return {staff: _fitted(stream, end) for staff, stream in streams.items()}


def _fitted(stream, end):
    fitted = [
        event._replace(duration=min(event.duration, end - event.onset))
        for event in stream
        if event.onset < end
    ]
    reached = fitted[-1].onset + fitted[-1].duration if fitted else 0
    return fitted if reached == end else [*fitted, Event(reached, end - reached, ())]


def to_sequence(
    streams: dict, form: Form, key: Key, qpm: float, *, transpose: bool = True
) -> music_pb2.NoteSequence:
    """Stage 7: events in C major or A minor -> a NoteSequence with two instruments.

    Args:
        key: of the same mode as the events.
        transpose: moves all notes into the key. Otherwise only the key signature is
            set, as the original does.
    """
    sequence = music_pb2.NoteSequence(ticks_per_quarter=MIDI_TICKS_PER_QUARTER)
    sequence.tempos.add(qpm=qpm)
    sequence.time_signatures.add(numerator=form.numerator, denominator=form.denominator)
    signature = sequence.key_signatures.add(key=key.tonic)
    signature.mode = signature.MINOR if key.mode == "minor" else signature.MAJOR
    second_per_tick = 60 / qpm / TICKS_PER_QUARTER
    shift = -key.semitones_home if transpose else 0
    for instrument, staff in enumerate(STAVES):
        sequence.instrument_infos.add(instrument=instrument, name=TRACKS[staff])
        for event in streams[staff]:
            for pitch in event.pitches:
                sequence.notes.add(
                    instrument=instrument,
                    pitch=on_the_piano(pitch + shift),
                    velocity=VELOCITIES[staff],
                    start_time=event.onset * second_per_tick,
                    end_time=(event.onset + event.duration) * second_per_tick,
                )
    sequence.total_time = form.end * second_per_tick
    return sequence


def on_the_piano(pitch: int) -> int:
    """The pitch, moved by octaves into the range of a piano."""
    while pitch < PIANO_PITCHES.start:
        pitch += 12
    while pitch >= PIANO_PITCHES.stop:
        pitch -= 12
    return pitch
