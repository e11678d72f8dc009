"""The clef LSTM and class rolls in TensorFlow and ONNX Runtime, without this package."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from music_vae_tf import build, training
from music_vae_tf import config as configs
from music_vae_tf.commands import music_vae_export
from music_vae_tf.data.clefs import Form, labels
from music_vae_tf.data.clefs.labels import Encoding, Labels
from music_vae_tf.models.piano_roll_vae import condition_of
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training.class_rolls import restored_model

PROGRAM = """
import sys
sys.modules['music_vae_tf'] = sys.modules['keras'] = None
import numpy as np
import tensorflow as tf

folder, inputs, outputs = sys.argv[1:]
signatures = tf.saved_model.load(folder).signatures
results = {}
given = np.load(inputs)
for name, signature in signatures.items():
    arrays = {k.split('/')[1]: tf.constant(given[k]) for k in given if k.startswith(name + '/')}
    if arrays:
        results |= {f'{name}/{k}': v.numpy() for k, v in signature(**arrays).items()}
np.savez(outputs, **results)
"""
WINDOWS = 3
ROLLS = {
    "conv_cvae": "filters=[2,3],z_size=4",
    "clstm_decoder": "filters=[2,3],z_size=4,lstm_size=5",
    "clstm_decoder_windows": "filters=[2,3],z_size=4,lstm_size=5",
}
NOTES = Encoding(("C5", "rest", "E5.G5", "A4"), (9, 5, 4, 2, 1))
DURATIONS = Encoding(("1/2", "1", "1/3", "3/4"), (9, 5, 4, 2, 0))
BASS = Encoding(("C3.G3", "F2"), (3, 3, 0)), Encoding(("2", "1"), (3, 3, 0))
LABELS = {"treble": Labels(NOTES, DURATIONS), "bass": Labels(*BASS)}
CLEFS = {
    "clef_lstm": "lstm_sizes=[3,4],dense_size=3",
    "clef_lstm_small": "lstm_sizes=[3],dense_size=3",
}
FORM = Form(4, 4, 2)


def seeded_run(folder, config, converter):
    """A run directory with random weights, large enough to matter."""
    model = training.compiled_model(config, converter, seed=0)
    rng = np.random.default_rng(5)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.4, variable.shape))
    directory = RunDirectory.at(str(folder))
    training.Saver(directory.train_dir, 1, 1).save(model)
    directory.write_record(config, seed=0)
    return folder


def roll_run(name, folder):
    config = configs.override(configs.load(name), ROLLS[name])
    return seeded_run(folder / name, config, build.converter(config))


def clef_run(name, folder):
    config = configs.override(configs.load(name), CLEFS[name])
    windows = build.converter(config).windows(LABELS)
    run_dir = seeded_run(folder / name, config, windows)
    (run_dir / "train" / "labels.json").write_text(labels.to_json(LABELS))
    return run_dir


def exported(format, run_dir):
    folder = run_dir.parent / f"{run_dir.name}-{format}"
    arguments = [f"--format={format}", f"--run_dir={run_dir}"]
    assert music_vae_export.run([*arguments, f"--output_dir={folder}"]) in (0, None)
    return folder


def by_onnx(folder, inputs):
    """{endpoint: {input: array}} -> {endpoint: {output: array}}, by ONNX Runtime."""
    results = {}
    for name, arrays in inputs.items():
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
        names = [output.name for output in session.get_outputs()]
        results[name] = dict(zip(names, session.run(None, arrays)))
    return results


def by_tensorflow(folder, inputs):
    """The same, by TensorFlow alone in another process."""
    paths = folder.parent / "inputs.npz", folder.parent / "outputs.npz"
    named = {f"{n}/{key}": v for n, its in inputs.items() for key, v in its.items()}
    np.savez(paths[0], **named)
    subprocess.run([sys.executable, "-c", PROGRAM, folder, *paths], check=True)
    results = {name: {} for name in inputs}
    with np.load(paths[1]) as arrays:
        for key, value in arrays.items():
            name, output = key.split("/")
            results[name][output] = value
    return results


RUNTIMES = {"savedmodel": by_tensorflow, "onnx": by_onnx}


@pytest.fixture(scope="module", params=ROLLS)
def rolls_run(request, tmp_path_factory):
    return roll_run(request.param, tmp_path_factory.mktemp("rolls"))


def expected_of_rolls(run_dir):
    """Inputs of every endpoint, and what the model computes."""
    config = RunDirectory.at(str(run_dir)).record().config
    model = restored_model(config, build.converter(config), str(run_dir))
    rng = np.random.default_rng(1)
    condition = np.array([[1, 0, 1, 0], [1, 1, 1, 1]], np.float32)
    if config.kind == "clstm_decoder":
        shape = 2, model.latent_windows, model.z_size
        latents = rng.normal(size=shape).astype(np.float32)
        logits = model.logits(latents, condition)
        inputs = {"decode": {"latents": latents, "condition": condition}}
        return inputs, {"decode": {"logits": logits}}
    z = rng.normal(size=(2, model.z_size)).astype(np.float32)
    rolls = rng.integers(0, 4, (2, model.steps, 128)).astype(np.uint8)
    reals = rolls.astype(np.float32)
    mu, sigma = model.posterior(reals, condition_of(reals))
    inputs = {
        "decode": {"z": z, "condition": condition},
        "encode": {"rolls": rolls},
        "encode_windows": {"rolls": rolls, "windows": np.array(WINDOWS, np.int32)},
    }
    return inputs, {
        "decode": {"logits": model.logits(z, condition)},
        "encode": {"mu": mu, "sigma": sigma},
        "encode_windows": {"latents": model.window_latents(reals, WINDOWS)},
    }


@pytest.mark.parametrize("format", RUNTIMES)
def test_class_rolls_are_encoded_and_decoded_as_the_model_does(format, rolls_run):
    inputs, expected = expected_of_rolls(rolls_run)
    results = RUNTIMES[format](exported(format, rolls_run), inputs)
    for name, outputs in expected.items():
        for key, value in outputs.items():
            np.testing.assert_allclose(
                results[name][key], value, atol=1e-5, rtol=1e-5, err_msg=name
            )
    mode = np.argmax(expected["decode"]["logits"], axis=-1)
    assert len(np.unique(mode)) > 1
    np.testing.assert_array_equal(results["decode"]["rolls"], mode)


@pytest.fixture(scope="module", params=CLEFS)
def clefs_run(request, tmp_path_factory):
    return clef_run(request.param, tmp_path_factory.mktemp("clefs"))
