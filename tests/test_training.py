"""The training loop and evaluation, and the same model under Keras's own."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from music_vae_tf import build, checkpoint, config, training
from music_vae_tf.batch import Batch
from music_vae_tf.data import pipeline
from music_vae_tf.data.records import read_note_sequences
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.training import loop, summaries

TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
CONFIG = config.override(config.load("groovae_4bar"), TINY)
CONVERTER = build.converter(CONFIG)


@pytest.fixture(scope="module")
def store(groove_records):
    sequences = read_note_sequences(str(groove_records))
    return pipeline.extract_examples(sequences, CONVERTER)[0]


def new_model(seed=1, changed=CONFIG):
    return training.compiled_model(changed, CONVERTER, seed)


def batches(store, first_step=0):
    return pipeline.training_batches(store, 4, seed=1, first_step=first_step)


class Scene:
    """A training in a directory, and what was seen of it."""

    def __init__(self, directory, model, examples):
        self.directory, self.model, self.examples = directory, model, examples
        self.saver = training.Saver(directory, 100, 1)
        self.losses = []

    def train(self, num_steps):
        writer = training.summary_writer(self.directory, "here", CONFIG)
        loop.train(
            self.model, self.examples, num_steps, self.saver, writer, self.losses.append
        )

    @property
    def saved(self):
        return sorted(
            checkpoint.step_of(str(path.with_suffix("")))
            for path in self.directory.glob("*.index")
        )


@pytest.fixture
def scene(tmp_path, store):
    return Scene(tmp_path, new_model(), batches(store))


@pytest.fixture(scope="module")
def after_two_steps(tmp_path_factory, store):
    """A training that is over; no test takes another step."""
    scene = Scene(tmp_path_factory.mktemp("over"), new_model(), batches(store))
    scene.train(2)
    return scene


# The loop.


def test_a_training_saves_its_start_and_its_end(after_two_steps):
    scene = after_two_steps
    assert scene.saved == [0, 2]
    assert len(scene.losses) == 2
    scene.train(2)  # nothing is left to do
    assert len(scene.losses) == 2


def test_a_training_that_fails_saves_what_it_has(scene):
    def broken():
        examples = iter(batches_list)
        yield next(examples)
        raise OSError("the disk is gone")

    batches_list = list(scene.examples.take(2))
    scene.examples = broken()
    with pytest.raises(OSError, match="the disk is gone"):
        scene.train(5)
    assert scene.saved == [0, 1]


def test_a_checkpoint_that_is_there_is_not_written_again(scene):
    scene.saver.save(scene.model)
    before = scene.directory.glob("*.index").__next__().stat().st_mtime_ns
    scene.saver.save(scene.model)
    assert scene.directory.glob("*.index").__next__().stat().st_mtime_ns == before


def test_what_is_saved_is_all_that_a_training_goes_on_from(after_two_steps):
    scene = after_two_steps
    twin = new_model(seed=2)
    assert training.resume(twin, scene.directory).endswith("model.ckpt-2")
    states = training.state_of(scene.model), training.state_of(twin)
    assert states[0].keys() == states[1].keys()
    for name, variable in states[0].items():
        np.testing.assert_array_equal(variable, states[1][name], err_msg=name)
    powers = checkpoint.read(scene.directory, ["beta1_power", "beta2_power"])
    assert powers["beta1_power"] == pytest.approx(0.9**3)
    assert powers["beta2_power"] == pytest.approx(0.999**3)


def test_without_a_checkpoint_a_model_stays_as_it_is(tmp_path):
    model = new_model()
    before = [variable.numpy() for variable in model.variables]
    assert training.resume(model, tmp_path) is None
    for variable, value in zip(model.variables, before):
        np.testing.assert_array_equal(variable, value)


def test_the_seed_decides_all_weights():
    one, twin, other = (new_model(seed) for seed in (3, 3, 2**62 + 3))
    for a, b in zip(one.weights, twin.weights):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.mu.kernel, other.mu.kernel)


def test_large_seeds_are_seeds_of_their_own(store):
    inputs, targets, controls, lengths = next(iter(batches(store)))
    # A few rows: a step that is not compiled takes long for each.
    cut = [rows[:, :4] for rows in (inputs, targets, controls)]
    batch = Batch(*cut, tf.minimum(lengths, 4))
    losses = set()
    for seed in (3, 2**40 + 3, 2**62 + 3):
        model = new_model(seed=3)
        model.noise_seed = seed
        losses.add(float(model.train_step(batch)["loss"]))
    assert len(losses) == 3


def test_summaries_come_at_the_first_step_and_every_hundredth_after_it(monkeypatch):
    written = []
    monkeypatch.setattr(
        summaries,
        "write_scalars",
        lambda writer, step, scalars: written.append((step, scalars)),
    )
    scalars = summaries.TrainingScalars(writer=None, first=31, last=250)
    for step in range(31, 251):
        scalars.write_if_due(step, {"loss": step})
    assert [step for step, _ in written] == [31, 131, 231, 250]
    assert all(logs["loss"] == step for step, logs in written)
    # The first step is slow: it compiles, and says nothing of the pace.
    assert ["global_step/sec" in logs for _, logs in written] == [False, *3 * [True]]


# Evaluation.


def test_an_evaluation_is_the_mean_over_its_batches(store):
    model = new_model()
    parts = list(pipeline.evaluation_batches(store, 4, 2))
    both = training.Evaluation(model, parts).of_model()
    # The latent noise depends on the number of the batch.
    alone = [
        {name: float(t.value) for name, t in model.evaluate_batch(batch, i).items()}
        for i, batch in enumerate(parts)
    ]
    assert both.keys() == alone[0].keys()
    for name, value in both.items():
        mean = np.mean([metrics[name] for metrics in alone])
        assert value == pytest.approx(mean, rel=1e-5), name


def test_each_example_weighs_the_same_in_a_smaller_last_batch(store):
    model = new_model()
    (batch,) = pipeline.evaluation_batches(store, 4, 1)
    parts = [batch, Batch(*(tensor[:1] for tensor in batch))]
    metrics = training.Evaluation(model, parts).of_model()
    rng = PRNGKey(model.noise_seed).fold_in("evaluation")
    terms = [model.loss_terms(part, rng.fold_in(i)) for i, part in enumerate(parts)]
    r_loss = np.concatenate([one.r_loss for one in terms])
    assert metrics["losses/r_loss"] == pytest.approx(r_loss.mean(), rel=1e-5)
    cost = metrics["losses/kl_beta"] * metrics["losses/kl_loss"]
    assert metrics["loss"] == pytest.approx(r_loss.mean() + cost, rel=1e-5)


def test_an_evaluation_is_at_the_step_of_the_checkpoint(after_two_steps, store):
    annealed = dataclasses.replace(
        CONFIG, objective=dataclasses.replace(CONFIG.objective, beta_rate=0.5)
    )
    evaluation = training.Evaluation(
        new_model(2, annealed), pipeline.evaluation_batches(store, 4, 1)
    )
    for step, beta in ((0, 0.0), (2, 0.75 * 0.2)):
        prefix = after_two_steps.directory / f"model.ckpt-{step}"
        metrics = evaluation.of_checkpoint(prefix)
        assert metrics["losses/kl_beta"] == pytest.approx(beta)
    # With the weights of the checkpoint: once more, the same.
    assert evaluation.of_model() == metrics


# Under Keras.


def test_fit_takes_the_steps_of_the_training_loop(scene, store):
    scene.train(3)
    model = new_model()
    history = model.fit(
        batches(store),
        steps_per_epoch=3,
        shuffle=False,
        validation_data=pipeline.evaluation_batches(store, 4),
        verbose=0,
    )
    for variable, same in zip(
        model.trainable_variables, scene.model.trainable_variables
    ):
        np.testing.assert_array_equal(variable, same)
    assert history.history["loss"] == [pytest.approx(scene.losses[-1])]
    assert history.history["val_loss"][0] > 0
    assert model.evaluate(pipeline.evaluation_batches(store, 4), verbose=0)[0] > 0


def test_a_model_is_saved_and_loaded_as_keras_saves_it(store, tmp_path):
    model = new_model()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    batch = next(iter(batches(store)))
    np.testing.assert_array_equal(loaded(batch), model(batch))


def test_the_posterior_is_a_distribution(store):
    model, batch = new_model(), next(iter(batches(store)))
    posterior = model.encode(batch.inputs, batch.lengths)
    assert isinstance(posterior, tfp.distributions.MultivariateNormalDiag)
    mu, sigma = model.posterior(Batch(*batch))
    np.testing.assert_array_equal(posterior.loc, mu)
    np.testing.assert_array_equal(posterior.stddev(), sigma)


def test_the_summary_names_the_parts_and_their_sizes():
    lines = []
    new_model().summary(print_fn=lambda text, **_: lines.append(text))
    text = "\n".join(lines)
    for part in ("encoder", "decoder", "mu", "sigma", "(None, 4)", "(None, 2)"):
        assert part in text
    assert "(None, None, 27)" in text
    assert "?" not in text
