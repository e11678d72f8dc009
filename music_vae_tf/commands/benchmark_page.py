"""How soon a loop of `music_vae_serve` sounds: its notes are here, and scheduled."""

from __future__ import annotations

import http.client
import importlib.resources
import json
import re
import statistics
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import NamedTuple

from music_vae_tf.commands.benchmark_worker import end_of, environment
from music_vae_tf.commands.command import UserError

REQUESTS = 200
WARM = 5  # the first ones are not measured


class Latency(NamedTuple):
    """Seconds from many requests to their sound.

    That is until the notes are here, and as long as the page schedules sound ahead.
    What a browser and its audio device add is not measured: a test of the page does.
    """

    median: float
    p95: float


def measure(log: Path, requests: int = REQUESTS) -> Latency:
    """Starts the server with its first model, and asks for one loop after another.

    log: a file for what the server prints.

    Raises:
        UserError: the server does not start.
    """
    lines = (
        "import sys; from music_vae_tf.commands.music_vae_serve import run; "
        "sys.exit(run(['--port=0']))"
    )
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-c", lines], stdout=file, stderr=file, env=environment()
        )
    try:
        return _latency(_address(server, log), requests)
    finally:
        server.terminate()
        server.wait()


def _address(server, log):
    while server.poll() is None:
        if found := re.search(rb"Open (http://\S+) in", log.read_bytes()):
            return urllib.parse.urlsplit(found[1].decode()).netloc
        time.sleep(0.1)
    raise UserError(f"music_vae_serve failed:\n{end_of(log)}")


def _latency(netloc, requests) -> Latency:
    connection = http.client.HTTPConnection(netloc, timeout=60)
    connection.request("GET", "/api/models")
    model = json.loads(connection.getresponse().read())["default"]
    seconds = [_seconds(connection, model, i) for i in range(WARM + requests)][WARM:]
    connection.close()
    ahead_s = scheduled_ahead_s()
    seconds = [one + ahead_s for one in seconds]
    ranks = statistics.quantiles(seconds, n=20, method="inclusive")
    return Latency(statistics.median(seconds), ranks[-1])


def scheduled_ahead_s() -> float:
    """How long before its sound the page schedules a note, as its own code has it."""
    static = importlib.resources.files("music_vae_tf.serve") / "static"
    code = (static / "player.js").read_text(encoding="utf-8")
    return float(re.search(r"\bSTART_S = ([\d.]+)", code)[1])


def _seconds(connection, model, seed):
    body = json.dumps({"model": model, "where": {"draw": seed}, "seed": seed})
    start_s = time.perf_counter()
    connection.request("POST", "/api/sample", body, {"x-music-vae": "1"})
    response = connection.getresponse()
    notes = json.loads(response.read())["notes"]
    assert response.status == 200 and isinstance(notes, list)
    return time.perf_counter() - start_s
