"""NoteSequences -> augment -> convert -> shuffle -> pad -> Batch.

Examples stay compact, as their converter packs them, until they are in a batch: 16 bars
of a trio are 768 class numbers, not 354 KB of one-hot rows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from music_vae_tf import raw_ops  # first: TensorFlow starts quietly there

# isort: split

import tensorflow as tf

from music_vae_tf.batch import Batch, Example
from music_vae_tf.data import pieces
from music_vae_tf.data.converters.base import Converter, Extraction, grouped
from music_vae_tf.data.converters.drum_parts import NO_DRUMS, TAKEN_AS_DRUMS
from music_vae_tf.data.example_store import ExampleStore, StoreBuilder, layouts_of
from music_vae_tf.errors import UserFacingError
from music_vae_tf.wording import counted

if TYPE_CHECKING:
    from music_vae_tf.data.clefs.windows import Windows

REASONS_LISTED = 20
NOTHING_SUITABLE = "no notes of the kind"
MAX_STEP = np.iinfo(np.int64).max
# For functions without a branch: AutoGraph takes long to find that there is none.
_as_it_is = tf.autograph.experimental.do_not_convert


class TooFewExamples(UserFacingError, ValueError):
    """A data set that does not fill one batch."""


class Share(NamedTuple):
    """Every `count`-th sequence, beginning with that of an index."""

    index: int
    count: int


EVERYTHING = Share(0, 1)


# Extraction.


@dataclass(frozen=True)
class Report:
    """How many examples NoteSequences gave, and what gave none."""

    sequences: int = 0
    examples: int = 0
    # Sequences that gave no example, each under one reason.
    without: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(
        default_factory=Counter
    )  # parts and notes of the other sequences, by reason
    taken_as_drums: int = 0  # sequences that are drums only by what they play

    def after(self, extraction: Extraction) -> Report:
        """The report with one more sequence."""
        examples, left_out = extraction
        remarks = Counter(left_out)
        taken = remarks.pop(TAKEN_AS_DRUMS, 0)
        return Report(
            self.sequences + 1,
            self.examples + len(examples),
            self.without + Counter([] if examples else [_main_reason(remarks)]),
            self.left_out + (remarks if examples else Counter()),
            self.taken_as_drums + taken,
        )

    @property
    def sequences_without(self) -> int:
        """How many sequences gave no example."""
        return self.without.total()

    def require(self, batch_size: int) -> None:
        """
        Raises:
            TooFewExamples: there is not one batch. (Magenta waits for one for ever.)
        """
        if self.examples >= batch_size:
            return
        take = f"; take --hparams=batch_size={self.examples} or less"
        raise TooFewExamples(
            f"too few examples: {self.examples:,}, where one batch takes {batch_size:,}"
            f"{take if self.examples else ''}. {self}"
        )

    def __str__(self):
        """The table a user sees."""
        sequences = counted(self.sequences, "NoteSequence")
        examples = counted(self.examples, "example")
        none = f"{self.sequences_without:,} gave none{':' if self.without else '.'}"
        lines = [f"{sequences} gave {examples}; {none}"]
        lines += _listed(self.without)
        if self.left_out:
            of_others = " of the others" if self.without else ""
            lines.append(f"Left out{of_others}:")
        lines += _listed(self.left_out)
        if NO_DRUMS in self.without + self.left_out:
            lines.append(
                "--drums=all or --drums=track:NAME takes other notes for drums"
            )
        if self.taken_as_drums:
            taken = counted(self.taken_as_drums, "NoteSequence")
            lines.append(f"{taken} {TAKEN_AS_DRUMS}")
        return "\n".join(lines)


def _main_reason(left_out: Counter[str]) -> str:
    """Why a sequence gave no example: reasons of parts of it come before those of
    single notes."""
    return min(
        left_out, key=lambda reason: "notes of " in reason, default=NOTHING_SUITABLE
    )


def _listed(reasons: Counter[str]) -> list[str]:
    """A line for each of the most common reasons, and one for all others."""
    groups = grouped(reasons)
    listed = groups.most_common(REASONS_LISTED)
    lines = [f"{count:>9,}  {reason}" for reason, count in listed]
    if others := groups.total() - sum(count for _, count in listed):
        more = counted(len(groups) - len(listed), "more reason")
        lines.append(f"{others:>9,}  for {more}")
    return lines


def extract_examples(
    sequences: Iterable,
    converter: Converter | Windows,
    augmenter: Callable | None = None,
    seed: int | None = None,
) -> tuple[ExampleStore, Report]:
    """All examples of some NoteSequences, and what became of these.

    A sequence is augmented once, before its examples are kept: every epoch of a run
    sees the same transposition, as in Magenta, whose cache comes after augmentation.
    What is drawn for a sequence is a function of the seed and its place alone.

    Args:
        sequences: NoteSequences.
        augmenter: `(sequence, rng) -> sequence`, in training.
        seed: of augmentation, and of the choice among too many examples; None takes
            the first ones, as in evaluation.
    """
    builder, report = StoreBuilder(converter), Report()
    for extraction in _extractions(sequences, converter, augmenter, seed):
        builder.add(extraction.examples)
        report = report.after(extraction)
    return builder.build(), report


def _extractions(
    sequences, converter, augmenter, seed, *place, share=EVERYTHING, quiet=False
) -> Iterator[Extraction]:
    numbered = itertools.islice(enumerate(sequences), share.index, None, share.count)
    for index, sequence in numbered:
        rng = None if seed is None else rng_of(seed, *place, index)
        yield pieces.extract(converter, sequence, index, rng, augmenter, quiet)


def rng_of(seed: int, *place: int) -> np.random.Generator:
    """What augmentation and choice draw from for the sequence at this place."""
    return np.random.default_rng([*_words(seed), *place])


def _words(seed: int) -> tuple[int, int]:
    """A whole number as two of 32 bits."""
    return seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF


# Batches from memory.


def training_batches(
    store: ExampleStore,
    batch_size: int,
    seed: int,
    first_step: int = 0,
    rows: slice = slice(None),
) -> tf.data.Dataset:
    """Batches without end; batch number `step` is a function of seed and step alone.

    So a run that resumes at step N begins with batch N at once. Every epoch is a fresh
    permutation of all examples. A batch may hold the end of one and the start of the
    next, as in Magenta, which repeats before it makes batches.

    Args:
        rows: of each batch, those to make: a worker among several makes its share.
    """
    num_examples = len(store)
    return _batches(
        store,
        tf.data.Dataset.range(first_step, MAX_STEP),
        lambda step: _shuffled(_places(step, batch_size)[rows], num_examples, seed),
    )


def evaluation_batches(
    store: ExampleStore, batch_size: int, num_batches: int | None = None
) -> tf.data.Dataset:
    """Full batches in the order of the data; the rest is dropped, as in Magenta."""
    full = len(store) // batch_size
    return _batches(
        store,
        tf.data.Dataset.range(min(full, num_batches or full)),
        lambda step: _places(step, batch_size),
    )


def all_batches(store: ExampleStore, batch_size: int) -> tf.data.Dataset:
    """All examples in the order of the data; the last batch has what is left."""
    count = len(store)
    return _batches(
        store,
        tf.data.Dataset.range(-(-count // batch_size)),
        lambda step: tf.range(
            step * batch_size, tf.minimum((step + 1) * batch_size, count)
        ),
    )


def examples_of_batch(
    step: int, batch_size: int, num_examples: int, seed: int
) -> list[int]:
    """Which examples `training_batches` puts into the batch of a step."""
    return _shuffled(_places(step, batch_size), num_examples, seed).numpy().tolist()


def _places(step, batch_size):
    """Places of a batch's examples in the row of all that come one after the other."""
    return step * batch_size + tf.range(batch_size, dtype=tf.int64)


def _shuffled(places, num_examples, seed):
    """Which examples are at these places of shuffled epochs: int64 `[B]`."""
    epochs = places // num_examples
    words = [tf.fill(tf.shape(places), np.int64(word)) for word in _words(seed)]
    # The public index_shuffle mixes in 4 rounds, after which epochs of more than 20,000
    # examples are much alike; of 2 ** 20, two come in the same order.
    seed = tf.stack([*words, epochs], axis=1)
    return raw_ops.index_shuffle(
        places % num_examples, seed, num_examples - 1, rounds=16
    )


def _batches(store, steps: tf.data.Dataset, examples_of: Callable) -> tf.data.Dataset:
    # Do not capture `store` in a dataset function: its arrays are already held as
    # tensors, and a reference would keep them in memory a second time.
    gather, layouts = store.gatherer(), store.layouts
    options = tf.data.Options()
    # To rewrite a data set of two stages, tf.data would copy all examples once more.
    options.experimental_optimization.apply_default_optimizations = False
    batches = steps.map(
        _as_it_is(lambda step: _unfold(layouts, *gather(examples_of(step)))),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _unfold(layouts, arrays, lengths) -> Batch:
    """Padded compact arrays `[B, T, width]` -> Batch."""
    dense = {
        name: layout.unpack_tensor(arrays[name]) for name, layout in layouts.items()
    }
    targets = dense["targets"]
    return Batch(
        inputs=dense.get("inputs", targets),
        targets=targets,
        controls=dense.get("controls", targets[..., :0]),
        lengths=lengths,
    )


# Batches from a stream.


def streaming_batches(
    read: Callable[[], Iterable],
    converter: Converter | Windows,
    batch_size: int,
    seed: int,
    augmenter: Callable | None = None,
    first_step: int = 0,
    share: Share = EVERYTHING,
) -> tf.data.Dataset:
    """Batches without end, for data that do not fit in memory.

    Sequences are converted anew in each epoch, and augmented anew, as Magenta does with
    its cache off; examples are shuffled in a buffer of ten batches. The same seed gives
    the same stream. To start at `first_step`, all that came before is converted and
    left out.

    Each of several workers converts its own share of the sequences and no other, and
    shuffles what they give. So the batch of all workers depends on their number, and
    every example comes equally often among those of its worker.

    Args:
        read: gives the NoteSequences, from the first, whenever it is called.
        batch_size: of the examples that this worker makes.
        share: of the sequences, which this worker converts.

    Raises:
        TooFewExamples: the share does not fill one batch.
    """
    _survey(read, converter, batch_size, share).require(batch_size)
    layouts = layouts_of(converter)

    def batches():
        stream = _endless(read, converter, augmenter, seed, share)
        # One worker alone shuffles as it always did.
        place = (share.index,) if share.count > 1 else ()
        mixed = _mixed(stream, 10 * batch_size, rng_of(seed, *place))
        later = itertools.islice(mixed, first_step * batch_size, None)
        while True:
            yield _padded(layouts, list(itertools.islice(later, batch_size)))

    arrays = {
        name: tf.TensorSpec([batch_size, None, layout.width], layout.dtype)
        for name, layout in layouts.items()
    }
    lengths = tf.TensorSpec([batch_size, *converter.length_shape], tf.int32)
    return (
        tf.data.Dataset.from_generator(batches, output_signature=(arrays, lengths))
        .map(_as_it_is(lambda arrays, lengths: _unfold(layouts, arrays, lengths)))
        .prefetch(tf.data.AUTOTUNE)
    )


def _survey(read, converter, batch_size, share) -> Report:
    """What a share of the stream gives, as far as it takes to fill a batch."""
    report = Report()
    for extraction in _extractions(
        read(), converter, None, None, share=share, quiet=True
    ):
        report = report.after(extraction)
        if report.examples >= batch_size:
            break
    return report


def _endless(read, converter, augmenter, seed, share) -> Iterator[Example]:
    for epoch in itertools.count():
        for extraction in _extractions(
            read(), converter, augmenter, seed, epoch, share=share, quiet=epoch > 0
        ):
            yield from extraction.examples


def _mixed(endless: Iterator, buffer_size: int, rng) -> Iterator:
    """An endless stream in an order shuffled over `buffer_size` items."""
    buffer = list(itertools.islice(endless, buffer_size))
    for new in endless:
        place = rng.integers(buffer_size)
        yield buffer[place]
        buffer[place] = new


def _padded(layouts, examples: list[Example]) -> tuple[dict, np.ndarray]:
    """Examples -> compact arrays `[B, T, width]` and lengths."""
    longest = max(len(example.targets) for example in examples)
    padded = {
        name: np.full(
            [len(examples), longest, layout.width], layout.padding, layout.dtype
        )
        for name, layout in layouts.items()
    }
    for name, rows in padded.items():
        for row, example in zip(rows, examples):
            array = getattr(example, name)
            row[: len(array)] = array
    return padded, np.array([example.length for example in examples], np.int32)
