import dataclasses
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.batch import Batch, Bits, Example, Layout, OneHot, Reals
from music_vae_tf.data import pipeline
from music_vae_tf.data.converters.base import Converter, Extraction
from music_vae_tf.errors import UserFacingError


@dataclasses.dataclass(frozen=True)
class Numbers(Converter):
    """A sequence is a number: it gives so many examples, each a step longer.

    All rows of an example hold one class, counted through over all sequences of at
    most 9; with an rng, `controls` hold a draw.
    """

    inputs: Layout = OneHot(100)
    targets: Layout = OneHot(100)
    controls: Layout | None = None
    inputs_are_targets: bool = True
    end_token: None = None
    length_shape: tuple = ()
    max_tensors_per_notesequence: None = None

    def _extract(self, sequence, rng):
        if sequence == 0:
            return Extraction([], Counter({"no notes": 1, "silence": 2}))
        examples = [self._example(sequence, i, rng) for i in range(sequence)]
        return Extraction(examples, Counter())

    def _example(self, sequence, i, rng):
        steps = i + 1
        rows = np.full([steps, 1], 10 * sequence + i)
        draw = 0 if rng is None else rng.random()
        return Example(
            targets=rows.astype(np.int16),
            length=steps,
            inputs=None if self.inputs_are_targets else rows.astype(np.uint8),
            controls=self.controls and np.full([steps, 1], draw, np.float32),
        )

    def to_sequence(self, sample, controls=None):
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Segments(Numbers):
    """Examples of two segments, padded to three steps each."""

    length_shape: tuple = (2,)

    def _example(self, sequence, i, rng):
        rows = np.array([[i], [-1], [-1], [i], [i], [-1]], np.int16)
        return Example(targets=rows, length=np.array([1, 2]))


def stored(sequences, converter=None, **options):
    return pipeline.extract_examples(sequences, converter or Numbers(), **options)[0]


def numbers_of(batches):
    """The class that each example of each batch holds."""
    return [batch.targets.numpy()[:, 0].argmax(-1).tolist() for batch in batches]


def plus(sequence, rng):
    return sequence + int(rng.integers(1, 4))


def assert_same_batches(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other)
    for a, b in zip(one, other):
        for mine, yours in zip(a, b):
            np.testing.assert_array_equal(mine, yours)


# Extraction.


def test_a_report_counts_sequences_examples_and_what_was_left_out():
    _, report = pipeline.extract_examples([2, 0, 3, 0], Numbers())
    assert report.without == {"no notes": 2}
    assert report.left_out == {}
    assert str(report) == (
        "4 NoteSequences gave 5 examples; 2 gave none:\n        2  no notes"
    )


def test_a_sequence_without_an_example_is_counted_under_one_reason():
    refused = Extraction([], Counter({"notes of unmapped drum pitch 23": 9, "3/4": 1}))
    drums = Extraction([], Counter({"no drums on channel 10": 1}))
    report = pipeline.Report()
    for extraction in [refused, refused, drums, Extraction([], Counter())]:
        report = report.after(extraction)
    assert report.sequences_without == report.sequences == 4
    assert str(report) == (
        "4 NoteSequences gave 0 examples; 4 gave none:\n"
        "        2  3/4\n"
        "        1  no drums on channel 10\n"
        "        1  no notes of the kind\n"
        "--drums=all or --drums=track:NAME takes other notes for drums"
    )


def test_unmapped_drum_pitches_are_one_line():
    notes = Counter({f"notes of unmapped drum pitch {p}": p for p in (100, 23, 9)})
    report = pipeline.Report().after(Extraction([None], notes))
    assert str(report).splitlines()[1:] == [
        "Left out:",
        "      132  notes of unmapped drum pitches 9, 23, 100",
    ]


def test_a_report_lists_the_most_frequent_reasons_only():
    reasons = Counter({f"pitch {i}": 1000 + i for i in range(25)})
    lines = str(pipeline.Report(1, 1, left_out=reasons)).splitlines()
    assert lines[0] == "1 NoteSequence gave 1 example; 0 gave none."
    assert lines[2] == "    1,024  pitch 24"
    assert lines[-1] == "    5,010  for 5 more reasons"
    assert len(lines) == 2 + pipeline.REASONS_LISTED + 1


def test_fewer_examples_than_a_batch_are_an_error_that_says_what_to_do():
    _, report = pipeline.extract_examples([2, 0, 3], Numbers())
    report.require(5)
    with pytest.raises(pipeline.TooFewExamples) as error:
        report.require(6)
    assert isinstance(error.value, UserFacingError)
    assert "too few examples: 5, where one batch takes 6" in str(error.value)
    assert "--hparams=batch_size=5" in str(error.value)
    assert "1  no notes" in str(error.value)


def test_no_examples_at_all_are_reported_without_a_batch_size_to_take():
    _, report = pipeline.extract_examples([0], Numbers())
    with pytest.raises(pipeline.TooFewExamples, match="too few examples: 0") as error:
        report.require(1)
    assert "--hparams" not in str(error.value)


def test_the_store_gives_each_example_back():
    converter = Numbers(inputs=Bits(8), controls=Reals(1), inputs_are_targets=False)
    store = stored([2, 0, 3], converter, seed=1)
    rng_of_sequence = [pipeline.rng_of(1, index) for index in range(3)]
    expected = [
        example
        for number, rng in zip([2, 0, 3], rng_of_sequence)
        for example in converter.extract(number, rng).examples
    ]
    assert len(store) == len(expected) == 5
    for i, example in enumerate(expected):
        for mine, yours in zip(store[i], example):
            np.testing.assert_array_equal(mine, yours)


def test_an_empty_store_is_a_store():
    store = stored([0])
    assert len(store) == 0
    assert list(pipeline.evaluation_batches(store, 2)) == []


def test_what_is_drawn_for_a_sequence_depends_on_seed_and_place_alone():
    converter = Numbers(controls=Reals(1))
    draws = lambda numbers, seed: [
        float(example.controls[0, 0])
        for example in map(
            stored(numbers, converter, seed=seed).__getitem__, range(len(numbers))
        )
    ]
    assert draws([1, 1, 1], 7) == draws([1, 1, 1], 7)
    assert draws([1, 1], 7) == draws([1, 1, 1], 7)[:2]
    assert len(set(draws([1, 1, 1], 7) + draws([1, 1, 1], 8))) == 6
    assert len(set(draws([1], -1) + draws([1], 2**40) + draws([1], 0))) == 3


def test_sequences_are_augmented_once_before_conversion():
    store = stored([1] * 50, augmenter=plus, seed=3)
    same = stored([1] * 50, augmenter=plus, seed=3)
    assert set(store.arrays["targets"][:, 0] // 10) == {2, 3, 4}
    np.testing.assert_array_equal(store.arrays["targets"], same.arrays["targets"])


# Magenta keeps a byte per column of each row, and inputs beside targets even where they
# are the same.
@pytest.mark.parametrize(
    ("targets", "controls", "steps"),
    [
        pytest.param(OneHot(90), None, 32, id="2-bar melody"),
        pytest.param(OneHot(90), OneHot(49), 32, id="2-bar melody with chords"),
        pytest.param(OneHot(90), None, 256, id="16-bar melody"),
        pytest.param(OneHot(90, 90, 512), None, 256, id="16-bar trio"),
    ],
)
def test_examples_take_a_fiftieth_of_the_bytes_of_dense_rows(targets, controls, steps):
    class Constant(Numbers):
        def _example(self, sequence, i, rng):
            part = lambda layout: (
                layout and np.zeros([steps, layout.width], layout.dtype)
            )
            return Example(part(targets), steps, None, part(controls))

    converter = Constant(inputs=targets, targets=targets, controls=controls)
    store = stored([100], converter)
    columns = 2 * targets.depth + (controls.depth if controls else 0)
    assert 50 * store.nbytes < 100 * steps * columns


# Batches.


def test_a_batch_is_dense_and_padded_with_zeros():
    converter = Numbers(
        inputs=Bits(8), targets=OneHot(30), controls=Reals(1), inputs_are_targets=False
    )
    store = stored([2], converter, seed=0)
    (batch,) = pipeline.evaluation_batches(store, 2)
    draws = [store[i].controls[0, 0] for i in range(2)]
    byte = lambda number: [number >> bit & 1 for bit in range(8)]
    zeros = [0] * 8
    one_hot = np.eye(30)
    np.testing.assert_array_equal(
        batch.inputs, [[byte(20), zeros], [byte(21), byte(21)]]
    )
    np.testing.assert_array_equal(
        batch.targets, [[one_hot[20], 0 * one_hot[0]], [one_hot[21], one_hot[21]]]
    )
    np.testing.assert_array_equal(
        batch.controls, np.float32([[[draws[0]], [0]], [[draws[1]], [draws[1]]]])
    )
    np.testing.assert_array_equal(batch.lengths, [1, 2])
    assert [part.dtype for part in batch] == [tf.float32] * 3 + [tf.int32]


def test_inputs_are_targets_and_controls_without_columns_where_there_are_none():
    (batch,) = pipeline.evaluation_batches(stored([3]), 3)
    assert isinstance(batch, Batch)
    np.testing.assert_array_equal(batch.inputs, batch.targets)
    assert batch.controls.shape == [3, 3, 0]


def test_segments_keep_their_padding_and_have_lengths_of_their_own():
    store = stored([3], Segments())
    (batch,) = pipeline.evaluation_batches(store, 3)
    np.testing.assert_array_equal(batch.lengths, [[1, 2]] * 3)
    np.testing.assert_array_equal(
        batch.targets.numpy().any(-1), [[True, False, False, True, True, False]] * 3
    )


def test_equally_long_examples_tell_their_length_to_a_compiler():
    spec = pipeline.training_batches(stored([3], Segments()), 2, seed=0).element_spec
    assert (spec.targets.shape, spec.lengths.shape) == ([2, 6, 100], [2, 2])
    spec = pipeline.training_batches(stored([3]), 2, seed=0).element_spec
    assert (spec.targets.shape, spec.lengths.shape) == ([2, None, 100], [2])


def test_evaluation_goes_in_order_and_drops_the_rest():
    store = stored([3, 4])
    assert numbers_of(pipeline.evaluation_batches(store, 3)) == [
        [30, 31, 32],
        [40, 41, 42],
    ]
    assert numbers_of(pipeline.evaluation_batches(store, 3, 1)) == [[30, 31, 32]]
    assert len(list(pipeline.evaluation_batches(store, 3, 9))) == 2


def test_every_epoch_of_training_is_another_permutation():
    store = stored([3, 4, 5])  # 12 examples, batches of 5: the epochs end within some
    batches = numbers_of(pipeline.training_batches(store, 5, seed=1).take(12))
    epochs = np.reshape(np.concatenate(batches), [5, 12])
    examples = sorted(10 * number + i for number in (3, 4, 5) for i in range(number))
    for epoch in epochs:
        assert sorted(epoch) == examples
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_a_batch_is_a_function_of_seed_and_step():
    store = stored([3, 4, 5])
    whole = list(pipeline.training_batches(store, 5, seed=1).take(8))
    again = pipeline.training_batches(store, 5, seed=1).take(8)
    later = pipeline.training_batches(store, 5, seed=1, first_step=3).take(5)
    assert_same_batches(whole, again)
    assert_same_batches(whole[3:], later)
    for other in (2, -1, 1 + 2**32):
        batches = pipeline.training_batches(store, 5, seed=other).take(8)
        assert numbers_of(batches) != numbers_of(whole)


def test_workers_with_rows_of_their_own_make_the_batch_together():
    store = stored([3, 4, 5])
    options = {"batch_size": 6, "seed": 1}
    whole = numbers_of(pipeline.training_batches(store, **options).take(4))
    shares = [
        numbers_of(pipeline.training_batches(store, **options, rows=rows).take(4))
        for rows in (slice(0, 2), slice(2, 6))
    ]
    assert [first + second for first, second in zip(*shares)] == whole


@pytest.mark.parametrize("num_examples", [300, 30_000])
def test_epochs_have_nothing_in_common(num_examples):
    epochs = [
        pipeline._shuffled(
            tf.range(e * num_examples, (e + 1) * num_examples, dtype=tf.int64),
            num_examples,
            seed=0,
        ).numpy()
        for e in range(6)
    ]
    correlations = np.corrcoef(epochs)[np.triu_indices(6, 1)]
    assert abs(correlations).max() < 5 / np.sqrt(num_examples)


# The stream.


def test_a_stream_is_a_function_of_the_seed():
    read = lambda: range(9)
    converter = Numbers(controls=Reals(1))
    make = lambda seed, **options: pipeline.streaming_batches(
        read, converter, 4, seed, **options
    )
    whole = list(make(5).take(6))
    assert_same_batches(whole, make(5).take(6))
    assert_same_batches(whole[4:], make(5, first_step=4).take(2))
    assert numbers_of(whole) != numbers_of(make(6).take(6))


def test_a_stream_holds_every_example_equally_often():
    batches = pipeline.streaming_batches(lambda: [2, 3, 0], Numbers(), 5, seed=0)
    seen = Counter(np.concatenate(numbers_of(batches.take(200))).tolist())
    assert seen.keys() == {20, 21, 30, 31, 32}
    assert all(190 <= count <= 210 for count in seen.values())


def test_a_stream_augments_each_epoch_anew():
    batches = pipeline.streaming_batches(
        lambda: [1], Numbers(), 1, seed=0, augmenter=plus
    )
    numbers = np.concatenate(numbers_of(batches.take(40)))
    assert set(numbers // 10) == {2, 3, 4}


def test_batches_of_a_stream_are_like_those_from_memory():
    converter = Numbers(inputs=Bits(8), controls=Reals(1), inputs_are_targets=False)
    stream = pipeline.streaming_batches(lambda: [3, 4], converter, 5, seed=0)
    store = pipeline.training_batches(stored([3, 4], converter), 5, seed=0)
    assert stream.element_spec == store.element_spec
    for batch in stream.take(3):
        steps = batch.targets.shape[1]
        assert steps == batch.lengths.numpy().max()
        is_there = np.arange(steps) < batch.lengths.numpy()[:, None]
        for part in batch[:3]:
            np.testing.assert_array_equal(part.numpy().any(-1), is_there)


def test_a_stream_of_segments_keeps_their_lengths():
    stream = pipeline.streaming_batches(lambda: [3], Segments(), 2, seed=0)
    np.testing.assert_array_equal(next(iter(stream)).lengths, [[1, 2], [1, 2]])


def test_a_stream_that_does_not_fill_a_batch_is_refused_at_once():
    with pytest.raises(pipeline.TooFewExamples, match="(?s)examples: 5, .*2  no notes"):
        pipeline.streaming_batches(lambda: [2, 0, 3, 0], Numbers(), 6, seed=0)


def test_workers_of_a_stream_convert_their_shares_only():
    converted = []

    class Watched(Numbers):
        def _extract(self, sequence, rng):
            converted.append(sequence)
            return super()._extract(sequence, rng)

    seen = []
    for index, share in ((0, [1, 3]), (1, [2, 4])):
        batches = pipeline.streaming_batches(
            lambda: [1, 2, 3, 4], Watched(), 2, 0, share=pipeline.Share(index, 2)
        )
        seen.append(set(np.concatenate(numbers_of(batches.take(30))).tolist()))
        assert set(converted) == set(share)
        converted.clear()
    assert seen == [{10, 30, 31, 32}, {20, 21, 40, 41, 42, 43}]
