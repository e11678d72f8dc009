"""Tasks of GrooVAE: what models are given, hold, and are measured on."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from untrained_runs import playing_model

from music_vae_tf import build, config
from music_vae_tf.analysis.groove_windows import WINDOW
from music_vae_tf.data import grooves
from music_vae_tf.data.converters.drum_classes import CLOSED_HIHAT
from music_vae_tf.data.converters.groove import GrooveConverter
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.generation import groove_tasks
from music_vae_tf.models import groove_outputs, outputs
from music_vae_tf.models.prng import PRNGKey

HUMANIZE, INFILL, TAPS = (
    "groovae_2bar_humanize",
    "groovae_2bar_add_closed_hh",
    "groovae_2bar_tap_fixed_velocity",
)
TINY = "enc_rnn_size=[3],dec_rnn_size=[3],z_size=2"
PERFORMANCES = [sequence for _, sequence in grooves.performances(4)]


def tiny(name):
    """A config's converter, and a model of it with random weights."""
    small = config.override(config.load(name), TINY)
    converter = build.converter(small)
    return converter, build.model(small, converter)


def examples_of(name, task):
    converter, model = tiny(name)
    return converter, model, groove_tasks.task_examples(task, converter, PERFORMANCES)


@pytest.mark.parametrize(
    "name, task",
    [
        (HUMANIZE, "humanize"),
        (TAPS, "tap2drum"),
        ("groovae_2bar_tap_fixed_velocity_note_dropout", "tap2drum"),
        (INFILL, "infill"),
        ("groovae_4bar", "reconstruct"),
        ("hierdec-groove_4bar", "reconstruct"),
        ("cat-drums_2bar_small", None),
    ],
)
def test_each_config_has_the_task_that_its_converter_prepares(name, task):
    assert groove_tasks.task_of(build.converter(config.load(name))) == task


def test_windows_are_what_drummers_played_in_its_units():
    converter, _, examples = examples_of(HUMANIZE, "humanize")
    windows = examples.windows
    count = len(examples.inputs)
    assert windows.drummers.hits.shape == (count, WINDOW, 9)
    assert windows.num_performances == len(PERFORMANCES)
    first = PERFORMANCES[0]
    assert windows.qpm[0] == first.tempos[0].qpm
    step_s = windows.step_ms[0] / 1000
    start_s, pitch, velocity = min(
        (note.start_time, note.pitch, note.velocity) for note in first.notes
    )
    drum = next(i for i, c in enumerate(converter.pitch_classes) if pitch in c)
    step = round(start_s / step_s)
    assert windows.drummers.velocities[0, step, drum] == velocity
    late = start_s / step_s - step
    assert windows.drummers.offsets[0, step, drum] == pytest.approx(late, abs=1 / 240)


def test_four_bars_are_two_windows_one_after_the_other():
    converter, _, examples = examples_of("groovae_4bar", "reconstruct")
    count = len(examples.inputs)
    hits = examples.windows.drummers.hits.reshape(count, 2 * WINDOW, 9)
    np.testing.assert_array_equal(hits, examples.inputs[:, :, :9] > 0)
    assert len(examples.windows.qpm) == 2 * count


def test_a_humanized_score_has_the_hits_of_the_score():
    converter, model, examples = examples_of(HUMANIZE, "humanize")
    for is_sample in (False, True):
        played = groove_tasks.play(model, converter, examples, is_sample=is_sample)
        np.testing.assert_array_equal(played.hits, examples.windows.drummers.hits)
        assert played.velocities[played.hits].std() > 0
        assert not played.velocities[~played.hits].any()


def test_the_drums_that_stay_are_played_as_they_were():
    converter, model, examples = examples_of(INFILL, "infill")
    assert examples.windows.asked.nonzero()[0].tolist() == [CLOSED_HIHAT]
    assert not examples.windows.given[:, :, CLOSED_HIHAT].any()
    played = groove_tasks.play(model, converter, examples, is_sample=True)
    others = ~examples.windows.asked
    for ours, theirs in zip(played, examples.windows.drummers):
        np.testing.assert_array_equal(ours[:, :, others], theirs[:, :, others])
    assert (played.hits != examples.windows.drummers.hits).any()


def test_what_is_played_does_not_depend_on_the_size_of_batches():
    converter, model, examples = examples_of(TAPS, "tap2drum")
    one, other = (
        groove_tasks.play(model, converter, examples, is_sample=False, batch_size=size)
        for size in (2, 5)
    )
    for ours, theirs in zip(one, other):
        np.testing.assert_allclose(ours, theirs, atol=1)


def test_the_same_seed_samples_the_same():
    converter, model, examples = examples_of(TAPS, "tap2drum")
    one, twin, other = (
        groove_tasks.play(model, converter, examples, is_sample=True, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.hits, twin.hits)
    assert (one.hits != other.hits).any()


def test_a_decoder_reads_what_is_held_in_place_of_what_it_sampled():
    """All columns held, each step's parameters are those of teacher forcing."""
    converter, model, examples = examples_of(HUMANIZE, "humanize")
    rows = tf.constant(examples.inputs[:2])
    z = tf.ones([2, 2])
    forced = np.full(rows.shape, np.nan, np.float32)
    forced[:, :-1] = rows[:, :-1]  # all steps but the last one
    samples = model.sample(
        z, WINDOW, temperature=1e-6, rng=PRNGKey(0), forced=tf.constant(forced)
    )
    np.testing.assert_array_equal(samples.rows[:, :-1], rows[:, :-1])
    taught = model.decoder.reconstruct(
        rows, tf.constant([WINDOW] * 2), z, tf.zeros([2, WINDOW, 0])
    )
    output, last = model.decoder.output_, taught.params[:, -1]
    expected = output.given_hits(output.sample(last, 1e-6, PRNGKey(0)), last)
    np.testing.assert_allclose(samples.rows[:, -1], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["Groove", "GrooveBernoulli"])
def test_velocities_and_offsets_of_a_held_hit_are_those_given_the_hit(name):
    """Two drums, each with p(hit) 0.25; the first one's hit is held."""
    output = getattr(groove_outputs, name)(6)
    params = tf.constant([[np.log(1 / 3)] * 2 + [0.0] * 4], tf.float32)
    rows = tf.constant([[0.0, 0.0, 0.2, 0.2, -0.1, -0.1]])
    free = np.nan
    held = tf.constant([[1.0, free, free, free, free, free]])
    expected = [[1.0, 0.0, 0.8, 0.2, -0.4, -0.1]]
    np.testing.assert_allclose(output.hold(rows, params, held), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["Groove", "GrooveBernoulli"])
def test_velocities_and_offsets_of_sampled_hits_are_those_given_the_hits(name):
    """Two drums, each with p(hit) 0.25; the first one is hit."""
    output = getattr(groove_outputs, name)(6)
    params = tf.constant([[np.log(1 / 3)] * 2 + [0.0] * 4], tf.float32)
    rows = tf.constant([[1.0, 0.0, 0.2, 0.2, -0.1, -0.1]])
    expected = [[1.0, 0.0, 0.8, 0.2, -0.4, -0.1]]
    np.testing.assert_allclose(output.given_hits(rows, params), expected, rtol=1e-6)
    nothing_held = tf.fill([1, 6], np.nan)
    np.testing.assert_allclose(
        output.hold(rows, params, nothing_held), expected, rtol=1e-6
    )
    other = outputs.Bernoulli(6)
    np.testing.assert_array_equal(other.given_hits(rows, params), rows)


@pytest.mark.parametrize("name", ["groovae_4bar", "hierdec-groove_4bar_small"])
def test_a_decoder_plays_its_hits_by_means_over_hits_alone(name):
    """The first step reads zeros, so its hits are the same either way."""
    model = playing_model(name, "enc_rnn_size=[8],dec_rnn_size=[8],z_size=4", 3).model
    z = tf.random.stateless_normal([3, 4], [1, 2])
    plain, given = (
        model.sample(z, 64, None, 1.0, PRNGKey(3), given_hits=is_given).rows.numpy()
        for is_given in (False, True)
    )
    (hits, velocities, _), (same, louder, _) = (
        np.split(rows[:, 0], 3, axis=-1) for rows in (plain, given)
    )
    np.testing.assert_array_equal(hits, same)
    assert hits.any() and not hits.all()
    assert (louder[hits > 0] > velocities[hits > 0]).all()
    np.testing.assert_array_equal(louder[hits == 0], velocities[hits == 0])


def test_no_velocity_or_offset_of_a_held_hit_is_beyond_its_range():
    params = tf.constant([[-100.0, 0.0, 0.0]])
    rows = tf.constant([[0.0, 0.9, -0.9]])
    held = tf.constant([[1.0, np.nan, np.nan]])
    row = groove_outputs.Groove(3).hold(rows, params, held)
    np.testing.assert_allclose(row, [[1.0, 1.0, -1.0]])


def test_other_outputs_hold_what_they_are_given_and_nothing_else():
    rows, held = tf.constant([[0.0, 1.0]]), tf.constant([[np.nan, 0.0]])
    row = outputs.Bernoulli(2).hold(rows, tf.zeros([1, 2]), held)
    np.testing.assert_array_equal(row, [[0.0, 0.0]])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"split_instruments": True},
        {"num_velocity_bins": 8, "num_offset_bins": 8},
        {"split_instruments": True, "num_velocity_bins": 8, "num_offset_bins": 8},
    ],
)
def test_rows_are_read_as_the_groove_that_is_played(options):
    converter = GrooveConverter(split_bars=2, **options)
    example = converter.unpack(converter.extract(PERFORMANCES[0]).examples[0])
    groove = converter.groove_of(example.targets)
    sequence = converter.to_sequence(example.targets)
    if not options.get("num_velocity_bins"):  # of these Magenta plays the first steps
        assert groove.hits.sum() == len(sequence.notes)
        velocities = sorted(note.velocity for note in sequence.notes)
        ours = np.round(groove.velocities[groove.hits > 0] * 127)
        np.testing.assert_array_equal(np.sort(ours), velocities)
    held = converter.held_rows(groove, Groove(*np.zeros([3, *groove.hits.shape])))
    assert not np.isnan(held).any()
    again = converter.groove_of(held)
    np.testing.assert_array_equal(again.hits, groove.hits)


def test_drummers_are_not_rounded_to_the_bins_of_a_model():
    binned = GrooveConverter(split_bars=2, num_velocity_bins=4, num_offset_bins=4)
    plain = GrooveConverter(split_bars=2)
    one, other = (
        groove_tasks.task_examples("reconstruct", converter, PERFORMANCES).windows
        for converter in (binned, plain)
    )
    for ours, theirs in zip(one.drummers, other.drummers):
        np.testing.assert_array_equal(ours, theirs)


def test_free_cells_are_nan():
    converter = GrooveConverter(split_bars=2)
    example = converter.unpack(converter.extract(PERFORMANCES[0]).examples[0])
    groove = converter.groove_of(example.targets)
    struck = groove.hits > 0
    rows = converter.held_rows(groove, Groove(np.zeros_like(struck), struck, struck))
    hits, velocities, offsets = np.split(rows, 3, axis=1)
    np.testing.assert_array_equal(hits, groove.hits)
    np.testing.assert_array_equal(np.isnan(velocities), struck)
    np.testing.assert_array_equal(np.isnan(offsets), struck)


def test_a_hierarchical_decoder_cannot_hold_hits():
    converter, model = tiny("hierdec-groove_4bar_small")
    converter = dataclasses.replace(converter, humanize=True)
    examples = groove_tasks.task_examples("humanize", converter, PERFORMANCES)
    with pytest.raises(groove_tasks.UnfitTask, match="HierarchicalDecoder"):
        groove_tasks.play(model, converter, examples, is_sample=False)


def test_drum_classes_have_the_names_of_their_preset_or_their_pitches():
    names = groove_tasks.drum_names(GrooveConverter(pitch_classes="roland"))
    assert names[:3] == ["kick", "snare", "closed hi-hat"]
    own = [[36], [38, 40], [42], [46]]
    names = groove_tasks.drum_names(GrooveConverter(pitch_classes=own))
    assert names[1] == "pitches 38+40"
