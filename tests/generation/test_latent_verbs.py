"""Reconstructions, neighbours, paths, grids and continuations of a user's music."""

import functools

import numpy as np
import pytest
from song_files import beat, song, tempo, track
from untrained_runs import playing_model

from music_vae_tf.data.midi import read_midi
from music_vae_tf.generation import latent_verbs
from music_vae_tf.generation.inputs import InputOptions

TINY = "enc_rnn_size=[4],dec_rnn_size=[4],z_size=3"


@functools.cache
def model(name="groovae_2bar_humanize", sizes=TINY):
    return playing_model(name, sizes, 4)


@pytest.fixture
def read(tmp_path):
    """Four files with different beats and tempos, as a model reads them."""

    def inputs(count=4, of=None, **options):
        files = []
        for i in range(count):
            hits = [(step, 36 + 2 * (step % 2), 90) for step in range(0, 16, i + 2)]
            path = tmp_path / f"{i}.mid"
            song(track([tempo(0, 90 + 10 * i)]), track(beat(2, hits=hits))).save(path)
            files.append(path)
        return latent_verbs.read_inputs(of or model(), files, InputOptions(**options))

    return inputs


def test_a_path_passes_through_all_points():
    points = np.eye(3)
    path = latent_verbs.path(points, 5)
    np.testing.assert_allclose(path[[0, 2, 4]], points, atol=1e-12)
    np.testing.assert_allclose(path[1], [0.5**0.5, 0.5**0.5, 0])


def test_a_grid_has_its_inputs_in_its_corners():
    corners = np.random.default_rng(0).normal(size=(4, 5))
    grid = latent_verbs.grid(corners, 3)
    np.testing.assert_allclose(grid[[0, 2, 6, 8]], corners)
    np.testing.assert_allclose(grid[1], latent_verbs.path(corners[:2], 3)[1])


def test_neighbours_are_at_the_distance_that_is_asked_for():
    mu = np.arange(8.0)
    around = latent_verbs.neighbours(mu, 6, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(around - mu, axis=1), 0.5 * 4)
    assert len(np.unique(around.round(6), axis=0)) == 6


def tempos(sequences):
    """In whole BPM: MIDI has whole microseconds."""
    return [round(one.tempos[0].qpm, 2) for one in sequences]


def test_reconstructions_are_at_the_tempo_of_their_input(read):
    outputs = latent_verbs.reconstruct(model(), read(2), 2)
    assert tempos(outputs) == [90, 90, 100, 100]
    assert [one.total_time for one in outputs] == pytest.approx(
        [8 * 60 / qpm for qpm in (90, 90, 100, 100)], rel=1e-5
    )


def test_at_distance_zero_a_variation_is_the_reconstruction(read):
    inputs = read(1)
    cold = {"temperature": 1e-6}
    (same,) = latent_verbs.vary(model(), inputs, 1, distance=0, **cold)
    (again,) = latent_verbs.reconstruct(model(), inputs, 1, **cold)
    assert same == again
    (far,) = latent_verbs.vary(model(), inputs, 1, distance=2, **cold)
    assert far != again


def test_an_interpolation_begins_and_ends_with_its_inputs(read):
    inputs = read(3)
    outputs = latent_verbs.interpolate(model(), inputs, 5, 1e-6)
    ends = latent_verbs.reconstruct(model(), inputs, 1, 1e-6)
    assert [outputs[0], outputs[2], outputs[4]] == ends
    assert tempos(outputs) == [90, 95, 100, 105, 110]
    whole = latent_verbs.joined(model(), outputs)
    assert whole.total_time == pytest.approx(sum(one.total_time for one in outputs))
    assert len(whole.notes) == sum(len(one.notes) for one in outputs)


def test_a_grid_of_four_inputs(read):
    inputs = read()
    outputs = latent_verbs.interpolate_grid(model(), inputs, 3, 1e-6)
    ends = latent_verbs.reconstruct(model(), inputs, 1, 1e-6)
    assert [outputs[i] for i in (0, 2, 6, 8)] == ends
    assert tempos(outputs) == [90, 95, 100, 100, 105, 110, 110, 115, 120]


@pytest.mark.parametrize(
    "name", ["groovae_4bar", "cat-drums_2bar_small", "nade-drums_2bar_reduced"]
)
def test_a_continuation_is_sampled_after_the_bars_that_are_given(read, name):
    trained = model(name)
    seen = []
    original = latent_verbs.HeldDecoder.__call__

    def spy(self, z, held, *rest):
        rows = original(self, z, held, *rest)
        seen.append((held, rows))
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_verbs.HeldDecoder, "__call__", spy)
        inputs = read(1, trained, bar="last", fit="loop")
        outputs = latent_verbs.continue_inputs(trained, inputs, 2, num_bars=5)
    half = trained.config.model.max_seq_len // 2
    given = inputs[0].input.example.targets[-half:]
    np.testing.assert_allclose(seen[0][0][:, :half], [given, given], atol=1e-6)
    assert np.isnan(seen[0][0][:, half:]).all()
    for held, rows in seen:
        np.testing.assert_allclose(rows[:, :half], held[:, :half], atol=1e-6)
    np.testing.assert_allclose(seen[1][0][:, :half], seen[0][1][:, half:])
    assert [one.total_time for one in outputs] == pytest.approx(
        [20 * 60 / 90] * 2, rel=1e-5
    )
    assert outputs[0] != outputs[1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hierdec-groove_4bar_small", "makes all bars at once"),
        ("groovae_2bar_hits_control_tfds", "has no controls"),
    ],
)
def test_what_continues_nothing_is_refused_with_the_reason(name, words):
    sizes = "z_size=3" if name.startswith("hier") else TINY
    with pytest.raises(latent_verbs.BadVerb, match=words):
        latent_verbs.check_continues(model(name, sizes))


def test_what_makes_no_sense_is_refused(read):
    inputs = read(2)
    with pytest.raises(latent_verbs.BadVerb, match="distance=-1: expected 0 to 10"):
        latent_verbs.vary(model(), inputs, 1, distance=-1)
    with pytest.raises(latent_verbs.BadVerb, match="through 1 inputs: expected 2"):
        latent_verbs.interpolate(model(), inputs[:1], 3)
    with pytest.raises(latent_verbs.BadVerb, match="between 2 inputs: expected 4"):
        latent_verbs.interpolate_grid(model(), inputs, 3)


def test_controls_of_the_input_are_played(read):
    trained = model("groovae_2bar_hits_control_tfds")
    (one,) = read(1, trained)
    assert one.input.example.controls.sum() > 0
    assert latent_verbs.reconstruct(trained, [one])


def test_note_sequences_are_inputs_too(tmp_path):
    song(track(beat(2))).save(tmp_path / "one.mid")
    sequence = read_midi(tmp_path / "one.mid")
    from_sequence, from_file = latent_verbs.read_inputs(
        model(), [sequence, tmp_path / "one.mid"]
    )
    np.testing.assert_array_equal(from_sequence.mu, from_file.mu)
