"""The server as a process: its socket, its models, and its end."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

from music_vae_tf.serve.errors import CannotServe

log = logging.getLogger("music_vae_tf")

MOST_CONNECTIONS = 256
SECONDS_TO_END = 3  # for answers that are being sent


def require_libraries() -> None:
    """
    Raises:
        CannotServe: starlette or uvicorn is not installed.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise CannotServe(
            f"the page needs {error.name}: pip install 'music_vae_tf[serve]'"
        ) from error


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket of an address; port 0 takes one that is free.

    Raises:
        CannotServe: the port is in use, or there is no such address.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError, UnicodeError) as error:
        raise CannotServe(_why(error, host, port)) from error
    with opened:
        yield opened


def _why(error, host, port):
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            f"--port={port}: the port is in use at {host}; another music_vae_serve may "
            "be running. --port=0 takes one that is free"
        )
    if number in (errno.EACCES, errno.EPERM):
        return f"--port={port}: not allowed; ports from 1024 on are"
    return f"--host={host}: {getattr(error, 'strerror', None) or error}"


def address_of(opened: socket.socket, host: str) -> str:
    """What to open in a browser."""
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else shown(host)
    return f"http://{name}:{opened.getsockname()[1]}/"


def shown(host: str) -> str:
    """A host as it stands in an address: `::1` -> `[::1]`."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def serve(app: Any, opened: socket.socket, started: Callable[[], None]) -> None:
    """Answers requests until SIGINT or SIGTERM.

    started: is called when the first request can come.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=SECONDS_TO_END,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32 * 1024,
        ws="none",
        lifespan="off",
        http="h11",
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started()

    # uvicorn raises the signal again when it has ended.
    with contextlib.suppress(KeyboardInterrupt):
        Server(config).run(sockets=[opened])
