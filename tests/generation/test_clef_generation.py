"""New pieces fill their bars, are in their key, and can be written."""

import numpy as np
import pytest
from note_seq.protobuf import music_pb2

from music_vae_tf import checkpoint, config, training
from music_vae_tf.data.clefs import STAVES, Form
from music_vae_tf.data.clefs.keys import Key
from music_vae_tf.data.clefs.labels import Encoding, Labels
from music_vae_tf.data.clefs.transformation import Event
from music_vae_tf.data.converters.clefs import ClefsConverter
from music_vae_tf.generation import clef_lstm
from music_vae_tf.generation.clef_lstm import (
    CannotGenerate,
    Sampling,
    TrainedClefLSTM,
    balanced,
    is_writable,
    on_the_piano,
    stream_of,
    to_sequence,
    top_k_sample,
)

pandas = pytest.importorskip("pandas")

NOTES = Encoding(("C5", "rest", "E5.G5", "A4"), (9, 5, 4, 2, 1))
DURATIONS = Encoding(("1/2", "1", "1/3", "3/4"), (9, 5, 4, 2, 0))
LABELS = {
    "treble": Labels(NOTES, DURATIONS),
    "bass": Labels(
        Encoding(("C3.G3", "F2"), (3, 3, 0)), Encoding(("2", "1"), (3, 3, 0))
    ),
}
TWO = Sampling(top_k_notes=2, top_k_durations=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model two units wide, as it is before training."""
    tiny = config.override(
        config.load("clef_lstm"), "lstm_sizes=[2],dense_size=2,batch_size=1"
    )
    windows = ClefsConverter(**tiny.converter.arguments).windows(LABELS)
    untrained = training.compiled_model(tiny, windows, seed=1)
    folder = tmp_path_factory.mktemp("run")
    checkpoint.save(folder, 0, training.state_of(untrained), 1, 1)
    return TrainedClefLSTM(tiny, LABELS, folder)


# Drawing.


def test_weighted_draws_follow_the_probabilities():
    rng = np.random.default_rng(0)
    logits = np.log([0.6, 0.1, 0.3])
    draws = [top_k_sample(logits, 2, True, 1.0, rng) for _ in range(3000)]
    shares = np.bincount(draws, minlength=3) / 3000
    np.testing.assert_allclose(shares, [2 / 3, 0, 1 / 3], atol=0.03)


def test_a_lower_temperature_makes_the_mode_more_probable():
    rng = np.random.default_rng(0)
    logits = np.log([0.6, 0.4])
    draws = [top_k_sample(logits, 2, True, 0.25, rng) for _ in range(3000)]
    assert np.mean(draws) == pytest.approx(0.4**4 / (0.4**4 + 0.6**4), abs=0.03)


def test_uniform_draws_have_equal_probabilities_whatever_the_logits():
    rng = np.random.default_rng(0)
    logits = np.log([0.98, 0.005, 0.015])
    draws = [top_k_sample(logits, 2, False, 1.0, rng) for _ in range(3000)]
    shares = np.bincount(draws, minlength=3) / 3000
    np.testing.assert_allclose(shares, [0.5, 0, 0.5], atol=0.03)


def test_what_is_excluded_is_never_drawn():
    rng = np.random.default_rng(0)
    logits = np.array([0.0, -np.inf, -5.0])
    assert {top_k_sample(logits, 3, False, 1.0, rng) for _ in range(50)} == {0, 2}


@pytest.mark.parametrize(
    ("start", "ends"),
    [
        (0, [4, 6, 8, 12, 16, 18, 20, 24, 30, 36, 42]),
        (6, [12, 18, 24, 30, 36]),
        (12, [18, 24, 30, 36]),
        (8, [16, 24]),
        (16, [24]),
        (4, [8, 12, 16, 20, 24]),
        (32, [40, 48]),
    ],
)
def test_durations_lead_where_notes_can_be_written(start, ends):
    candidates = np.arange(start + 1, start + 57)
    found = [int(end) for end in candidates[is_writable(start, candidates)]]
    assert [end for end in found if end <= max(ends)] == ends


# Stages.


def test_frames_become_streams():
    frame = pandas.DataFrame({"note": [2, 1, 0], "duration": [0, 2, 1]})
    assert stream_of(frame, LABELS["treble"]) == [
        Event(0, 12, (76, 79)),
        Event(12, 8, ()),
        Event(20, 24, (72,)),
    ]


def test_streams_are_balanced_to_one_length():
    streams = {
        "treble": [Event(0, 24, (72,)), Event(24, 96, (74,)), Event(120, 24, ())],
        "bass": [Event(0, 48, (48,))],
    }
    assert balanced(streams, 96) == {
        "treble": [Event(0, 24, (72,)), Event(24, 72, (74,))],
        "bass": [Event(0, 48, (48,)), Event(48, 48, ())],
    }


def test_pitches_beyond_the_piano_come_back_by_octaves():
    assert [on_the_piano(p) for p in (20, 21, 60, 108, 109)] == [32, 21, 60, 108, 97]


# Pieces.


@pytest.mark.parametrize("form", [Form(3, 4, 4), Form(2, 6, 8), Form(5, 3, 4)])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_both_staves_fill_the_bars_exactly(model, form, mode):
    streams = model.sample(form, mode, TWO, np.random.default_rng(0))
    for staff in STAVES:
        ends = [event.onset + event.duration for event in streams[staff]]
        assert ends[-1] == form.end
        assert [event.onset for event in streams[staff]] == [0, *ends[:-1]]


def test_a_seed_gives_the_same_piece(model):
    form = Form(4, 4, 4)
    one, same, other = (
        model.sample(form, "major", TWO, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert one == same != other


def test_a_k_larger_than_the_vocabulary_is_refused(model):
    with pytest.raises(CannotGenerate, match="bass staff knows 2 labels of notes"):
        model.check(Sampling(top_k_notes=3, top_k_durations=2))
    with pytest.raises(CannotGenerate, match="treble staff knows 4 labels of durat"):
        model.check(Sampling(top_k_notes=1, top_k_durations=5))


def test_the_usual_k_is_never_larger_than_the_vocabulary(model):
    assert model.usual_sampling == Sampling(top_k_notes=2, top_k_durations=2)


def sequence_in(key, **options):
    streams = {
        "treble": [Event(0, 24, (72, 76)), Event(24, 72, ())],
        "bass": [Event(0, 96, (45,))],
    }
    return to_sequence(streams, Form(1, 4, 4), Key.parse(key), 120, **options)


@pytest.mark.parametrize(
    ("key", "pitches"),
    [
        ("C", [72, 76, 45]),
        ("Am", [72, 76, 45]),
        ("Em", [67, 71, 40]),
        ("D", [74, 78, 47]),
        ("F#m", [69, 73, 42]),
    ],
)
def test_a_piece_is_moved_into_its_key(key, pitches):
    assert [note.pitch for note in sequence_in(key).notes] == pitches


def test_the_original_changes_the_signature_alone():
    sequence = sequence_in("Em", transpose=False)
    assert [note.pitch for note in sequence.notes] == [72, 76, 45]
    assert sequence.key_signatures[0].key == 4


def test_a_piece_has_tempo_metre_key_and_two_hands():
    sequence = sequence_in("Em")
    signature = sequence.key_signatures[0]
    assert (signature.key, signature.mode) == (
        4,
        music_pb2.NoteSequence.KeySignature.MINOR,
    )
    assert sequence.tempos[0].qpm == 120
    metre = sequence.time_signatures[0]
    assert (metre.numerator, metre.denominator) == (4, 4)
    assert [info.name for info in sequence.instrument_infos] == [
        *("Right hand", "Left hand")
    ]
    assert [note.instrument for note in sequence.notes] == [0, 0, 1]
    assert [note.end_time for note in sequence.notes] == [0.5, 0.5, 2.0]
    assert sequence.total_time == 2.0


def test_every_event_of_a_piece_is_expected_once(model):
    from music_vae_tf.data.clefs.windows import Piece

    treble = [Event(12 * i, 12, (72,)) for i in range(300)]
    bass = [Event(48 * i, 48, (41,)) for i in range(75)]
    piece = Piece(
        {"treble": treble, "bass": bass}, tuple(range(0, 3600, 96)), 3600, "major"
    )
    expected = model.log_probabilities(piece)
    assert expected["treble"].notes.shape == (300, 5)
    assert expected["bass"].durations.shape == (75, 3)
    chances = np.exp(expected["bass"].notes)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert list(model.classes(piece, "bass", "notes")) == [1] * 75
    assert list(model.classes(piece, "treble", "durations")) == [0] * 300
    # The first event is expected from nothing, as when a piece is made up.
    step = model._step_before("treble", None, [0, 0, 4, 0, 0], ([0, 0], (), ()))
    logits, _ = model._steps["treble"](step, model.model.treble.zero_states(1))
    first = clef_lstm.tf.nn.log_softmax(logits.notes[0]).numpy()
    np.testing.assert_allclose(expected["treble"].notes[0], first, atol=1e-5)
