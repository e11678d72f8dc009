"""NoteSequences with impossible values in all converters: bounded, and counted."""

import math
import resource
import time

import numpy as np
import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf import build, config
from music_vae_tf.data import limits, pieces, pipeline
from music_vae_tf.data.single_examples import Filters, single_examples

CONFIGS = sorted(set(config.names()) - set(config.names("clef_lstm")))
STRANGE_TIMES = [math.nan, math.inf, -math.inf, -1e300, 1e300, 1e18, 1e9, -1e9]
MAX_SECONDS = 5  # of wall time for one piece, on a loaded machine
MAX_EXTRA_BYTES = 500_000_000


def good():
    """Four bars of drums, bass and piano."""
    sequence = NoteSequence(filename="good.mid", ticks_per_quarter=220)
    sequence.time_signatures.add(numerator=4, denominator=4)
    sequence.tempos.add(qpm=120)
    for beat in range(16):
        for pitch, program, is_drum in ((36, 0, True), (40, 32, False), (60, 0, False)):
            sequence.notes.add(
                pitch=pitch + (beat % 3 if not is_drum else 0),
                velocity=80,
                start_time=beat / 2,
                end_time=beat / 2 + 0.4,
                instrument=9 if is_drum else program,
                program=program,
                is_drum=is_drum,
            )
    sequence.total_time = 8
    return sequence


def hostile():
    """Yields pairs of a name and a NoteSequence with one impossible value."""
    for seconds in STRANGE_TIMES:
        for field in ("start_time", "end_time"):
            piece = good()
            setattr(piece.notes[5], field, seconds)
            yield f"{field} {seconds}", piece
        piece = good()
        piece.total_time = seconds
        yield f"total_time {seconds}", piece
        for events in ("tempos", "time_signatures"):
            piece = good()
            getattr(piece, events)[0].time = seconds
            yield f"{events} at {seconds}", piece
        piece = good()
        piece.control_changes.add(
            time=seconds, control_number=64, control_value=127, instrument=0
        )
        piece.text_annotations.add(time=seconds, text="C", annotation_type=1)
        yield f"pedal and chord at {seconds}", piece
    for qpm in (math.nan, math.inf, -math.inf, -120, 0, 1e-300, 1e300, 6e7, 1e6):
        piece = good()
        piece.tempos[0].qpm = qpm
        yield f"tempo {qpm}", piece
    for field in ("pitch", "velocity", "program", "instrument"):
        for value in (-1, -(2**31), 128, 2**31 - 1):
            piece = good()
            setattr(piece.notes[5], field, value)
            yield f"{field} {value}", piece
    for numerator, denominator in ((0, 4), (4, 0), (-4, 4), (2**31 - 1, 1), (1, 2**30)):
        piece = good()
        piece.time_signatures[0].numerator = numerator
        piece.time_signatures[0].denominator = denominator
        yield f"metre {numerator}/{denominator}", piece


HOSTILE = list(hostile())


@pytest.mark.parametrize("name", CONFIGS)
def test_an_impossible_piece_costs_only_itself(name):
    converter = build.converter(config.load(name))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for what, piece in HOSTILE:
        started = time.monotonic()
        examples, left_out = pieces.extract(
            converter, piece, 0, np.random.default_rng(0)
        )
        assert time.monotonic() - started < MAX_SECONDS, what
        for reason in left_out:
            assert "in the converter" not in reason, (what, reason)
        if not examples:
            assert left_out, f"{what} gives nothing, and no reason"
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert extra * 1024 < MAX_EXTRA_BYTES


@pytest.mark.parametrize("name", ["cat-mel_2bar_small", "groovae_2bar_humanize"])
def test_the_other_pieces_train_and_the_impossible_are_named(name, caplog):
    converter = build.converter(config.load(name))
    bad = good()
    bad.filename, bad.notes[3].end_time = "bad.mid", math.inf
    alone, _ = pipeline.extract_examples([good()], converter, None, 0)
    store, report = pipeline.extract_examples([good(), bad, good()], converter, None, 0)
    assert len(store) == 2 * len(alone) > 0
    reason = "times of notes that are not finite"
    assert report.without[limits.LEFT_OUT + reason] == 1
    assert f"left out bad.mid (NoteSequence 1): {reason}" in caplog.text
    assert reason in str(report)


def test_an_augmentation_that_fails_costs_the_piece_alone(caplog):
    class Fails:
        def __call__(self, sequence, rng):
            if sequence.filename == "bad.mid":
                raise OverflowError
            return sequence

    converter = build.converter(config.load("cat-mel_2bar_small"))
    bad = good()
    bad.filename = "bad.mid"
    store, report = pipeline.extract_examples([bad, good()], converter, Fails(), 0)
    assert len(store) and report.sequences_without == 1
    assert "left out bad.mid (NoteSequence 0): OverflowError" in caplog.text


def test_an_impossible_piece_gives_no_single_examples():
    converter = build.converter(config.load("groovae_2bar_humanize"))
    for what, piece in HOSTILE:
        started = time.monotonic()
        result = single_examples(piece, converter, Filters())
        assert result.sequences or result.left_out or result.counts, what
        assert time.monotonic() - started < MAX_SECONDS, what


def test_a_long_piece_within_the_limits_is_read():
    piece = good()
    for beat in range(3600 * 2):
        piece.notes.add(
            pitch=36,
            velocity=80,
            start_time=8 + beat / 2,
            end_time=8.1 + beat / 2,
            is_drum=True,
            instrument=9,
        )
    piece.total_time = 8 + 3600
    converter = build.converter(config.load("groovae_2bar_humanize"))
    assert len(converter.extract(piece).examples) > 900


def test_quarter_notes_are_counted_tempo_by_tempo():
    assert limits.num_quarters([], 60) == 120
    assert limits.num_quarters([(30, 240)], 60) == 60 + 120
    assert limits.num_quarters([(30, 1e9), (30, 60)], 60) == 60 + 30
    assert limits.num_quarters([(90, 1e9)], 60) == 120
