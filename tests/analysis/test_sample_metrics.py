"""Samples beside examples: each figure on notes that show what it should be."""

import numpy as np
import pytest

from music_vae_tf.analysis import sample_metrics
from music_vae_tf.analysis.attributes import Onsets


def loop(*starts, pitch=36, velocity=80.0, quarters=4.0):
    """A drum that is hit at these quarters."""
    count = len(starts)
    return Onsets(
        np.array(starts, float),
        np.full(count, pitch),
        np.full(count, velocity),
        np.ones(count, bool),
        quarters,
    )


def figures(of):
    return {figure.metric: figure.value for figure in of}


def test_the_same_examples_are_at_no_distance():
    examples = [loop(0, 1, 2.5), loop(0.25, 3, pitch=38), loop()]
    for name, value in figures(sample_metrics.compare(examples, examples)).items():
        assert np.isnan(value) or value == 0, name


def test_examples_are_described():
    found = figures(sample_metrics.describe([loop(0, 1), loop()]))
    assert found["silent"] == 50
    assert found["density_mean"] == 0.25  # two hits and none in four quarters each
    assert found["different_pitches_mean"] == 0.5
    assert found["velocity_mean"] == 80
    assert np.isnan(found["pitch_range_mean"])


def test_distances_are_in_the_unit_of_what_is_compared():
    ours, theirs = [loop(0, 1, velocity=60)], [loop(0.05, 2.05, pitch=38)]
    found = figures(sample_metrics.compare(ours, theirs))
    assert found["velocities_wasserstein"] == 20
    assert found["velocity_wasserstein"] == 20
    assert found["offsets_wasserstein"] == pytest.approx(0.2)  # of a sixteenth
    assert found["positions_total_variation"] == 0.5  # the second hit is elsewhere
    assert found["pitches_total_variation"] == 1
    assert found["density_wasserstein"] == 0


def test_silence_is_at_no_measurable_distance():
    found = figures(sample_metrics.compare([loop()], [loop(1)]))
    assert np.isnan(found["velocities_wasserstein"])
    assert np.isnan(found["pitches_total_variation"])
    assert found["density_wasserstein"] == 0.25


def test_halves_of_pieces_that_are_alike_are_at_no_distance():
    pieces = [[loop(0, 1), loop(0.5)] for _ in range(5)]
    halves = sample_metrics.compare_halves(pieces)
    assert {figure.value for figure in halves if not np.isnan(figure.value)} == {0}
    assert sample_metrics.compare_halves(pieces[:1]) == []


def test_a_distance_of_halves_is_the_mean_of_several_splits():
    pieces = [[loop(0, velocity=float(velocity))] for velocity in (10, 20, 40, 80)]
    found = figures(sample_metrics.compare_halves(pieces, splits=200))
    # 10, 20 | 40, 80; 10, 40 | 20, 80; 10, 80 | 20, 40: one as likely as another
    expected = np.mean([45, 25, 25])
    assert found["velocities_wasserstein"] == pytest.approx(expected, rel=0.1)


def test_a_drum_is_not_a_note_of_the_same_pitch():
    bass = loop(0)._replace(is_drum=np.zeros(1, bool))
    assert figures(sample_metrics.compare([loop(0)], [bass]))[
        "pitches_total_variation"
    ] == pytest.approx(1)
    assert sample_metrics.copies([loop(0)], [bass]).value == 0


def test_copies_are_counted_on_the_grid_and_without_silence():
    known = [loop(0, 1), loop(0, 1, 2)]
    samples = [loop(0.02, 0.98, velocity=3), loop(0, 1, pitch=38), loop(0, 2), loop()]
    copied = sample_metrics.copies(samples, known)
    assert copied.value == pytest.approx(100 / 3)
    assert np.isnan(sample_metrics.copies([loop()], known).value)


def test_attributes_that_are_not_defined_are_left_out():
    """A swing needs an off-beat."""
    ours, theirs = [loop(0.6), loop(0)], [loop(0.5)]
    found = figures(sample_metrics.compare(ours, theirs))
    assert found["swing_wasserstein"] == pytest.approx(0.5)  # 0.6 / 0.4 less 1
