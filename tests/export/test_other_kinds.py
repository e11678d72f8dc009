"""Clef LSTM and class rolls in TensorFlow and ONNX Runtime, without this package."""

import functools
import json
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from music_vae_tf import build, training
from music_vae_tf import config as configs
from music_vae_tf.batch import Batch
from music_vae_tf.commands import clef_lstm_generate, clef_runs, music_vae_export
from music_vae_tf.data.clefs import STAVES, Form, labels
from music_vae_tf.data.clefs.labels import Encoding, Labels
from music_vae_tf.data.clefs.windows import multi_hot
from music_vae_tf.generation.clef_lstm import Sampling
from music_vae_tf.models.cell import State
from music_vae_tf.models.lstm import flat_states
from music_vae_tf.models.piano_roll_vae import condition_of
from music_vae_tf.models.staves import Logits, StaffInput
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training.class_rolls import restored_model

PROGRAM = """
import json, sys
sys.modules['music_vae_tf'] = sys.modules['keras'] = None
import numpy as np
import tensorflow as tf

for line in sys.stdin:
    folder, inputs, outputs = json.loads(line)
    signatures = tf.saved_model.load(folder).signatures
    results = {}
    given = np.load(inputs)
    for name, signature in signatures.items():
        keys = [key for key in given if key.startswith(name + '/')]
        arrays = {key.split('/')[1]: tf.constant(given[key]) for key in keys}
        if arrays:
            made = signature(**arrays)
            results |= {f'{name}/{k}': v.numpy() for k, v in made.items()}
    np.savez(outputs, **results)
    print('done', flush=True)
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
FORM = Form(bars=4, numerator=4, denominator=4)


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


@functools.cache
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


class TensorFlowAlone:
    """The same, by TensorFlow alone in another process, one for all models."""

    process = None

    def __call__(self, folder, inputs):
        paths = folder.parent / "inputs.npz", folder.parent / "outputs.npz"
        named = {f"{n}/{key}": v for n, its in inputs.items() for key, v in its.items()}
        np.savez(paths[0], **named)
        self.process = self.process or subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = json.dumps([str(path) for path in (folder, *paths)])
        print(line, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"
        results = {name: {} for name in inputs}
        with np.load(paths[1]) as arrays:
            for key, value in arrays.items():
                name, output = key.split("/")
                results[name][output] = value
        return results

    def end(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            assert self.process.wait(60) == 0


@pytest.fixture(scope="module")
def runtimes():
    alone = TensorFlowAlone()
    yield {"savedmodel": alone, "onnx": by_onnx}
    alone.end()


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


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_class_rolls_are_encoded_and_decoded_as_the_model_does(
    format, rolls_run, runtimes
):
    inputs, expected = expected_of_rolls(rolls_run)
    results = runtimes[format](exported(format, rolls_run), inputs)
    for name, outputs in expected.items():
        for key, value in outputs.items():
            np.testing.assert_allclose(
                results[name][key], value, atol=1e-5, rtol=1e-5, err_msg=name
            )
    mode = np.argmax(expected["decode"]["logits"], axis=-1)
    assert len(np.unique(mode)) > 1
    np.testing.assert_array_equal(results["decode"]["rolls"], mode)


@pytest.fixture(
    scope="module",
    params=[pytest.param("clef_lstm", marks=pytest.mark.slow), "clef_lstm_small"],
)
def clefs_run(request, tmp_path_factory):
    return clef_run(request.param, tmp_path_factory.mktemp("clefs"))


def trained_clef_lstm(run_dir):
    flags = clef_lstm_generate.command.parse([f"--run_dir={run_dir}"])
    return clef_runs.trained_clef_lstm(flags)


def expected_of_clefs(run_dir):
    """Inputs of every endpoint, and what the model computes."""
    model = trained_clef_lstm(run_dir).model
    rng = np.random.default_rng(2)
    shape, pitches = (2, 7), lambda *shape: rng.integers(0, 2, shape).astype("f4")
    predict = {
        "inputs": pitches(*shape, 512),
        "targets": rng.integers(-1, 3, (*shape, 4)).astype("f4"),
        "controls": rng.integers(0, 2, (*shape, 12)).astype("f4"),
        "lengths": np.array([[6, 4], [3, 6]], np.int32),
    }
    inputs, logits = {"predict": predict}, model(Batch(*predict.values()))
    expected = {
        "predict": {
            f"{staff}_{head}": value
            for staff, heads in logits.items()
            for head, value in heads._asdict().items()
        }
    }
    for staff, network in model.staves.items():
        classes = np.array([[-1, -1], [1, 0]], np.int32)
        chords = [multi_hot(()), multi_hot(network.sizes.chords[1])]
        clock = rng.integers(0, 2, (2, len(network.sizes.clock))).astype("f4")
        around = pitches(2, 256)
        states = [State(*rng.normal(size=(2, 2, its.units))) for its in network.lstms]
        states = tf.nest.map_structure(lambda x: tf.constant(x, tf.float32), states)
        step = StaffInput(classes.astype("f4"), np.array(chords, "f4"), clock, around)
        given = {"previous": classes, "state": flat_states(states).numpy()}
        given |= {"clock": clock} if network.clock else {}
        given |= {"other_staff": around} if network.is_accompaniment else {}
        inputs[f"{staff}_step"] = given
        logits, states = network.step(step, states)
        next_state = flat_states(states)
        expected[f"{staff}_step"] = {**logits._asdict(), "next_state": next_state}
    return inputs, expected


@pytest.mark.parametrize(
    "format", ["onnx", pytest.param("savedmodel", marks=pytest.mark.slow)]
)
def test_the_clef_lstm_predicts_as_the_model_does(format, clefs_run, runtimes):
    inputs, expected = expected_of_clefs(clefs_run)
    folder = exported(format, clefs_run)
    results = runtimes[format](folder, inputs)
    for name, outputs in expected.items():
        assert set(results[name]) == set(outputs)
        for key, value in outputs.items():
            np.testing.assert_allclose(results[name][key], value, atol=1e-5)
    words = json.loads((folder / "labels.json").read_text())["bass"]["notes"]["words"]
    assert words == list(BASS[0].words)


class ExportedStep:
    """A staff's step in ONNX Runtime, in place of the network's."""

    def __init__(self, folder, staff):
        self.session = onnxruntime.InferenceSession(folder / f"{staff}_step.onnx")

    def __call__(self, step, state):
        inputs = {node.name: node for node in self.session.get_inputs()}
        if not isinstance(state, np.ndarray):  # before the first event
            state = np.zeros([1, inputs["state"].shape[1]], np.float32)
        given = {
            "previous": step.classes.astype(np.int32),
            "state": state,
            "clock": step.clock,
            "other_staff": step.other_staff,
        }
        arrays = self.session.run(
            ["notes", "durations", "next_state"], {k: given[k] for k in inputs}
        )
        return Logits(*map(tf.constant, arrays[:2])), arrays[2]


def test_a_piece_of_most_probable_events_is_the_same_in_onnx(clefs_run):
    trained = trained_clef_lstm(clefs_run)
    greedy = Sampling(top_k_notes=1, top_k_durations=1)
    piece = lambda: trained.sample(FORM, "minor", greedy, np.random.default_rng(0))
    ours, folder = piece(), exported("onnx", clefs_run)
    trained._steps = {staff: ExportedStep(folder, staff) for staff in STAVES}
    assert piece() == ours
    assert len(ours["treble"]) > 4


@pytest.mark.parametrize("format", ["magentajs", "bundle"])
@pytest.mark.parametrize("name", ["conv_cvae", "clef_lstm"])
def test_formats_of_programs_without_these_kinds_are_refused(
    format, name, tmp_path, capsys
):
    run_dir = (roll_run if name in ROLLS else clef_run)(name, tmp_path)
    arguments = [f"--format={format}", f"--run_dir={run_dir}"]
    assert music_vae_export.run([*arguments, f"--output_dir={tmp_path}/out"]) == 1
    assert f"which has no models of kind {name}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_clef_lstm_without_its_labels_is_refused(clefs_run, tmp_path, capsys):
    run_dir = shutil.copytree(clefs_run, tmp_path / "run")
    (run_dir / "train" / "labels.json").unlink()
    arguments = ["--format=onnx", f"--run_dir={run_dir}"]
    assert music_vae_export.run([*arguments, f"--output_dir={tmp_path}/out"]) == 1
    assert "labels.json is not beside the checkpoint" in capsys.readouterr().err
