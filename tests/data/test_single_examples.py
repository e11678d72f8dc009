"""Each example of a NoteSequence as a NoteSequence, filtered and counted."""

import note_seq
import pytest

from music_vae_tf.data.converters.drums import DrumsConverter
from music_vae_tf.data.converters.groove import GrooveConverter
from music_vae_tf.data.converters.melody import MelodyConverter
from music_vae_tf.data.single_examples import COUNTERS, Filters, single_examples

DRUMS = DrumsConverter(slice_bars=1)
BAR_S = 2.0


def drums(bars, *, id="drums"):
    """A kick on every beat, and in bar i a snare on step i."""
    sequence = note_seq.NoteSequence(id=id, total_time=bars * BAR_S)
    for bar in range(bars):
        for beat in range(4):
            note(sequence, bar * BAR_S + beat / 2, 36)
        note(sequence, bar * BAR_S + bar / 8, 38)
    return sequence


def note(sequence, start_s, pitch, *, velocity=80, is_drum=True):
    sequence.notes.add(
        pitch=pitch,
        velocity=velocity,
        start_time=start_s,
        end_time=start_s + 0.1,
        is_drum=is_drum,
    )
    return sequence


def counts(sequence, converter=DRUMS, **filters):
    return single_examples(sequence, converter, Filters(**filters)).counts


def refused_as(sequence, **filters):
    """The counter of a sequence of one piece that a filter refuses."""
    found = counts(sequence, **filters)
    assert found.pop("sequence-time-splits") == 1
    ((counter, count),) = found.items()
    assert count == 1
    return counter


def test_examples_become_sequences_of_their_own():
    found = single_examples(drums(3), DRUMS, Filters())
    assert len(found.sequences) == 3
    for bar, sequence in enumerate(found.sequences):
        snares = [n.start_time for n in sequence.notes if n.pitch == 38]
        assert snares == [bar / 8]
        assert sequence.id == ""
        (same,) = DRUMS.to_examples(sequence)
        assert (
            same.targets.tolist() == DRUMS.to_examples(drums(3))[bar].targets.tolist()
        )


def test_what_happens_to_a_sequence_is_counted():
    assert +counts(drums(3)) == {
        "sequence-time-splits": 1,
        "unfiltered-sequences": 1,
        "extracted-examples": 3,
        "all-examples": 3,
    }


def test_what_the_converter_left_out_is_told():
    found = single_examples(drums(1), DrumsConverter(slice_bars=2), Filters())
    assert found.left_out == {"shorter than 2 bars": 1}
    assert found.counts["empty-extractions"] == 1


def test_pieces_are_cut_where_the_tempo_changes():
    sequence = drums(4)
    sequence.tempos.add(time=4.0, qpm=60)
    assert counts(sequence)["sequence-time-splits"] == 2


def test_filters_look_at_pieces_not_at_the_whole():
    sequence = drums(4)
    assert refused_as(sequence, max_total_time=7) == "filtered-too-long"
    sequence.tempos.add(time=4.0, qpm=60)
    assert counts(sequence, max_total_time=7)["unfiltered-sequences"] == 2


@pytest.mark.parametrize(
    ("limit", "least"),
    [("max_total_time", 6), ("max_num_notes", 15)],
)
def test_what_is_as_long_as_it_may_be_passes(limit, least):
    sequence = drums(3)
    assert counts(sequence, **{limit: least})["unfiltered-sequences"] == 1
    assert refused_as(sequence, **{limit: least - 1}).startswith("filtered-too-")


def test_different_velocities_are_asked_for():
    sequence = note(drums(1), 0.1, 42, velocity=81)
    assert counts(sequence, min_velocities=2)["unfiltered-sequences"] == 1
    assert refused_as(sequence, min_velocities=3) == "filtered-min-velocities"


def test_velocity_0_is_none():
    sequence = note(drums(1), 0.1, 42, velocity=0)
    assert refused_as(sequence, min_velocities=2) == "filtered-min-velocities"


def test_different_places_within_a_quarter_are_asked_for():
    # 16 to the quarter note: 1/32 s is one of them.
    sequence = note(note(drums(1), 1 / 32, 42), 0.5 + 1 / 32, 42)
    assert counts(sequence, min_metric_positions=2)["unfiltered-sequences"] == 1
    refusal = refused_as(sequence, min_metric_positions=3)
    assert refusal == "filtered-min-metric-positions"


@pytest.mark.parametrize(("is_drum", "velocities"), [(None, 3), (True, 1), (False, 2)])
def test_filters_count_drums_or_others_or_all(is_drum, velocities):
    sequence = drums(1)
    for velocity in (60, 61):
        note(sequence, 0.1, 60, velocity=velocity, is_drum=False)
    options = {"is_drum": is_drum, "min_velocities": velocities}
    assert counts(sequence, **options)["unfiltered-sequences"] == 1
    options["min_velocities"] += 1
    assert refused_as(sequence, **options) == "filtered-min-velocities"


def test_one_other_note_is_more_than_drums():
    assert counts(drums(1), drums_only=True)["unfiltered-sequences"] == 1
    sequence = note(drums(1), 0.1, 60, is_drum=False)
    assert refused_as(sequence, drums_only=True) == "filtered-drums-only"


def test_what_fits_no_grid_is_refused():
    sequence = drums(1)
    sequence.time_signatures.add(numerator=4, denominator=3)
    assert refused_as(sequence) == "quantize-failed"


def test_without_filters_nothing_is_refused():
    sequence = note(drums(1), 0.1, 60, velocity=0, is_drum=False)
    found = single_examples(sequence, DRUMS, None)
    assert found.counts["unfiltered-sequences"] == 1
    assert len(found.sequences) == 1


def test_performances_in_a_hundred_tempos_are_left_alone():
    sequence = drums(2)
    for change in range(1, 101):
        sequence.tempos.add(time=change / 100, qpm=100 + change)
    assert counts(sequence) == {"filtered-too-many-sequence-time-splits": 1}
    del sequence.tempos[-1]
    assert counts(sequence)["sequence-time-splits"] == 100


def test_a_sequence_without_total_time_has_no_pieces():
    sequence = drums(1)
    sequence.total_time = 0
    found = single_examples(sequence, DRUMS, Filters())
    assert not found.sequences
    assert found.left_out == {"total_time 0": 1}


def test_an_example_that_is_none_when_read_again_is_lost():
    sequence = note(note(note_seq.NoteSequence(total_time=6.0), 0.0, 36), 4.0, 36)
    found = single_examples(sequence, GrooveConverter(split_bars=1), Filters())
    assert found.counts["extracted-examples"] == 3
    assert found.counts["empty-reextraction"] == 1  # the silent bar
    assert found.counts["all-examples"] == len(found.sequences) == 2


def test_controls_come_along():
    sequence = note_seq.NoteSequence(total_time=4.0)
    for step in range(16):
        note(sequence, step / 4, 60 + step % 5, is_drum=False)
    sequence.text_annotations.add(
        time=0.0,
        text="G",
        annotation_type=note_seq.NoteSequence.TextAnnotation.CHORD_SYMBOL,
    )
    converter = MelodyConverter(slice_bars=2, chord_encoding="major_minor")
    (example,) = single_examples(sequence, converter, Filters()).sequences
    assert [a.text for a in example.text_annotations] == ["G"]


@pytest.mark.parametrize("counter", COUNTERS)
def test_counters_are_explained_in_one_line(counter):
    line = f"{10**6:>9,}  {counter}: {COUNTERS[counter]}"
    assert len(line) <= 88
