"""What a request may contain: each field has limits, and JSON has no infinity."""

import asyncio

import numpy as np
import pytest

from music_vae_tf.serve import bodies
from music_vae_tf.serve.bodies import Fields
from music_vae_tf.serve.errors import Refused, TooLarge, TooSlow

DEEP = b"[" * 100_000
BODIES = [b"", b"\xff", b"{", b"[1, 2", DEEP, b"NaN", b'{"a": Infinity}', b"9" * 9999]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_what_is_not_json_is_refused(body):
    with pytest.raises(Refused, match="not JSON"):
        bodies.parsed(body)


@pytest.mark.parametrize("content", [None, 3, [], "text", True])
def test_what_is_not_an_object_is_refused(content):
    with pytest.raises(Refused, match="object"):
        Fields(content)


@pytest.mark.parametrize(
    "value", [None, "1", True, [], {}, -1, 11, 10**400, float("nan"), float("inf")]
)
def test_what_is_not_a_number_within_its_limits_is_refused(value):
    with pytest.raises(Refused, match=r"size: a number from 0 to 10"):
        Fields({"size": value}).number("size", 0, 10)


def test_a_number_within_its_limits_is_read():
    assert Fields({"size": 3}).number("size", 0, 10) == 3.0
    assert Fields({}).number("size", 0, 10, 5) == 5.0
    assert Fields({"size": 7.0}).integer("size", 0, 10) == 7


def test_a_fraction_is_not_a_whole_number():
    with pytest.raises(Refused, match="whole"):
        Fields({"size": 1.5}).integer("size", 0, 10)


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(Refused, match="'colour'; known are size"):
        Fields({"colour": 1}).only(["size"])


def test_a_latent_vector_comes_back_bit_by_bit():
    z = np.random.default_rng(0).standard_normal(256).astype(np.float32)
    read = Fields({"z": bodies.encoded(z)}).vector("z", 256)
    assert read.tobytes() == z.tobytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "base64"),
        ("é", "base64"),
        ("AAA", "8 are expected"),
        (bodies.encoded(np.zeros(3, np.float32)), "12 bytes, and 8 are expected"),
        (bodies.encoded(np.array([1, np.nan], np.float32)), "-100 to 100"),
        (bodies.encoded(np.array([1, 1e9], np.float32)), "-100 to 100"),
    ],
)
def test_what_is_not_a_latent_vector_of_the_model_is_refused(text, words):
    with pytest.raises(Refused, match=words):
        Fields({"z": text}).vector("z", 2)


@pytest.mark.parametrize("value", [None, [], [1], [1, 2, 3], [1, "2"], [1, 99], "ab"])
def test_what_is_not_a_place_of_the_map_is_refused(value):
    with pytest.raises(Refused, match="xy"):
        Fields({"xy": value}).numbers("xy", 2, 10)


class Arriving:
    """A request whose body comes in chunks, and then no more."""

    def __init__(self, *chunks, ends=True, **headers):
        self.headers, self._chunks, self._ends = headers, chunks, ends

    async def stream(self):
        for chunk in self._chunks:
            yield chunk
        if not self._ends:
            await asyncio.sleep(60)


def test_a_body_is_read_whole():
    assert asyncio.run(bodies.read(Arriving(b"ab", b"", b"c"), 3)) == b"abc"


@pytest.mark.parametrize(
    "request_",
    [Arriving(b"ab", b"cd"), Arriving(**{"content-length": "4"}, ends=False)],
    ids=["as it comes", "announced"],
)
def test_a_body_above_its_limit_is_not_read_further(request_):
    with pytest.raises(TooLarge, match="at most"):
        asyncio.run(bodies.read(request_, 3))


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    with pytest.raises(TooSlow, match=r"0\.05 s"):
        asyncio.run(bodies.read(Arriving(b"a", ends=False), 3))
