import numpy as np
import pytest
import tensorflow as tf
from magenta_configs import MAGENTA

from music_vae_tf import config, schedules

STEPS = np.array([0, 1, 10, 1_000, 100_000])


def over_steps(schedule, steps, *arguments):
    return np.array([float(schedule(step, *arguments)) for step in steps], np.float32)


@pytest.mark.parametrize("name", MAGENTA)
def test_schedules_equal_magentas(name, golden):
    loaded = config.load(name)
    _, arrays = golden.model(name)
    steps = arrays["schedule/global_steps"]
    objective, training = loaded.objective, loaded.training
    got = {
        "kl_beta": over_steps(
            schedules.beta, steps, objective.max_beta, objective.beta_rate
        ),
        "learning_rate": over_steps(
            schedules.learning_rate,
            steps,
            training.learning_rate,
            training.decay_rate,
            training.min_learning_rate,
        ),
        "sampling_probability": over_steps(
            schedules.sampling_probability,
            steps,
            objective.sampling_schedule,
            objective.sampling_rate,
        ),
    }
    for schedule, values in got.items():
        np.testing.assert_array_almost_equal_nulp(
            values, arrays[f"schedule/{schedule}"], nulp=2
        )


def test_beta_without_annealing_is_off_at_step_0_alone():
    np.testing.assert_array_equal(
        over_steps(schedules.beta, STEPS, 0.2, 0.0), np.float32([0, 0.2, 0.2, 0.2, 0.2])
    )


def test_learning_rate_decays_to_its_minimum():
    rates = over_steps(schedules.learning_rate, STEPS, 1e-3, 0.99, 1e-5)
    expected = (1e-3 - 1e-5) * 0.99**STEPS + 1e-5
    np.testing.assert_allclose(rates, expected, rtol=1e-4)
    assert rates[-1] == np.float32(1e-5)


@pytest.mark.parametrize(
    ("schedule", "rate", "expected"),
    [
        ("constant", 0.25, np.full(5, 0.25)),
        ("exponential", 0.9, 1 - 0.9 ** STEPS.astype(float)),
        ("inverse_sigmoid", 20, [1 / 21, 0.04993, 0.07616, 1, 1]),
    ],
)
def test_sampling_probability_rises_as_its_schedule_says(schedule, rate, expected):
    got = over_steps(schedules.sampling_probability, STEPS, schedule, rate)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_evaluation_samples_always_where_training_ever_does():
    assert schedules.evaluation_sampling_probability("constant", 0.0) == 0
    assert schedules.evaluation_sampling_probability("constant", 0.1) == 1
    assert schedules.evaluation_sampling_probability("inverse_sigmoid", 1000.0) == 1


def test_schedules_are_the_same_inside_a_compiled_step():
    @tf.function
    def all_at(step):
        return (
            schedules.beta(step, 0.2, 0.99999),
            schedules.learning_rate(step, 1e-3, 0.9999, 1e-5),
            schedules.sampling_probability(step, "inverse_sigmoid", 1000.0),
        )

    eager = (
        schedules.beta(777, 0.2, 0.99999),
        schedules.learning_rate(777, 1e-3, 0.9999, 1e-5),
        schedules.sampling_probability(777, "inverse_sigmoid", 1000.0),
    )
    np.testing.assert_allclose(all_at(tf.constant(777, tf.int64)), eager, rtol=1e-6)
