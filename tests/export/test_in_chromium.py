"""A page in Chromium, without network, plays an exported model in Magenta.js."""

import functools
import http.server
import json
import shutil
import threading

import pytest
from magenta_js import JS, Exported

PROGRAMS = "chromium", "chromium-browser", "google-chrome"
SECONDS = 60
SECONDS_OF_FOUR_BARS = 8.1  # at 120 beats a minute, and an offset
PITCHES = 36, 38, 42, 46, 45, 48, 50, 49, 51  # of the nine drums


class Server(http.server.SimpleHTTPRequestHandler):
    """The page, Magenta.js and a model."""

    def __init__(self, *arguments, files, **options):
        self.files = files
        super().__init__(*arguments, **options)

    def translate_path(self, path):
        folder, _, name = path.removeprefix("/").rpartition("/")
        return str(self.files[folder or name] / name if folder else self.files[name])

    def log_message(self, *_):
        pass


@pytest.fixture
def origin(magenta_js, tmp_path):
    files = {
        "page.html": JS / "page.html",
        "magentamusic.js": magenta_js
        / "node_modules/@magenta/music/dist/magentamusic.js",
        "favicon.ico": tmp_path / "none",
        "model": Exported("groovae_4bar", tmp_path).folder,
    }
    handler = functools.partial(Server, files=files)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def browser():
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="left out: pip install selenium"
    )
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    chromedriver = shutil.which("chromedriver")
    if program is None or chromedriver is None:
        pytest.skip("left out: Chromium and chromedriver are not on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        *("headless=new", "no-sandbox", "disable-dev-shm-usage"),
        # No name and no address leads anywhere but this machine's own.
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


def test_a_page_in_chromium_samples_a_groove_and_shows_its_notes(origin, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{origin}/page.html")
    page = lambda name: browser.find_element("tag name", "html").get_attribute(name)
    WebDriverWait(browser, SECONDS).until(lambda _: page("data-state"))
    assert page("data-state") == "shown", page("data-result")
    result = json.loads(page("data-result"))
    assert result["notes"]
    starts = [note.get("startTime", 0) for note in result["notes"]]
    assert max(starts) < SECONDS_OF_FOUR_BARS
    assert {note["pitch"] for note in result["notes"]} <= set(PITCHES)
    shown = browser.find_elements("css selector", "#notes rect")
    assert len(shown) == len(result["notes"])
    assert all(rect.size["width"] > 0 for rect in shown)
    loaded = [address.removeprefix(origin) for address in result["loaded"]]
    assert "/model/group1-shard1of1" in loaded
    assert not [address for address in loaded if "://" in address]
