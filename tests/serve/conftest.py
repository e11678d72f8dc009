"""The application in this process, with the pretrained model and a small map."""

import pytest

pytest.importorskip("starlette", reason="left out: starlette is not installed")


@pytest.fixture(scope="session")
def models():
    from music_vae_tf.data import grooves
    from music_vae_tf.serve import playables

    return playables.Playables(None, lambda: (grooves.performances(12), "twelve"))


@pytest.fixture(scope="session")
def client(models):
    from starlette.testclient import TestClient

    from music_vae_tf.serve import app
    from music_vae_tf.serve.worker import Worker

    settings = app.Settings(max_upload_bytes=64 * 1024)
    application = app.application(models, Worker(), settings)
    with TestClient(
        application,
        base_url="http://127.0.0.1:8765",
        headers={"x-music-vae": "1"},
        raise_server_exceptions=False,
    ) as client:
        yield client
