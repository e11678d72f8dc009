"""Who may ask, and what a browser may do with the answers.

A page of another web site reaches a server on 127.0.0.1, too:

- by a form or a script: refused by `Origin` and by a header that only this page's
  script sets
- under a name that resolves to 127.0.0.1 (DNS rebinding): refused by `Host`
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from music_vae_tf.serve.errors import Forbidden, Refused

# A header for which a browser asks first, where another site sends it: it is refused.
OWN_HEADER = "x-music-vae"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # of frame-ancestors, for old browsers
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """Checks each request, and adds `HEADERS` to each response. An ASGI middleware."""

    def __init__(self, app: Any, hosts: Iterable[str] = LOCAL):
        """hosts: names under which the server is reached, without ports."""
        self._app, self._hosts = app, frozenset(host.lower() for host in hosts)
        self._headers = [(k.encode(), v.encode()) for k, v in HEADERS.items()]

    async def __call__(self, scope, receive, send):
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_guarded(message):
            if message["type"] == "http.response.start":
                own = {name for name, _ in self._headers}
                others = [h for h in message["headers"] if h[0].lower() not in own]
                message = {**message, "headers": others + self._headers}
            await send(message)

        try:
            self.check(scope)
        except Refused as refusal:
            from starlette.responses import JSONResponse

            response = JSONResponse({"error": str(refusal)}, refusal.status)
            return await response(scope, receive, send_guarded)
        return await self._app(scope, receive, send_guarded)

    def check(self, scope) -> None:
        """
        Raises:
            Forbidden: another name than the server's, or a request of another site.
        """
        headers = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(
                value.decode("latin-1")
            )
        hosts = headers.get("host", [])
        if len(hosts) != 1 or name_of(hosts[0]) not in self._hosts:
            raise Forbidden(
                "this address does not belong to the server: open it under one of "
                f"{', '.join(sorted(self._hosts))}, or name yours with --allowed_hosts"
            )
        origins = headers.get("origin", [])
        if any(origin not in _origins(hosts[0]) for origin in origins):
            raise Forbidden("requests of other web sites are refused")
        if headers.get("sec-fetch-site", ["none"])[0] == "cross-site" and (
            scope["path"] != "/"  # a link on another page may lead here
        ):
            raise Forbidden("requests of other web sites are refused")
        if scope["method"] not in ("GET", "HEAD") and OWN_HEADER not in headers:
            raise Forbidden(
                f"a request that changes something has a header {OWN_HEADER}"
            )


def _origins(host):
    return f"http://{host}", f"https://{host}"


def name_of(host: str) -> str:
    """`localhost:8765` -> `localhost`; `[::1]:8765` -> `[::1]`."""
    host = host.lower()
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.rsplit(":", 1)[0] if ":" in host else host
