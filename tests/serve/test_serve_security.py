"""Who may ask the server, what its answers forbid a browser, and which files exist."""

import re

import pytest

from music_vae_tf.serve import security
from music_vae_tf.serve.app import static_files

SAMPLE = {"model": "groovae_2bar_humanize", "where": {"draw": 1}}
PATHS = ["/", "/static/app.js", "/static/nothing.js", "/api/models", "/nothing"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8765", "localhost"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:8765", "[::1]"),
        ("[::1]", "[::1]"),
        ("evil.example:8765", "evil.example"),
    ],
)
def test_the_port_is_not_a_part_of_a_host_name(host, name):
    assert security.name_of(host) == name


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::2]"]
)
def test_a_foreign_name_is_refused_though_it_leads_here(client, host):
    response = client.get("/", headers={"host": host})
    assert response.status_code == 403
    assert "address does not belong" in response.json()["error"]


@pytest.mark.parametrize("host", ["localhost:8765", "[::1]:8765", "127.0.0.1:8765"])
def test_names_of_this_machine_are_accepted(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_requests_of_another_site_are_refused(client, headers):
    response = client.post("/api/sample", json=SAMPLE, headers=headers)
    assert response.status_code == 403
    assert "other web sites" in response.json()["error"]


def test_a_form_of_another_site_lacks_the_header(client):
    request = client.build_request("POST", "/api/sample", json=SAMPLE)
    del request.headers["x-music-vae"]
    response = client.send(request)
    assert response.status_code == 403
    assert "x-music-vae" in response.json()["error"]


def test_a_browser_that_asks_before_it_sends_is_not_answered_as_another_site_wants(
    client,
):
    response = client.options(
        "/api/sample",
        headers={"origin": "http://evil.example", "x-music-vae": "1"},
    )
    assert response.status_code == 403
    assert not [h for h in response.headers if h.startswith("access-control")]


def test_the_page_itself_may_ask(client):
    origin = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert client.post("/api/sample", json=SAMPLE, headers=origin).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(client, path):
    headers = client.get(path).headers
    for name, value in security.HEADERS.items():
        assert headers[name] == value


def test_refusals_and_failures_have_the_headers(client):
    for response in (
        client.get("/", headers={"host": "evil.example"}),
        client.post("/api/sample", content=b"{"),
        client.delete("/api/sample"),
    ):
        assert response.status_code in (400, 403, 405)
        policy = response.headers["content-security-policy"]
        assert policy == security.CONTENT_SECURITY


def test_the_policy_allows_nothing_inline_and_nobody_to_frame():
    assert "unsafe" not in security.CONTENT_SECURITY
    assert "frame-ancestors 'none'" in security.CONTENT_SECURITY
    assert "default-src 'none'" in security.CONTENT_SECURITY


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fsetup.py", "%2e%2e/app.py", "../app.py", "/etc/passwd", "app.py", "."],
)
def test_no_path_of_a_request_reaches_the_file_system(client, name):
    response = client.get(f"/static/{name}")
    assert response.status_code == 404
    assert set(response.json()) == {"error"}


def test_all_that_the_page_loads_is_in_the_package():
    files = static_files()
    assert len(files) >= 10
    for name, content in files.items():
        text = content.decode()
        loaded = re.findall(r'(?:src|href|from|import)\s*[=(]?\s*"(/[^"]*)"', text)
        for path in loaded:
            assert path.removeprefix("/static/") in files, (name, path)
        outside = re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"']+", text)
        assert not outside, (name, outside)


def test_the_page_has_nothing_that_its_policy_forbids():
    text = static_files()["index.html"].decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
