"""The clef-split LSTM: inputs, predictions, and which staff is conditioned on which."""

import types

import numpy as np
import pytest
import tensorflow as tf
from xla import assert_xla_agrees

from music_vae_tf.batch import Batch
from music_vae_tf.kinds.clef_lstm import ClefLSTMObjectiveConfig
from music_vae_tf.models import clef_lstm
from music_vae_tf.models.clef_lstm import ClefLSTM, Lookup, StaffSizes
from music_vae_tf.models.prng import PRNGKey

TREBLE = StaffSizes((5, 3, 1), (4, 2), ((60,), (60, 64), ()), (4, 24, 5, 2), False)
BASS = StaffSizes((2, 2), (1, 1, 1), ((48,), ()), (4, 24, 5, 2, 6, 6), True)
OPTIONS = {
    "lstm_sizes": (2, 2),
    "keep_probability": 0.7,
    "outer_keep_probability": 1.0,
    "dense_size": 2,
    "note_input": "multi_hot",
    "factored_logits": True,
    "shared_clock": True,
}
STEPS = 6


def model_of(loss_on="all", **options):
    tf.keras.utils.set_random_seed(1)
    model = ClefLSTM(TREBLE, BASS, **{**OPTIONS, **options}, name="clef_lstm")
    limits = types.SimpleNamespace(
        clip_mode="global_norm", grad_clip=1.0, grad_norm_clip_to_zero=1e4
    )
    optimizer = tf.keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, ClefLSTMObjectiveConfig(loss_on), limits)
    return model


@pytest.fixture
def batch():
    """Two windows: one full, one of four events and of two."""
    rng = np.random.default_rng(0)
    sizes = [3, 2, 2, 3]
    targets = np.stack(
        [rng.integers(size, size=(2, STEPS + 1)) for size in sizes], axis=-1
    )
    targets[:, 0] = -1
    targets[1, 5:, :2] = -1
    targets[1, 3:, 2:] = -1
    return Batch(
        tf.constant(rng.integers(2, size=(2, STEPS + 1, 512)), tf.float32),
        tf.constant(targets, tf.float32),
        tf.constant(rng.integers(2, size=(2, STEPS + 1, 10)), tf.float32),
        tf.constant([[STEPS, STEPS], [4, 2]]),
    )


def changed(batch, name, columns, value):
    array = getattr(batch, name).numpy()
    array[..., columns] = value
    return batch._replace(**{name: tf.constant(array)})


def test_classes_below_0_are_read_as_nothing():
    lookup = Lookup(3, 2)
    lookup.build()
    rows = lookup(tf.constant([[2.0, -1.0]])).numpy()
    np.testing.assert_array_equal(rows[0], [lookup.table.numpy()[2], [0, 0]])


@pytest.mark.parametrize("note_input", ["multi_hot", "label", "scalar"])
@pytest.mark.parametrize("shared_clock", [True, False])
def test_both_staves_have_a_softmax_for_notes_and_one_for_durations(
    batch, note_input, shared_clock
):
    model = model_of(note_input=note_input, shared_clock=shared_clock)
    logits = model(batch)
    assert logits["treble"].notes.shape == (2, STEPS, 3)
    assert logits["treble"].durations.shape == (2, STEPS, 2)
    assert logits["bass"].notes.shape == (2, STEPS, 2)
    assert logits["bass"].durations.shape == (2, STEPS, 3)


def test_an_untrained_model_expects_what_is_frequent(batch):
    model = model_of(factored_logits=False)
    chances = tf.nn.softmax(model(batch)["treble"].notes)[0, 0].numpy()
    np.testing.assert_allclose(chances, np.array([6, 4, 2]) / 12, atol=0.05)


def test_the_loss_is_the_cross_entropy_of_what_comes_next(batch):
    model = model_of()
    metrics = model.evaluation_metrics(batch, PRNGKey(0), 0)
    logits = model(batch)
    targets = batch.targets.numpy().astype(int)
    total = 0
    for staff, column in (("treble", 0), ("bass", 2)):
        for i, head in enumerate(("notes", "durations")):
            log = tf.nn.log_softmax(getattr(logits[staff], head)).numpy()
            nats, right = [], []
            for b in range(2):
                for t in range(STEPS):
                    target = targets[b, t + 1, column + i]
                    if target >= 0:
                        nats.append(-log[b, t, target])
                        right.append(log[b, t, :-1].argmax() == target)
            name = f"losses/{staff}_{head}"
            np.testing.assert_allclose(metrics[name].value, np.mean(nats), rtol=1e-5)
            accuracy = metrics[f"metrics/{staff}_{head}_accuracy"].value
            np.testing.assert_allclose(accuracy, np.mean(right), rtol=1e-5)
            total += np.mean(nats)
    np.testing.assert_allclose(metrics["loss"].value, total, rtol=1e-5)


def test_training_without_dropout_minimises_the_loss_of_evaluation(batch):
    model = model_of(keep_probability=1.0)
    loss, logs = model.training_loss(batch, PRNGKey(0), 0)
    metrics = model.evaluation_metrics(batch, PRNGKey(0), 0)
    np.testing.assert_allclose(loss, metrics["loss"].value, rtol=1e-5)
    assert logs.keys() == {
        f"losses/{staff}_{head}"
        for staff in ("treble", "bass")
        for head in ("notes", "durations")
    }


def test_the_last_event_alone_may_be_predicted(batch):
    model = model_of(loss_on="last", keep_probability=1.0)
    loss, _ = model.training_loss(batch, PRNGKey(0), 0)
    expected = 0
    targets, logits = batch.targets.numpy().astype(int), model(batch)
    for staff, i in (("treble", 0), ("bass", 1)):
        for j, head in enumerate(("notes", "durations")):
            log = tf.nn.log_softmax(getattr(logits[staff], head)).numpy()
            last = batch.lengths.numpy()[:, i]
            expected -= np.mean(
                [log[b, t - 1, targets[b, t, 2 * i + j]] for b, t in enumerate(last)]
            )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.slow
def test_xla_takes_the_same_step(batch):
    assert_xla_agrees(model_of(), batch)


def test_dropout_acts_in_training_between_lstms(batch):
    model = model_of()
    loss, again, other = (
        model.training_loss(batch, PRNGKey(seed), 0)[0] for seed in (1, 1, 2)
    )
    assert loss == again != other
    one_layer = model_of(lstm_sizes=(2,))
    first, second = (one_layer.training_loss(batch, PRNGKey(s), 0)[0] for s in (1, 2))
    assert first == second
    outer = model_of(lstm_sizes=(2,), outer_keep_probability=0.5)
    first, second = (outer.training_loss(batch, PRNGKey(s), 0)[0] for s in (1, 2))
    assert first != second


def test_no_event_knows_what_comes_after_it(batch):
    model = model_of()
    later = changed(batch, "targets", slice(None), 0)
    targets = tf.concat([batch.targets[:, :3], later.targets[:, 3:]], axis=1)
    inputs = tf.concat([batch.inputs[:, :3], 1 - batch.inputs[:, 3:]], axis=1)
    # Of its own moment and of what the treble plays then, a bass event may know.
    inputs = tf.concat([inputs[..., :256], batch.inputs[..., 256:]], axis=-1)
    before, after = model(batch), model(batch._replace(targets=targets, inputs=inputs))
    for staff in ("treble", "bass"):
        for one, other in zip(before[staff], after[staff]):
            np.testing.assert_allclose(one[:, :3], other[:, :3], atol=1e-6)
            assert not np.allclose(one[:, 3:], other[:, 3:], atol=1e-6)


def test_the_bass_is_conditioned_on_the_treble_and_not_the_reverse(batch):
    model = model_of()
    other = changed(batch, "inputs", slice(256, 512), 0)
    before, after = model(batch), model(other)
    np.testing.assert_array_equal(before["treble"].notes, after["treble"].notes)
    assert not np.allclose(before["bass"].notes, after["bass"].notes, atol=1e-6)


def test_independent_staves_are_conditioned_on_no_staff_and_no_bars(batch):
    model = model_of(shared_clock=False)
    other = changed(batch, "inputs", slice(256, 512), 0)
    other = changed(other, "controls", slice(None), 0)
    before, after = model(batch), model(other)
    for staff in ("treble", "bass"):
        np.testing.assert_array_equal(before[staff].notes, after[staff].notes)


def test_labels_are_read_by_themselves_and_pitches_by_their_notes(batch):
    other_pitches = changed(batch, "inputs", slice(0, 128), 0)
    other_labels = changed(batch, "targets", [0], 0)
    for note_input, read in (("multi_hot", True), ("label", False)):
        model = model_of(note_input=note_input)
        here = model(batch)["treble"].notes
        pitches = np.allclose(here, model(other_pitches)["treble"].notes, atol=1e-6)
        labels = np.allclose(here, model(other_labels)["treble"].notes, atol=1e-6)
        assert (pitches, labels) == (not read, read)


def test_factored_logits_hold_for_all_chords_with_a_note():
    parts = clef_lstm.chord_parts(TREBLE.chords)
    assert parts.shape == (3, 141)
    assert list(np.flatnonzero(parts[1])) == [60, 64, 128, 132, 140]
    assert parts[1, 140] == 2 and not parts[2].any()
    network = model_of().treble
    scores = network._logits(tf.zeros([1, 2])).notes
    scores_of_c = np.zeros([2, 141], np.float32)
    scores_of_c[:, 60] = 3.0
    network.pitch_logits.kernel.assign(scores_of_c)
    network.dense.bias.assign([1.0, 1.0])
    moved = network._logits(tf.zeros([1, 2])).notes - scores
    assert moved[0, 0] > moved[0, 2] + 1 and moved[0, 1] > moved[0, 2] + 1


def test_step_by_step_is_the_same_as_all_at_once(batch):
    model = model_of()
    steps = model._steps(batch)
    for staff, network in model.staves.items():
        expected = network.sequence(steps[staff])
        states = network.zero_states(2)
        for t in range(STEPS):
            one = clef_lstm.StaffInput(*(part[:, t] for part in steps[staff]))
            logits, states = network.step(one, states)
            for head, all_at_once in zip(logits, expected):
                np.testing.assert_allclose(head, all_at_once[:, t], atol=1e-5)


def test_training_learns_a_batch(batch):
    model = model_of(lstm_sizes=(8,), dense_size=8)
    step = tf.function(model.train_step, autograph=False)
    first = float(step(batch)["loss"])
    for _ in range(60):
        last = float(step(batch)["loss"])
    assert last < 0.7 * first


def test_every_variable_has_a_name_of_its_own_and_a_gradient(batch):
    model = model_of()
    names = model.named_variables
    assert len(names) == len(model.trainable_variables)
    assert {"treble/layer_0/kernel", "bass/other_staff/kernel"} <= names.keys()
    with tf.GradientTape() as tape:
        loss, _ = model.training_loss(batch, PRNGKey(0), 0)
    for name, gradient in zip(names, tape.gradient(loss, list(names.values()))):
        assert gradient is not None and tf.is_tensor(gradient), name
