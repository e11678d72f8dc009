"""Losses and gradients that are not finite are named before anything is saved."""

import math

import pytest

from music_vae_tf.training.finite import FiniteCheck, LossNotFinite


def check_of(tmp_path, clip_mode="value", pieces=("a.mid", "b.mid", "a.mid")):
    return FiniteCheck(tmp_path, clip_mode, lambda step: list(pieces) * (step == 6))


def test_finite_numbers_pass(tmp_path):
    check_of(tmp_path)(7, {"loss": 1.0, "global_norm": 1e9})


@pytest.mark.parametrize(
    "logs",
    [{"loss": math.nan, "global_norm": 1.0}, {"loss": 1.0, "global_norm": math.inf}],
)
def test_step_and_pieces_are_named(tmp_path, logs, figure):
    with pytest.raises(LossNotFinite, match=r"of step 7 .*Its batch is of a.mid, b"):
        check_of(tmp_path)(7, logs)
    what = ", ".join(f"{name} {value}" for name, value in logs.items())
    figure(
        "A loss or gradient that is not finite ends a training: step, pieces of the "
        "batch and last good checkpoint are named, and nothing is saved",
        f"{what}: stopped, with the step and both pieces",
    )


def test_many_pieces_are_counted(tmp_path):
    pieces = [f"{number}.mid" for number in range(20)]
    with pytest.raises(LossNotFinite, match="7.mid and 12 more"):
        check_of(tmp_path, pieces=pieces)(7, {"loss": math.inf})


def test_a_gradient_that_is_clipped_by_its_norm_is_a_warning(tmp_path, caplog):
    check = check_of(tmp_path, "global_norm")
    for step in range(1, 10):
        check(step, {"loss": 1.0, "global_norm": math.nan})
    assert len(caplog.records) == 3
    assert "the gradient of step 1 is nan; it is taken as zero" in caplog.text
