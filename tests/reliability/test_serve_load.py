"""The server under load: many at once, damaged uploads, and memory that stays."""

import collections
import concurrent.futures
import http.client
import io
import json
import time
from pathlib import Path

import midi_bytes
import numpy as np
import pytest
import song_files

MODEL = "groovae_2bar_humanize"
TRANSFORM = f"/api/transform?model={MODEL}"
PLACE = f"/api/place?model={MODEL}"
AT_ONCE, REQUESTS = 20, 200
MIB = 2**20
MAX_GROWTH = 0.05


def resident_bytes(process):
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("left out: /proc, which shows memory, is not on this system")
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def beat_file(bars=2):
    buffer = io.BytesIO()
    song_files.song(song_files.track(song_files.beat(bars))).save(file=buffer)
    return buffer.getvalue()


def sample(served, seed, connection=None):
    body = {"model": MODEL, "where": {"draw": seed}, "seed": seed}
    return served.ask("POST", "/api/sample", body, connection)


def test_two_hundred_requests_twenty_at_a_time_without_an_error(served, figure):
    expected = [json.loads(sample(served, seed)[1]) for seed in range(5)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda i: sample(served, i % 5), range(REQUESTS)))
    assert [status for status, _ in answers] == [200] * REQUESTS
    # One thread samples in turn: nobody receives another one's loop.
    for number, (_, content) in enumerate(answers):
        assert json.loads(content) == expected[number % 5]
    figure(
        "The page answers many at once, each with its own loop",
        f"{REQUESTS} requests, {AT_ONCE} at a time: {REQUESTS} answers, no error",
    )


def fuzzed(rng, number):
    """A MIDI file with some bytes changed, inserted, left out, or cut off; or noise."""
    if number % 10 == 0:
        return rng.integers(256, size=rng.integers(1, 2000), dtype=np.uint8).tobytes()
    data = bytearray(beat_file(1 + number % 3))
    for _ in range(rng.integers(1, 12)):
        at = rng.integers(len(data))
        kind = rng.integers(4)
        if kind == 0:
            data[at] = rng.integers(256)
        elif kind == 1:
            data[at:at] = bytes(rng.integers(256, size=3, dtype=np.uint8))
        elif kind == 2:
            del data[at : at + rng.integers(1, 8)]
        elif number % 3 == 0:
            del data[at:]
        data = data or bytearray(b"M")
    return bytes(data)


def check_upload(served, path, data):
    start = time.monotonic()
    status, content = served.ask("POST", path, data)
    answer = json.loads(content)
    assert status in (200, 422), (status, answer, data.hex())
    assert status == 200 or answer["error"], data.hex()
    assert time.monotonic() - start < 30, data.hex()
    return status


def test_every_damaged_upload_has_a_result_or_a_reason(served, amount, figure):
    rng, found = np.random.default_rng(0), collections.Counter()
    for number in range(amount(45, 500)):
        path = (TRANSFORM, PLACE, "/api/song.wav")[number % 3]
        data = fuzzed(rng, number)
        if path == "/api/song.wav":
            status, content = served.ask("POST", path, data)
            assert status in (200, 422), (status, content[:200], data.hex())
        else:
            status = check_upload(served, path, data)
        found[status] += 1
    # Both kinds were tried; a small share of the long version may lack one.
    assert found.total() < 45 or (found[422] > 5 and found[200] > 5)
    figure(
        "Every damaged upload to the page has a result or a reason",
        f"{found.total()} uploads: {found[200]} results, {found[422]} refused (422)",
    )


def hostile():
    """Files that cost more than they should: `name: bytes`."""
    hit = b"\x99\x24\x64", b"\x89\x24\x40"
    far = midi_bytes.midi(midi_bytes.track((0, hit[0]), (2**27, hit[1])))
    metre = midi_bytes.metre(0, 0, 2), midi_bytes.metre(0, 1, 31)
    slow = midi_bytes.tempo(0, 2**24 - 1)
    strokes = [(i * 2, hit[i % 2]) for i in range(60_000)]
    return {
        "a note of hours": far,
        "a bar of nothing": midi_bytes.midi(
            midi_bytes.track(metre[0], (0, hit[0]), (9600, hit[1]))
        ),
        "bars without end": midi_bytes.midi(
            midi_bytes.track(metre[1], (0, hit[0]), (96000, hit[1]))
        ),
        "slow": midi_bytes.midi(midi_bytes.track(slow, (0, hit[0]), (48000, hit[1]))),
        "no time": midi_bytes.midi(
            midi_bytes.track((0, hit[0]), (480, hit[1])), division=0
        ),
        "frames": midi_bytes.midi(
            midi_bytes.track((0, hit[0]), (480, hit[1])), division=0xE728
        ),
        "a type of patterns": midi_bytes.midi(
            midi_bytes.track((0, hit[0]), (480, hit[1])), kind=2
        ),
        "type 0 with two tracks": midi_bytes.midi(
            *[midi_bytes.track((0, hit[0]), (480, hit[1]))] * 2, kind=0
        ),
        "a type that does not exist": midi_bytes.midi(
            midi_bytes.track((0, hit[0]), (480, hit[1])), kind=0x2601
        ),
        "many notes": midi_bytes.midi(midi_bytes.track(*strokes)),
        "a chunk that lies": midi_bytes.chunk(b"MThd", b"\0\1\0\1\1\0", 2**31),
        "many tracks": midi_bytes.midi(*[midi_bytes.track((0, hit[0]))] * 3000),
    }


HOSTILE = hostile()


@pytest.mark.parametrize("path", [TRANSFORM, PLACE], ids=["transform", "place"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_claims_too_much_has_a_result_or_a_reason(served, name, path):
    check_upload(served, path, HOSTILE[name])


@pytest.mark.parametrize(
    ("path", "size"), [(TRANSFORM, 2 * MIB), (PLACE, 2 * MIB), ("/api/sample", 2 * MIB)]
)
def test_a_body_that_is_too_large_is_not_read(served, path, size):
    before = resident_bytes(served.process)
    connection = http.client.HTTPConnection(served.netloc, timeout=30)
    connection.putrequest("POST", path)
    connection.putheader("x-music-vae", "1")
    connection.putheader("content-length", str(size * 1000))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert "too large" in json.loads(response.read())["error"]
    connection.close()
    assert resident_bytes(served.process) - before < 16 * MIB


def grown_by(served, work, count):
    """How many bytes the server grows by, once it is warm."""
    for number in range(count // 4):
        work(number)
    before = resident_bytes(served.process)
    for number in range(count):
        work(number)
    return resident_bytes(served.process) - before


def everything(served):
    """One request of each kind, by its number."""
    data = beat_file()

    def work(number):
        loop = {"model": MODEL, "where": {"draw": number}, "seed": number}
        requests = [
            lambda: served.ask("POST", "/api/sample", loop),
            lambda: served.ask("POST", f"{TRANSFORM}&seed={number}", data),
            lambda: served.ask("POST", "/api/file/wav", loop),
            lambda: served.ask("POST", "/api/file/mid", loop),
            lambda: served.ask("GET", f"/api/sounds?drum=1&pitches={35 + number % 40}"),
            lambda: served.ask("GET", "/"),
        ]
        status, content = requests[number % len(requests)]()
        assert status == 200, content[:200]

    return work


def test_memory_stays_over_many_samples(served):
    work = lambda number: sample(served, number)
    assert grown_by(served, work, 100) < 24 * MIB


@pytest.mark.long
def test_memory_stays_over_requests_of_all_kinds(served, amount, figure):
    work, count = everything(served), amount(0, 1_000)
    for number in range(300):  # sounds fill their own, limited memory
        work(number)
    grown = grown_by(served, work, count)
    share = grown / (resident_bytes(served.process) - grown)
    assert share < MAX_GROWTH
    figure(
        "Memory does not grow as a training or sampling goes on",
        f"{count:,} requests of all kinds to the page: {100 * share:+.1f} %",
    )


def test_the_server_still_answers_after_connections_that_say_nothing(served):
    idle = [http.client.HTTPConnection(served.netloc) for _ in range(50)]
    for connection in idle:
        connection.connect()
        connection.sock.sendall(b"POST /api/transform HTTP/1.1\r\nhost: ")
    assert sample(served, 1)[0] == 200
    for connection in idle:
        connection.close()
