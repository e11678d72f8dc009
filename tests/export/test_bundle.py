"""Bundles and folders for the Hub: same bytes, own config, checksums."""

import http.server
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from small_models import seeded_weights, small

from music_vae_tf import build, checkpoint
from music_vae_tf import config as configs
from music_vae_tf.checkpoint import CheckpointError, hub
from music_vae_tf.commands import music_vae_export, music_vae_generate
from music_vae_tf.export import magentajs

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "groovae_4bar"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "run"
    config = small(NAME)
    magentajs.write_run(folder, config, seeded_weights(config))
    (folder / "README.md").write_text("# A card\n")
    return folder


def exported(kind, run_dir, folder, *more):
    arguments = [f"--format={kind}", f"--run_dir={run_dir}", f"--output_dir={folder}"]
    assert music_vae_export.run([*arguments, *more]) in (0, None)
    return folder


@pytest.fixture(scope="module")
def bundle(run_dir):
    return exported("bundle", run_dir, run_dir.parent / "one") / f"{NAME}.tar"


def generated(checkpoint_file, folder):
    arguments = [f"--checkpoint_file={checkpoint_file}", f"--output_dir={folder}"]
    status = music_vae_generate.run(["--mode=sample", "--num_outputs=1", *arguments])
    assert status in (0, None)
    return list(folder.rglob("*.mid"))


def test_the_same_weights_give_the_same_bytes(bundle, run_dir, tmp_path):
    again = exported("bundle", run_dir, tmp_path / "two") / f"{NAME}.tar"
    assert again.read_bytes() == bundle.read_bytes()


def test_a_bundle_has_the_weights_the_config_the_card_and_their_sums(
    bundle, run_dir, tmp_path
):
    with tarfile.open(bundle) as tar:
        tar.extractall(tmp_path, filter="data")
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, check=True)
    assert (tmp_path / "README.md").read_text() == "# A card\n"
    config = configs.parse((tmp_path / "config.yaml").read_text(), NAME)
    assert config.model == small(NAME).model
    packed, trained = checkpoint.read(bundle), checkpoint.read(run_dir)
    assert "global_step" in packed
    for name, array in packed.items():
        np.testing.assert_array_equal(array, trained[name])


def test_a_bundle_is_played_without_its_config_being_named(bundle, tmp_path):
    assert generated(bundle, tmp_path / "generated")


def test_a_bundle_of_another_config_is_refused(bundle, tmp_path, capsys):
    arguments = [f"--checkpoint_file={bundle}", "--config=cat-mel_2bar_big"]
    arguments += ["--format=onnx", f"--output_dir={tmp_path}/out"]
    assert music_vae_export.run(arguments) in (1, 2)
    assert f"holds a model of config {NAME}" in capsys.readouterr().err


def test_safetensors_of_another_config_are_refused(run_dir, tmp_path, capsys):
    folder = exported("safetensors", run_dir, tmp_path / "compact")
    arguments = [f"--checkpoint_file={folder / NAME}.safetensors"]
    arguments += ["--format=magentajs", f"--output_dir={tmp_path}/out"]
    assert music_vae_export.run([*arguments, "--config=cat-mel_2bar_big"]) in (1, 2)
    assert f"holds a model of config {NAME}" in capsys.readouterr().err
    assert music_vae_export.run([*arguments, "--hparams=z_size=8"]) in (1, 2)
    assert "does not fit the model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_pretrained_model_with_other_hyperparameters_is_refused(tmp_path, capsys):
    """Though its weights would fit."""
    arguments = [f"--config={NAME}", "--format=onnx", f"--output_dir={tmp_path}/out"]
    assert music_vae_export.run([*arguments, "--hparams=max_seq_len=16"]) in (1, 2)
    assert "max_seq_len: 64 before, 16 now" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_overwriting_removes_nothing_but_an_export(run_dir, tmp_path, capsys):
    folder = exported("safetensors", run_dir, tmp_path / "out")
    exported("bundle", run_dir, folder, "--overwrite")
    assert [file.name for file in folder.iterdir()] == [f"{NAME}.tar"]
    (folder / ".git").mkdir()
    arguments = ["--format=bundle", "--overwrite"]
    mine = [f"--run_dir={run_dir}", f"--output_dir={folder}"]
    assert music_vae_export.run([*arguments, *mine]) in (1, 2)
    assert "holds .git, which is of no export" in capsys.readouterr().err
    assert (folder / ".git").is_dir()
    source = [f"--run_dir={run_dir}", f"--output_dir={run_dir.parent}"]
    assert music_vae_export.run([*arguments, *source]) in (1, 2)
    assert "holds what is exported" in capsys.readouterr().err
    assert run_dir.is_dir()


@pytest.mark.parametrize(
    "flags",
    [
        ["--format=bundle", "--quantize=uint8"],
        ["--format=magentajs", "--bits=8"],
        ["--format=checkpoint", "--from_magentajs=folder", "--hparams=z_size=8"],
    ],
)
def test_a_flag_without_effect_is_refused(flags, tmp_path, capsys):
    arguments = [*flags, f"--output_dir={tmp_path / 'out'}"]
    assert music_vae_export.run(arguments) in (1, 2)
    assert "has no effect on" in capsys.readouterr().err


def test_a_folder_that_holds_another_export_is_kept(bundle, run_dir, capsys):
    before = bundle.read_bytes()
    arguments = ["--format=onnx", f"--run_dir={run_dir}"]
    arguments += [f"--output_dir={bundle.parent}"]
    assert music_vae_export.run(arguments) in (1, 2)
    assert "--overwrite" in capsys.readouterr().err
    assert bundle.read_bytes() == before


def test_a_bundle_whose_weights_changed_is_refused(bundle, tmp_path):
    content = bytearray(bundle.read_bytes())
    with tarfile.open(bundle) as tar:
        data = next(m for m in tar if ".data-" in m.name)
    content[data.offset_data + 8] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.read(damaged)


@pytest.fixture(scope="module")
def tokens_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens") / "run"
    config = small("musicvae_groove_tokens_small")
    magentajs.write_run(folder, config, seeded_weights(config))
    vocabulary = build.converter(config).token_vocabulary
    checkpoint.keep_vocabulary(folder / "train", vocabulary)
    return folder


@pytest.mark.parametrize("format", ["bundle", "huggingface"])
def test_a_vocabulary_goes_along_and_another_one_is_refused(
    format, tokens_run, tmp_path
):
    folder = exported(format, tokens_run, tmp_path / "out")
    (path,) = [*folder.glob("*.tar"), *folder.glob("*.safetensors")]
    kept = (tokens_run / "train" / "vocabulary.json").read_text()
    assert checkpoint.companions(path) == {"vocabulary.json": kept}
    if format == "huggingface":
        assert (folder / "vocabulary.json").read_text() == kept
    vocabulary = build.converter(small("musicvae_groove_tokens_small")).token_vocabulary
    checkpoint.check_vocabulary(path, vocabulary)
    other = vocabulary._replace(tokens=("x", *vocabulary.tokens[1:]))
    with pytest.raises(CheckpointError, match="token 0 is"):
        checkpoint.check_vocabulary(path, other)


# The Hugging Face Hub.


@pytest.fixture(scope="module")
def hub_folder(run_dir):
    return exported("huggingface", run_dir, run_dir.parent / "hub")


def test_a_folder_for_the_hub_has_card_config_and_weights(hub_folder):
    names = {file.name for file in hub_folder.iterdir()}
    assert names == {"README.md", "config.yaml", hub.WEIGHTS}
    card = (hub_folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: music_vae_tf\n")
    assert card.endswith("# A card\n")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub's interface as a download of one file needs."""

    folder: Path

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        file = self.folder / self.path.rsplit("/", 1)[1]
        found = self.path.startswith("/user/model/resolve/main/") and file.is_file()
        content = file.read_bytes() if found else b""
        self.send_response(200 if found else 404)
        if not found:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub_environment(hub_folder, tmp_path):
    handler = type("HubOfFolder", (Hub,), {"folder": hub_folder})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    server.shutdown()


def test_a_model_of_the_hub_is_played_by_its_address(hub_environment, tmp_path):
    command = [sys.executable, "-m", "music_vae_tf.commands.music_vae_generate"]
    command += ["--mode=sample", "--num_outputs=1", f"--output_dir={tmp_path}/out"]
    model = "--checkpoint_file=hf://user/model"
    subprocess.run([*command, model], check=True, env=hub_environment)
    assert list((tmp_path / "out").rglob("*.mid"))
    absent = [*command, "--checkpoint_file=hf://user/absent"]
    done = subprocess.run(absent, env=hub_environment, capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert "hf://user/absent has no model.safetensors" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["hf://user", "hf://a/b/c", "hf://../x@"])
def test_malformed_addresses_are_refused(address):
    with pytest.raises(CheckpointError, match="expected hf://user/repository"):
        hub.download(address)
