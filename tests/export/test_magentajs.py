"""Models in Magenta.js: descriptions, weights, the way back, and Node itself."""

import dataclasses
import json
import shutil
import subprocess

import numpy as np
import pytest
from magenta_configs import MAGENTA
from magenta_js import Exported

from music_vae_tf import checkpoint
from music_vae_tf import config as configs
from music_vae_tf.commands import music_vae_export, music_vae_generate
from music_vae_tf.data.converters import drum_classes
from music_vae_tf.export import magentajs, magentajs_spec, weights_manifest
from music_vae_tf.export.errors import ExportError
from music_vae_tf.generation import TrainedModel

RUNNABLE = [n for n in MAGENTA if not magentajs_spec.obstacles(configs.load(n))]
GREEDY = 1e-6
NOT_RUNNABLE = {
    "flat-mel_16bar": "its encoder has 2 layers",
    "flat-trio_16bar": "it decodes all parts in one",
    "hierdec-mel_16bar": "its encoder has 2 layers",
    "hierdec-trio_16bar": "its decoder is hierarchical and its encoder is flat",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return Exported("groovae_2bar_humanize", tmp_path_factory.mktemp("humanize"))


@pytest.mark.parametrize("name", NOT_RUNNABLE)
def test_what_magenta_js_cannot_run_is_refused_with_the_reason(name):
    with pytest.raises(ExportError, match=NOT_RUNNABLE[name]):
        magentajs_spec.spec(configs.load(name))


def test_all_others_of_magentas_configs_are_exported():
    assert len(RUNNABLE) == 19
    assert {*RUNNABLE, *NOT_RUNNABLE} == {*MAGENTA}


@pytest.mark.parametrize(
    ("hparams", "reason"),
    [
        ("residual_encoder=True", "residual"),
        ("residual_decoder=True", "residual"),
        ("dec_rnn_size=[8,4]", "unequal sizes"),
        ("enc_rnn_size=[4,4]", "2 layers"),
    ],
)
def test_sizes_that_magenta_js_cannot_run_are_refused(hparams, reason):
    config = configs.override(configs.load("groovae_4bar"), hparams)
    with pytest.raises(ExportError, match=reason):
        magentajs_spec.spec(config)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("cat-mel_2bar_small", {"add_end_token": True}, "rows of 91 columns"),
        ("cat-drums_2bar_small", {"roll_input": False}, "rows of 512 columns"),
        (
            "groovae_4bar",
            {"num_velocity_bins": 4, "num_offset_bins": 4},
            "twin GrooveConverter has 27 and 27",
        ),
    ],
)
def test_rows_that_no_twin_makes_are_refused(name, arguments, reason):
    config = configs.load(name)
    kind = config.converter
    kind = dataclasses.replace(kind, arguments={**kind.arguments, **arguments})
    with pytest.raises(ExportError, match=reason):
        magentajs_spec.spec(dataclasses.replace(config, converter=kind))


def test_a_config_of_ones_own_without_a_twin_is_refused(exported, tmp_path, capsys):
    own = tmp_path / "own.yaml"
    own.write_text(configs.dump(configs.load("musicvae_groove_tokens_small")))
    flags = ["--format=magentajs", f"--config={own}"]
    flags += [f"--checkpoint_file={exported.run_dir}", f"--output_dir={tmp_path}/out"]
    assert music_vae_export.run(flags) == 1
    assert "no twin of the converter tokens" in capsys.readouterr().err


def test_descriptions_name_converter_and_controls():
    spec = magentajs_spec.spec(configs.load("groovae_2bar_humanize"))
    assert spec["dataConverter"] == {
        "type": "GrooveConverter",
        "args": {"numSteps": 32, "stepsPerQuarter": 4, "humanize": True},
    }
    spec = magentajs_spec.spec(configs.load("cat-mel_2bar_med_chords"))
    assert spec["chordEncoder"] == "TriadChordEncoder"
    spec = magentajs_spec.spec(configs.load("groovae_2bar_hits_control_tfds"))
    assert spec["extraControls"] == [{"name": "hits", "depth": 9}]


@pytest.mark.parametrize("quantization", weights_manifest.QUANTIZATIONS)
def test_arrays_come_back_within_half_a_level(quantization, tmp_path):
    rng = np.random.default_rng(1)
    arrays = {
        "wide": rng.normal(0, 3, (50, 7)).astype(np.float32),
        "zero": np.zeros(5, np.float32),
        "one value": np.full((2, 2), 0.3, np.float32),
        "positive": rng.uniform(1, 2, 9).astype(np.float32),
    }
    weights_manifest.write(tmp_path, arrays, quantization)
    back = weights_manifest.read(tmp_path)
    levels = {"none": np.inf, "float16": 2**11, "uint16": 2**16, "uint8": 2**8}
    for name, array in arrays.items():
        spread = max(np.ptp(array), np.abs(array).max())
        bound = spread / levels[quantization] + 1e-6
        assert np.abs(back[name] - array).max() <= bound, name
    assert not back["zero"].any()


def test_zero_stays_zero_when_it_is_quantised(tmp_path):
    array = np.array([-0.31, 0.0, 0.97], np.float32)
    weights_manifest.write(tmp_path, {"a": array}, "uint8")
    assert weights_manifest.read(tmp_path)["a"][1] == 0


def test_weights_are_cut_into_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(weights_manifest, "SHARD_BYTES", 100)
    arrays = {"a": np.arange(60, dtype=np.float32), "b": np.ones(3, np.float32)}
    assert weights_manifest.write(tmp_path, arrays, "none") == 252
    assert len(list(tmp_path.glob("group1-shard*of3"))) == 3
    back = weights_manifest.read(tmp_path)
    assert all((back[name] == array).all() for name, array in arrays.items())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_exported(value, tmp_path):
    with pytest.raises(ExportError, match="not finite"):
        weights_manifest.write(tmp_path, {"a": np.array([value])}, "none")


def test_weights_too_large_for_float16_are_refused(tmp_path):
    with pytest.raises(ExportError, match="float16 ends at 65504"):
        weights_manifest.write(tmp_path, {"a": np.array([7e4])}, "float16")


def damaged(change, exported, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(exported.folder, folder)
    file = folder / weights_manifest.MANIFEST
    manifest = json.loads(file.read_text())
    change(manifest[0], folder)
    file.write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda group, _: group.update(paths=["../secret"]),
            "only files in the folder",
        ),
        (
            lambda group, _: group.update(paths=["/etc/passwd"]),
            "only files in the folder",
        ),
        (lambda group, _: group["weights"].pop(), "its shards hold"),
        (lambda group, _: group["weights"][0].update(shape=[2**40]), "has the shape"),
        (lambda group, _: group["weights"][0].update(shape=[-1, -1]), "has the shape"),
        (lambda group, _: group["weights"][0].update(shape=[9, 2**20]), "cut short"),
        (lambda group, _: group["weights"][0].update(dtype="string"), "is stored as"),
        (lambda group, _: group.pop("paths"), "not a manifest"),
        (lambda group, _: group.update(paths=["other"]), "which is not there"),
        (lambda group, _: group.update(paths=["a\0"]), "only files in the folder"),
        (lambda group, _: group.update(paths=["\ud800"]), "only files in the folder"),
        (lambda group, _: group.update(paths=["a" * 300]), "only files in the folder"),
        (
            lambda group, _: group["weights"][0].update(
                quantization={"dtype": "uint8", "scale": 1, "min": 10**400}
            ),
            "a number is expected",
        ),
        (
            lambda group, _: group["weights"][0].update(quantization="uint8"),
            "is stored as",
        ),
        (
            lambda group, _: group["weights"][0].update(
                quantization={"dtype": "uint8", "scale": "1", "min": 0}
            ),
            "has the scale '1'",
        ),
        (
            lambda group, _: group["weights"][0].update(
                quantization={"dtype": "uint8", "scale": 1}
            ),
            "has the min None",
        ),
        (
            lambda _, folder: (folder / "group1-shard1of1").write_bytes(b"short"),
            "cut short",
        ),
    ],
)
def test_a_damaged_folder_is_refused(change, message, exported, tmp_path):
    with pytest.raises(ExportError, match=message):
        magentajs.read(damaged(change, exported, tmp_path))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"type": "MusicRNN", "dataConverter": {"type": "GrooveConverter"}},
            "MusicRNN",
        ),
        ({"type": "MusicVAE", "dataConverter": {"type": "Piano"}}, "'Piano'"),
        ({"type": "MusicVAE"}, "damaged"),
        (
            {
                "type": "MusicVAE",
                "dataConverter": {"type": "GrooveConverter", "args": [["a", 1]]},
            },
            "damaged",
        ),
        ([1], "damaged"),
    ],
)
def test_an_unknown_description_is_refused(spec, message, exported, tmp_path):
    shutil.copytree(exported.folder, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps(spec))
    with pytest.raises(ExportError, match=message):
        magentajs.read(tmp_path / "other")


def redescribed(exported, folder, **choices):
    shutil.copytree(exported.folder, folder)
    spec = {**json.loads((folder / "config.json").read_text()), **choices}
    (folder / "config.json").write_text(json.dumps(spec))
    return folder


def test_a_description_may_write_out_what_it_does_not_choose(exported, tmp_path):
    written_out = {"conditionOnKey": False, "useBooleanDecoder": False}
    spec = json.loads((exported.folder / "config.json").read_text())
    classes = [list(pitches) for pitches in drum_classes.classes("reduced")]
    spec["dataConverter"]["args"] |= {"pitchClasses": classes, "tapify": False}
    written_out |= {"chordEncoder": None, "extraControls": [], **spec}
    folder = redescribed(exported, tmp_path / "folder", **written_out)
    assert magentajs.read(folder)[0].name == magentajs.read(exported.folder)[0].name


def test_the_step_of_a_training_does_not_disturb(exported, tmp_path):
    def with_step(group, folder):
        (folder / "step").write_bytes(np.array(9, "<i4").tobytes())
        group["paths"].append("step")
        group["weights"].append({"name": "global_step", "shape": [], "dtype": "int32"})

    read = magentajs.read(damaged(with_step, exported, tmp_path))[1]
    assert read.keys() == magentajs.read(exported.folder)[1].keys()


@pytest.mark.parametrize(
    "choice", [{"chordEncoder": "Foo"}, {"useBooleanDecoder": True}]
)
def test_a_choice_that_no_config_makes_is_named(choice, exported, tmp_path):
    folder = redescribed(exported, tmp_path / "folder", **choice)
    with pytest.raises(ExportError, match=next(iter(choice))):
        magentajs.read(folder)


def test_a_shard_that_is_a_link_out_of_the_folder_is_not_read(exported, tmp_path):
    shutil.copytree(exported.folder, tmp_path / "linked")
    shard = tmp_path / "linked" / "group1-shard1of1"
    shard.rename(tmp_path / "outside")
    shard.symlink_to(tmp_path / "outside")
    with pytest.raises(ExportError, match="link that leaves"):
        magentajs.read(tmp_path / "linked")


# One of each structure; Node computes all of them below.
STRUCTURES = (
    *("cat-mel_2bar_med_chords", "cat-drums_2bar_big", "groovae_2bar_humanize"),
    *("hier-mel_16bar", "hier-trio_16bar", "nade-drums_2bar_full"),
)


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_folder_becomes_a_checkpoint_again(name, tmp_path):
    original = Exported(name, tmp_path)
    config, arrays = magentajs.read(original.folder)
    assert magentajs_spec.spec(config) == original.spec()
    assert config.model == original.config.model
    weights = magentajs.restored_weights(original.config, original.run_dir)
    names = checkpoint.magenta_names(arrays)
    for ours, array in arrays.items():
        if names[ours] not in magentajs.SIGMA:
            np.testing.assert_array_equal(array, weights[names[ours]])


def test_the_commands_go_both_ways(exported, tmp_path, capsys):
    folder, run_dir = tmp_path / "js", tmp_path / "run"
    export = ["--format=magentajs", f"--run_dir={exported.run_dir}"]
    assert music_vae_export.run([*export, f"--output_dir={folder}"]) == 0
    assert "MB" in capsys.readouterr().out
    assert music_vae_export.run([*export, f"--output_dir={folder}"]) == 1
    assert "is not empty" in capsys.readouterr().err
    again = [*export, f"--output_dir={folder}", "--overwrite", "--quantize=uint8"]
    assert music_vae_export.run(again) == 0
    back = ["--format=checkpoint", f"--from_magentajs={folder}"]
    assert music_vae_export.run([*back, f"--output_dir={run_dir}"]) == 0
    assert "no sigma" in capsys.readouterr().out
    sample = [f"--run_dir={run_dir}", "--num_outputs=1", f"--output_dir={tmp_path}"]
    assert music_vae_generate.run(["--mode=sample", *sample]) == 0
    assert len(list(tmp_path.glob("*.mid"))) == 1


def test_a_checkpoint_of_another_config_is_refused(exported, tmp_path, capsys):
    flags = [
        *("--format=magentajs", "--config=cat-mel_2bar_small"),
        f"--checkpoint_file={exported.run_dir / 'train' / 'model.ckpt-0'}",
        f"--output_dir={tmp_path / 'out'}",
    ]
    assert music_vae_export.run(flags) == 1
    assert "does not fit the model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# In Magenta.js itself.


def expectations(exported):
    """What Magenta.js should compute, for inputs of our own."""
    model = TrainedModel(exported.config, 2, exported.run_dir, seed=0)
    converter, length = model.converter, exported.config.model.max_seq_len
    rng = np.random.default_rng(3)
    inputs = rng.integers(0, 2, (1, length, converter.inputs.depth)).astype(np.float32)
    controls = None
    if model.model.control_depth:
        controls = np.eye(model.model.control_depth, dtype=np.float32)
        controls = controls[rng.integers(0, len(controls), length)]
    segments = exported.spec()["dataConverter"]["args"].get("numSegments")
    lengths = [[length // segments] * segments] if segments else [length]
    given = None if controls is None else controls[None]
    mu = model.encode_tensors(inputs, np.asarray(lengths), given)[1]
    z = rng.normal(size=(2, model.z_size)).astype(np.float32)
    decoded = model.decode_to_tensors(z, length, GREEDY, controls)
    seen = inputs if controls is None else np.concatenate([inputs, controls[None]], 2)
    return {
        "inputs": seen.tolist(),
        "mu": mu.tolist(),
        "z": z.tolist(),
        "length": length,
        "controls": None if controls is None else controls.tolist(),
        "decoded": np.stack(decoded).tolist(),
        "chords": ["C"] if "chordEncoder" in exported.spec() else None,
        "hits": controls.tolist() if "extraControls" in exported.spec() else None,
    }


def test_magenta_js_computes_the_same(magenta_js, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in RUNNABLE:
        exported = Exported(name, tmp_path_factory.mktemp(name))
        shutil.move(exported.folder, folder / name)
        exported.folder = folder / name
        text = json.dumps(expectations(exported))
        (folder / name / "expected.json").write_text(text)
    result = subprocess.run(
        ["node", "models.mjs", folder],
        cwd=magenta_js,
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    rows = [json.loads(line) for line in lines]
    assert [row["name"] for row in rows] == sorted(RUNNABLE), result.stderr
    for row in rows:
        assert "error" not in row, row
        assert row["mu"] < 1e-5, row
        assert row["decoded"] == 0, row
        assert row["notes"] > 0, row
