"""What is no number any more: refused in words, and never an empty MIDI in silence."""

import json
import os
import shutil

import numpy as np
import pytest
from untrained_runs import untrained_run

from music_vae_tf import checkpoint, pretrained
from music_vae_tf.checkpoint import CheckpointError, compact, finite
from music_vae_tf.commands import music_vae_generate
from music_vae_tf.generation import TrainedModel
from music_vae_tf.generation.decodable import NotDecodable

NAME = "groovae_4bar"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("run"), NAME)


@pytest.fixture(scope="module")
def model(run_dir):
    return TrainedModel(NAME, 2, run_dir, seed=1)


def spoilt(run_dir, folder, value):
    """A copy of the run in which one weight is this value, and the weight's name."""
    copy = shutil.copytree(run_dir, folder / "spoilt")
    arrays = checkpoint.read(run_dir)
    ours = checkpoint.our_names(arrays)
    name = next(name for name in arrays if name.endswith("kernel"))
    arrays[name].flat[-1] = value
    prefix = checkpoint.latest(copy / "train")
    checkpoint.write(prefix, {ours[name]: array for name, array in arrays.items()})
    return copy, name


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_weights_that_are_not_numbers_are_refused(run_dir, tmp_path, value):
    copy, name = spoilt(run_dir, tmp_path, value)
    with pytest.raises(CheckpointError, match=f"{name} has values that are not finite"):
        TrainedModel(NAME, 2, copy)


def test_a_command_with_such_weights_writes_nothing(run_dir, tmp_path, capsys):
    copy, name = spoilt(run_dir, tmp_path, np.nan)
    out = tmp_path / "out"
    flags = [f"--run_dir={copy}", f"--output_dir={out}", "--num_outputs=1"]
    assert music_vae_generate.run(flags) == 1
    assert f"{name} has values that are not finite" in capsys.readouterr().err
    assert not out.exists() or os.listdir(out) == []


def test_moments_of_a_training_may_be_anything(run_dir, tmp_path):
    """They are no weights, and a step whose gradient is infinite is left out."""
    values = {"mu/kernel": np.ones([2, 2], np.float32)}
    moments = {"mu/kernel/second_moment": np.full([2, 2], 1e30, np.float32)}
    prefix = tmp_path / "model.ckpt-1"
    checkpoint.write(prefix, {**values, **moments})
    import tensorflow as tf

    variables = {
        name: tf.Variable(tf.zeros_like(value))
        for name, value in {**values, **moments}.items()
    }
    checkpoint.restore(variables, prefix)
    assert variables["mu/kernel/second_moment"].numpy()[0, 0] == np.float32(1e30)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_compact_weights_that_are_not_numbers_are_refused(tmp_path, value, dtype):
    import tensorflow as tf
    from safetensors.numpy import save_file

    tensors = {"encoder/mu/dense/kernel": np.full([2, 2], value, dtype)}
    content = {"sha256": compact._digest(tensors), "config": "", "step": 1, "files": {}}
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, {compact.FORMAT: json.dumps(content)})
    names = checkpoint.our_names(tensors)
    variables = {ours: tf.Variable(tf.zeros([2, 2])) for ours in names.values()}
    with pytest.raises(CheckpointError, match="values that are not finite"):
        checkpoint.restore(variables, path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 2e6])
def test_latent_vectors_far_from_all_others_are_refused(model, value):
    z = np.zeros([2, 2])
    z[1, 0] = value
    with pytest.raises(NotDecodable, match="z has the value"):
        model.decode(z, length=4)


@pytest.mark.parametrize("temperature", [1e-46, 1e-40, 1e300, np.inf, np.nan, -1, 0])
def test_a_temperature_at_which_logits_are_not_finite_is_refused(model, temperature):
    with pytest.raises(NotDecodable, match="temperature is"):
        model.sample(1, 4, temperature)


def test_weights_that_make_states_no_numbers_are_found_by_them(run_dir):
    broken = TrainedModel(NAME, 1, run_dir, seed=1)
    for variable in broken.model.weights:
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    with pytest.raises(NotDecodable, match="states are not finite"):
        broken.sample(1, 4)


@pytest.mark.parametrize(
    ("vector", "strength"),
    [([1, 1], 1e308), ([1, 1], -1e5), ([1e6, 0], 100), ([3e38, 0], 1), ([1e39, 0], 1)],
)
def test_an_absurd_attribute_writes_no_music(
    run_dir, tmp_path, capsys, vector, strength
):
    file, out = tmp_path / "a.json", tmp_path / "out"
    file.write_text(json.dumps({"config": NAME, "vector": vector}))
    flags = [f"--run_dir={run_dir}", f"--output_dir={out}", "--num_outputs=1"]
    flags += [f"--attribute_vector={file}", f"--attribute_strength={strength}"]
    assert music_vae_generate.run(flags) in (1, 2)
    said = capsys.readouterr().err
    assert "expected" in said or "not a number in the range" in said
    assert not out.exists() or os.listdir(out) == []


def test_pretrained_weights_are_numbers():
    for name in pretrained.names():
        arrays = checkpoint.read(pretrained.weights_path(name))
        finite.check_finite(arrays, name)
