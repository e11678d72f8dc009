"""SavedModel and ONNX: without this package, the numbers are those of the model."""

import re
import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from small_models import seeded_model, seeded_weights, small

from music_vae_tf import config as configs
from music_vae_tf.commands import music_vae_export
from music_vae_tf.export import magentajs, onnx, saved_model
from music_vae_tf.export.errors import ExportError
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.prng_portable import PortableKey

PAGE = Path(__file__).resolve().parents[2] / "docs" / "play" / "export.md"
GREEDY = 1e-7
SEED = [3, -5]


def with_output(name, kind):
    """A config with another output than its own."""
    text = configs.dump(configs.load(name))
    assert (own := re.search(r"output:\s*\{?\s*kind: \w+", text))
    return configs.parse(text.replace(own[0], f"output: {{{kind}}}"), "other")


# One config of every output, and of controls and several layers.
CONFIGS = {
    "categorical": lambda: configs.load("cat-mel_2bar_med_chords"),
    "concatenated": lambda: configs.override(
        configs.load("flat-trio_16bar"), "max_seq_len=32"
    ),
    "groove": lambda: configs.load("groovae_4bar"),
    "groove_mixture": lambda: configs.load("groovae_2bar_humanize_mixture"),
    "nade": lambda: configs.load("nade-drums_2bar_full"),
    "bernoulli": lambda: with_output("nade-drums_2bar_full", "kind: bernoulli"),
    "groove_bce": lambda: with_output(
        "groovae_4bar", "kind: groove, reconstruction_loss: bce"
    ),
}


# TensorFlow takes half a minute to convert some of them.
QUICK_AND_SLOW = [
    pytest.param(name, marks=[] if name == "groove" else [pytest.mark.slow])
    for name in CONFIGS
]


class Model:
    """A small model, and inputs for its endpoints."""

    def __init__(self, config):
        self.config = small(config)
        self.model = seeded_model(self.config)
        rng = np.random.default_rng(7)
        self.z = rng.normal(size=(2, 3)).astype(np.float32)
        self.steps = self.config.model.max_seq_len
        depth = self.model.control_depth
        self.controls = None
        if depth:
            self.controls = rng.integers(0, 2, (self.steps, depth)).astype(np.float32)
        shape = (2, self.steps, self.model.input_depth)
        self.inputs = rng.integers(0, 2, shape).astype(np.float32)
        self.lengths = np.array([self.steps, self.steps - 3], np.int32)

    def decoded(self, temperature=GREEDY):
        rows = self.model.sample(
            *(self.z, self.steps, self.controls, temperature),
            PRNGKey(tf.constant(SEED)),
        ).rows
        return rows.numpy()

    def encoded(self):
        function, _ = self.model.endpoints()["encode"]
        given = () if self.controls is None else (self.controls,)
        return {
            name: value.numpy()
            for name, value in tf.function(function, autograph=False)(
                *(tf.constant(x) for x in (self.inputs, self.lengths, *given))
            ).items()
        }

    def with_controls(self, inputs, name="controls", t=slice(None)):
        if self.controls is None:
            return inputs
        rows = self.controls[t]
        rows = np.repeat(rows[None], 2, axis=0) if name == "control" else rows
        return {**inputs, name: rows}

    def stepped(self, start, step):
        """The most probable sequence, by a host program's loop."""
        state = start(z=self.z)["state"]
        row = np.zeros([2, self.model.decoder.depth], np.float32)
        draws = np.full([2, self.model.decoder.num_draws], 0.5, np.float32)
        # In the middle of a mixture's components is not the most probable value.
        is_mixture = "mixture" in self.config.name
        temperature = GREEDY if is_mixture else 1
        rows = []
        for t in range(self.steps):
            inputs = {
                "previous": row,
                "z": self.z,
                "state": state,
                "temperature": np.array(temperature, np.float32),
                "draws": draws,
            }
            outputs = step(**self.with_controls(inputs, "control", t))
            row, state = outputs["row"], outputs["next_state"]
            rows.append(row)
        return np.stack(rows, axis=1)

    def check(self, encode, start, step):
        """Compares endpoints, functions of arrays by name, with the model."""
        inputs = {"inputs": self.inputs, "lengths": self.lengths}
        encoded = encode(**self.with_controls(inputs))
        for name, expected in self.encoded().items():
            np.testing.assert_allclose(encoded[name], expected, atol=1e-5)
        rows, expected = self.stepped(start, step), self.decoded()
        np.testing.assert_allclose(rows, expected, atol=1e-5)


def tensorflow_function(signature):
    def call(**inputs):
        outputs = signature(**{k: tf.constant(v) for k, v in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return call


def onnx_function(content):
    session = onnxruntime.InferenceSession(content)
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(None, inputs)))


def check_whole_decoder(model, decode):
    """A function decodes as the model does, greedily and with draws."""
    for temperature in (GREEDY, 1.0):
        inputs = {
            "z": model.z,
            "length": np.array(model.steps, np.int32),
            "temperature": np.array(temperature, np.float32),
            "seed": np.array(SEED, np.int32),
        }
        rows = decode(**model.with_controls(inputs))["rows"]
        np.testing.assert_allclose(rows, model.decoded(temperature), atol=1e-5)


@pytest.mark.parametrize("output", QUICK_AND_SLOW)
def test_a_savedmodel_encodes_steps_and_decodes_as_the_model_does(output, tmp_path):
    model = Model(CONFIGS[output]())
    names = saved_model.export(model.config, model.model, tmp_path / "saved")
    assert names == ["decode", "encode", "serve", "start", "step"]
    loaded = tf.saved_model.load(tmp_path / "saved").signatures
    functions = {name: tensorflow_function(loaded[name]) for name in names}
    model.check(*(functions[name] for name in ("encode", "start", "step")))
    check_whole_decoder(model, functions["decode"])


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groove") / "run"
    config = small("groovae_4bar")
    magentajs.write_run(folder, config, seeded_weights(config))
    return folder


@pytest.fixture(scope="module")
def onnx_folder(run_dir):
    folder = run_dir.parent / "onnx"
    arguments = [f"--run_dir={run_dir}", f"--output_dir={folder}"]
    assert music_vae_export.run(["--format=onnx", *arguments]) in (0, None)
    return folder


@pytest.mark.parametrize("output", QUICK_AND_SLOW)
def test_onnx_files_encode_and_step_as_the_model_does(output, onnx_folder):
    model, names = Model(CONFIGS[output]()), ("encode", "start", "step")
    if output == "groove":  # whose files the command has made
        contents = [(onnx_folder / f"{name}.onnx").read_bytes() for name in names]
    else:
        endpoints = onnx.portable_endpoints(model.model)
        contents = [onnx.convert(*endpoints[name]) for name in names]
    model.check(*map(onnx_function, contents))


def test_the_whole_decoder_in_onnx_draws_the_same_numbers_from_a_seed(onnx_folder):
    names = {file.name for file in onnx_folder.iterdir()}
    endpoints = ("decode", "encode", "start", "step")
    assert names == {"config.yaml", *(f"{name}.onnx" for name in endpoints)}
    model = Model(configs.load("groovae_4bar"))
    decode = onnx_function((onnx_folder / "decode.onnx").read_bytes())
    for temperature in (GREEDY, 1.0):
        rows = decode(
            z=model.z,
            length=np.array(model.steps, np.int32),
            temperature=np.array(temperature, np.float32),
            seed=np.array(SEED, np.int32),
        )["rows"]
        np.testing.assert_allclose(rows, model.decoded(temperature), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("output", [*sorted({*CONFIGS} - {"groove"}), "tokens"])
def test_the_whole_decoder_of_every_output_is_the_same_in_onnx(output):
    model = Model({**CONFIGS, "tokens": tokens}[output]())
    decode = onnx_function(
        onnx.convert(*onnx.portable_endpoints(model.model)["decode"])
    )
    check_whole_decoder(model, decode)


def tokens():
    return configs.load("musicvae_groove_tokens_small")


def example():
    """The program in Python that the page shows."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return program


def test_the_example_plays_the_onnx_decoder_without_tensorflow(onnx_folder, tmp_path):
    program = tmp_path / "play.py"
    blocked = "import sys\nsys.modules['tensorflow'] = None\n"
    program.write_text(blocked + example())
    assert len(example().splitlines()) < 60
    output = tmp_path / "groove.mid"
    subprocess.run([sys.executable, program, onnx_folder, output], check=True)
    file = mido.MidiFile(output)
    notes = [message for message in file if message.type == "note_on"]
    assert notes
    assert {message.channel for message in notes} == {9}
    # Four bars at 120 beats a minute, and the last note.
    assert file.length < 8.5


def test_a_savedmodel_needs_nothing_of_this_package(run_dir, tmp_path):
    folder = tmp_path / "saved"
    arguments = [f"--run_dir={run_dir}", f"--output_dir={folder}"]
    assert music_vae_export.run(["--format=savedmodel", *arguments]) in (0, None)
    program = (
        "import sys; sys.modules['music_vae_tf'] = sys.modules['keras'] = None\n"
        "import tensorflow as tf\n"
        "step = tf.saved_model.load(sys.argv[1]).signatures['step']\n"
        "print(step.structured_outputs['row'].shape)"
    )
    command = [sys.executable, "-c", program, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "(None, 27)"


@pytest.mark.parametrize("name", ["hierdec-groove_4bar_small", "hier-mel_16bar"])
def test_hierarchical_decoders_have_no_step_and_say_why(name):
    model = seeded_model(small(name))
    assert {"start", "step"}.isdisjoint(model.endpoints())
    assert "hierarchical" in model.decoder.step_obstacle


def test_portable_keys_draw_the_numbers_of_keys():
    for seed in ([3, -5], [7, 2**31 - 1], [-(2**31), -1]):
        keys = [
            key(tf.constant(seed)).fold_in("stream").fold_in(3)
            for key in (PRNGKey, PortableKey)
        ]
        for shape in ([3, 5], [2, 2], [7]):
            for draw in ("uniform", "normal"):
                drawn = [getattr(key, draw)(shape) for key in keys]
                np.testing.assert_array_equal(*drawn)
            np.testing.assert_array_equal(*[k.keep_mask(shape, 0.3) for k in keys])


def test_what_onnx_cannot_say_is_an_error():
    signature = [tf.TensorSpec([None], tf.float32, "x")]
    with pytest.raises(ExportError, match="no ONNX form"):
        onnx.convert(lambda x: tf.math.lgamma(tf.math.igamma(x, x)), signature)


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_a_checkpoint_of_another_config_is_refused(format, run_dir, tmp_path, capsys):
    arguments = [
        f"--format={format}",
        "--config=cat-mel_2bar_small",
        f"--checkpoint_file={run_dir}/train",
        f"--output_dir={tmp_path}/out",
    ]
    assert music_vae_export.run(arguments) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
