"""The application in this process, and the page of a server in Chromium."""

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


@pytest.fixture(scope="session")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def chromium(downloads):
    import browser

    driver = browser.start(downloads)
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium, served):
    from browser import Page

    page = Page(chromium)
    page.errors()  # of the test before
    page.forget(served.address)
    return page.open(served.address)
