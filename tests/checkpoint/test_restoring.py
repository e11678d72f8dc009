"""From checkpoints into variables: all of it, or an error that says what is wrong."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.checkpoint import CheckpointError, restore, save, warm_start, write
from music_vae_tf.errors import UserFacingError


def empty(values):
    """Keras variables for `{our name: array}`, filled with -1."""
    return {
        name: keras.Variable(np.full_like(value, -1), name="v")
        for name, value in values.items()
    }


def weights(values):
    return {n: v for n, v in values.items() if "moment" not in n}


def assert_equal(variables, values):
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, values[name], name)


def test_weights_are_restored_without_the_state_of_training(run_dir, values):
    variables = empty(weights(values))
    restore(variables, run_dir)
    assert_equal(variables, values)


def test_training_goes_on_with_moments_powers_and_step(run_dir, values):
    values["step"] = np.int64(3)
    variables = empty(values)
    restore(variables, run_dir)
    assert_equal(variables, values)
    assert variables["step"].dtype == "int64"


def test_tensorflow_variables_and_a_narrower_step_will_do(run_dir):
    variables = {
        "mu/kernel": tf.Variable(tf.zeros([3, 2])),
        "decoder/layer_0/bias": tf.Variable(tf.zeros([4])),
        "step": tf.Variable(0),
    }
    restore(variables, run_dir)
    assert variables["step"].numpy() == 3
    assert variables["mu/kernel"].numpy()[2, 1] == 5


def test_variables_of_a_strategy_are_restored_and_written(run_dir, values, tmp_path):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        variables = empty(values)
    restore(variables, run_dir)
    assert_equal(variables, values)
    save(tmp_path / "again", 3, variables)
    variables = empty(values)
    restore(variables, tmp_path / "again")
    assert_equal(variables, values)


def test_everything_that_does_not_fit_is_named(run_dir, values):
    wanted = {
        "decoder/layer_0/bias": np.zeros(8, np.float32),
        "decoder/layer_1/bias": np.zeros(4, np.float32),
    }
    variables = empty(wanted)
    with pytest.raises(CheckpointError) as error:
        restore(variables, run_dir)
    lines = [" ".join(line.split()) for line in str(error.value).splitlines()]
    assert lines[2:6] == [
        "variable model checkpoint",
        "decoder/layer_0/bias [8] [4] shape mismatch",
        "decoder/layer_1/bias [4] - not in the checkpoint as "
        "decoder/multi_rnn_cell/cell_1/lstm_cell/bias",
        "mu/kernel - [3, 2] not in the model",
    ]
    assert "config" in lines[-1]
    assert isinstance(error.value, UserFacingError)


def test_the_nearest_name_is_suggested(tmp_path):
    write(f"{tmp_path}/old", {"decoder/nade/w_encoder": np.ones(2), "step": 0})
    with pytest.raises(CheckpointError, match="most similar: decoder/nade/w_encoder"):
        restore(empty({"decoder/output/w_enc": np.ones(2)}), f"{tmp_path}/old")


def test_nothing_is_assigned_when_something_is_wrong(run_dir, values):
    variables = empty(weights(values) | {"sigma/bias": np.zeros(2, np.float32)})
    with pytest.raises(CheckpointError, match="sigma/bias"):
        restore(variables, run_dir)
    assert all((np.asarray(variable) == -1).all() for variable in variables.values())


def test_nothing_is_assigned_from_a_damaged_checkpoint(run_dir, values):
    data = run_dir / "train" / "model.ckpt-3.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)
    variables = empty(values)
    with pytest.raises(CheckpointError, match="cannot be read"):
        restore(variables, run_dir)
    assert all((np.asarray(variable) == -1).all() for variable in variables.values())


def test_a_weight_that_the_model_lacks_is_an_error(run_dir, values):
    variables = empty({"mu/kernel": values["mu/kernel"]})
    with pytest.raises(
        CheckpointError, match=r"layer_0/bias +- +\[4\] +not in the mod"
    ):
        restore(variables, run_dir)


def test_without_the_optimizers_state_a_warm_start_is_proposed(tmp_path, values):
    save(tmp_path, 5, weights(values))
    with pytest.raises(CheckpointError, match="--warm_start_checkpoint") as error:
        restore(empty(values), tmp_path)
    assert "mu/kernel/second_moment" in str(error.value)


def test_what_cudnn_left_behind_is_passed_over(tmp_path, values):
    # As in Magenta's published multitrack checkpoints.
    cudnn = {"decoder/opaque_kernel": np.ones(9), "decoder/opaque_kernel/Adam": 1.0}
    save(tmp_path, 5, weights(values) | cudnn)
    variables = empty(weights(values))
    restore(variables, tmp_path)
    assert_equal(variables, values)


def test_older_names_are_reached_by_substitutions(tmp_path, values):
    old = {
        "encoder/latent/kernel": values["mu/kernel"],
        "decoder/rnn/cell_0/basic_lstm_cell/bias": values["decoder/layer_0/bias"],
        "step": 1,
    }
    write(f"{tmp_path}/old", old)
    variables = empty(weights(values))
    with pytest.raises(CheckpointError, match="var_name_substitutions"):
        restore(variables, f"{tmp_path}/old")
    substitutions = [
        ("multi_rnn_cell", "rnn"),
        (r"lstm_cell/(\w+)$", r"basic_lstm_cell/\1"),
        ("/mu/", "/latent/"),
    ]
    restore(variables, f"{tmp_path}/old", substitutions)
    assert_equal(variables, values)


def test_a_warm_start_takes_what_fits_and_reports_the_rest(run_dir, values):
    wanted = {
        "mu/kernel": values["mu/kernel"],
        "mu/bias": np.zeros(2, np.float32),
        "decoder/layer_0/bias": np.zeros(8, np.float32),
    }
    variables = empty(wanted)
    fit = warm_start(variables, run_dir)
    np.testing.assert_array_equal(variables["mu/kernel"], values["mu/kernel"])
    np.testing.assert_array_equal(variables["decoder/layer_0/bias"], [-1] * 8)
    assert [row.name for row in fit.matched] == ["mu/kernel"]
    assert [row.name for row in fit.unmatched] == ["decoder/layer_0/bias", "mu/bias"]
    assert str(fit).splitlines() == [
        "variable              model   checkpoint",
        "decoder/layer_0/bias  [8]     [4]         shape mismatch",
        "mu/bias               [2]     -           not in the checkpoint as "
        "encoder/mu/bias",
        "mu/kernel             [3, 2]  [3, 2]      loaded",
        "1 of 3 variables loaded",
    ]


def test_a_warm_start_from_which_nothing_fits_is_an_error(run_dir):
    with pytest.raises(CheckpointError, match="does not fit the model"):
        warm_start(empty({"sigma/bias": np.zeros(2)}), run_dir)
