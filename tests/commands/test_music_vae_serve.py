"""`music_vae_serve`: its beginning, its end, and what it refuses."""

import signal
import socket
import sys
import urllib.request

import pytest
from served import serving
from untrained_runs import untrained_run

from music_vae_tf.commands import music_vae_serve

pytest.importorskip("uvicorn", reason="left out: uvicorn is not installed")


@pytest.fixture
def taken():
    """A port of this machine that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_an_error_at_once(taken, capsys):
    assert music_vae_serve.run([f"--port={taken}"]) == 1
    words = capsys.readouterr().err
    assert f"--port={taken}: the port is in use at 127.0.0.1" in words
    assert "--port=0" in words and "Loading" not in words


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_an_address_of_another_machine_is_an_error(host, capsys):
    flags = [f"--host={host}", "--port=0"]
    assert music_vae_serve.run(flags) == 1
    assert f"--host={host}" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--port=70000", "--max_queue=0", "--max_upload_mb=0"])
def test_a_number_beyond_its_limits_is_misuse(flag):
    assert music_vae_serve.run([flag]) == 2


def test_a_config_without_a_latent_space_is_refused(tmp_path, capsys):
    run = untrained_run(tmp_path / "run", "cat-mel_2bar_med_chords")
    assert music_vae_serve.run([f"--run_dir={run}", "--port=0"]) == 1
    assert "conditioned" in capsys.readouterr().err


def test_a_soundfont_that_is_not_there_is_an_error(capsys):
    assert music_vae_serve.run(["--soundfont=/nothing.sf2", "--port=0"]) == 1
    assert "/nothing.sf2" in capsys.readouterr().err


def test_what_is_missing_is_named_with_its_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert music_vae_serve.run(["--port=0"]) == 1
    assert "pip install 'music_vae_tf[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_signal_ends_it(number, groove_records, tmp_path):
    run = untrained_run(tmp_path / "run", "groovae_2bar_humanize")
    flags = f"--run_dir={run}", f"--examples_path={groove_records}"
    with serving(tmp_path / "log", *flags) as served:
        assert urllib.request.urlopen(served.address).status == 200
        status, content = served.ask("GET", "/api/models")
        assert status == 200 and b'"default":"own"' in content
        assert served.end(number) == 0
        rest = served.process.stderr.read()
    assert "Traceback" not in rest and rest.endswith("Ended\n")
