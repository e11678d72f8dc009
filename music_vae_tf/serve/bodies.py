"""Bodies of requests: read up to a limit, and what JSON is expected in them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from music_vae_tf.serve.errors import Refused, TooLarge, TooSlow

MAX_JSON_BYTES = 512 * 1024  # a shelf of 64 loops of 512 dimensions has 200 kB
BODY_SECONDS = 30.0
LARGEST_SEED = 2**31 - 1


async def read(request: Any, limit: int) -> bytes:
    """The body of a request.

    Raises:
        TooLarge: more bytes than the limit; the rest is not read.
        TooSlow: it does not arrive in time.
    """
    announced = request.headers.get("content-length", "0")
    is_number = announced.isascii() and announced.isdecimal()
    if is_number and (len(announced) > 18 or int(announced) > limit):
        raise _too_large(limit)
    try:
        return await asyncio.wait_for(_received(request, limit), BODY_SECONDS)
    except asyncio.TimeoutError as error:
        raise TooSlow(f"the upload took longer than {BODY_SECONDS:g} s") from error


async def _received(request, limit):
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit):
    return TooLarge(f"too large: at most {limit / 2**20:.3g} MiB are accepted")


async def read_json(request: Any) -> Fields:
    """The object in a request's body.

    Raises:
        Refused: it is not JSON, or not an object.
    """
    return Fields(parsed(await read(request, MAX_JSON_BYTES)))


def parsed(body: bytes) -> Any:
    """JSON without NaN and infinity, which Python's reader would accept.

    Raises:
        Refused: it is none.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("the request is not JSON") from error


def _no_constant(name):
    raise ValueError(name)


class Fields:
    """An object of JSON, whose fields are read one by one, each with its limits."""

    def __init__(self, content: Any):
        """
        Raises:
            Refused: it is not an object.
        """
        if not isinstance(content, dict):
            raise Refused("a JSON object is expected")
        self.content = content

    def __contains__(self, name: str) -> bool:
        return self.content.get(name) is not None

    def only(self, known: Iterable[str]) -> None:
        """
        Raises:
            Refused: a field has another name.
        """
        unknown = sorted(set(self.content) - set(known))
        if unknown:
            raise Refused(
                f"unknown field {unknown[0][:40]!r}; known are {', '.join(known)}"
            )

    def number(self, name: str, low: float, high: float, default=None) -> float:
        """A number from `low` to `high`; without a default it is required."""
        value = self.content.get(name, default)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # A comparison, unlike a conversion, takes integers of any size.
        if not is_number or not low <= value <= high or not math.isfinite(value):
            raise Refused(f"{name}: a number from {low} to {high} is expected")
        return float(value)

    def integer(self, name: str, low: int, high: int, default=None) -> int:
        """A whole number from `low` to `high`."""
        value = self.number(name, low, high, default)
        if value != int(value):
            raise Refused(f"{name}: a whole number is expected")
        return int(value)

    def text(self, name: str, default=None) -> str:
        """A text of at most 200 characters."""
        value = self.content.get(name, default)
        if not isinstance(value, str) or len(value) > 200:
            raise Refused(f"{name}: a short text is expected")
        return value

    def fields(self, name: str) -> Fields:
        """An object within; an empty one where it is missing."""
        return Fields(self.content.get(name, {}))

    def objects(self, name: str, most: int) -> list[Fields]:
        """A list of objects, from one to `most`."""
        value = self.content.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise Refused(f"{name}: a list of 1 to {most} is expected")
        return [Fields(one) for one in value]

    def numbers(self, name: str, count: int, limit: float) -> list[float]:
        """A list of `count` numbers, none further from 0 than the limit."""
        value = self.content.get(name)
        if not isinstance(value, list) or len(value) != count:
            raise Refused(f"{name}: {count} numbers are expected")
        item = Fields({f"{name}[{i}]": one for i, one in enumerate(value)})
        return [item.number(f"{name}[{i}]", -limit, limit) for i in range(count)]

    def vector(self, name: str, size: int) -> np.ndarray:
        """A latent vector [size] in base64 of float32, little endian."""
        text = self.content.get(name)
        if not isinstance(text, str):
            raise Refused(f"{name}: a latent vector in base64 is expected")
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            data = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            raise Refused(f"{name}: no base64") from error
        if len(data) != 4 * size:
            raise Refused(
                f"{name}: {len(data)} bytes, and {4 * size} are expected: a latent "
                "vector of another model"
            )
        vector = np.frombuffer(data, "<f4").astype(np.float32)
        if not np.isfinite(vector).all() or np.abs(vector).max(initial=0) > 100:
            raise Refused(f"{name}: numbers from -100 to 100 are expected")
        return vector

    def names(self) -> list[str]:
        """The names of all fields."""
        return list(self.content)


def encoded(vector: np.ndarray) -> str:
    """The text that `Fields.vector` reads, without padding, for an address."""
    data = np.asarray(vector, "<f4").tobytes()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
