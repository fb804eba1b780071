"""Who comes in: names, origins, keys, versions, and bodies of a bounded size and time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medcontour.limits import readable_size
from medcontour.server.options import ServerOptions
from medcontour.server.problems import Problem

__all__ = ["API", "API_HEADER", "UPLOADS", "Guard"]

API = "1"
"""The version of the interface: another number means that older clients do not understand it."""

API_HEADER = "Medcontour-Api"
"""What client and server send with each message, so that both see what the other speaks."""

UPLOADS = re.compile(r"/api/(?:uploads|studies/[^/]+/edit/file)/?")
"""Paths whose bodies are scans or edited files."""

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    API_HEADER: API,
}


class Guard:
    """Stands before the application (ASGI): what does not fit never reaches it.

    Parameters
    ----------
    app
        What it guards.
    options
        Names, key and bounds.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app, self._options = app, options
        self._key = None if options.key is None else _hashed(options.key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers[name] = value
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
            bounded = self._bounded(scope, headers, receive)
        except Problem as problem:
            await _say(problem, sealed)
            return
        await self._app(scope, bounded, sealed)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or _name(host) not in self._options.known_as:
            raise Problem(
                421, "The server is not known by this name; start it with the name (--name)."
            )
        api = scope["path"].startswith("/api/")
        origin = headers.get("origin")
        own = origin is None or urlsplit(origin).netloc.lower() == host.lower()
        site = headers.get("sec-fetch-site", "none")
        if not own or (api and site not in ("none", "same-origin")):
            raise Problem(403, "Pages of other sites may not use this server.")
        if not api:
            return
        self._check_key(headers)
        spoken = headers.get(API_HEADER)
        if spoken is not None and spoken != API:
            raise Problem(
                400,
                f"The client speaks version {spoken[:20]!r} of the interface and this server "
                f"version {API}; install client and server of the same version.",
            )

    def _check_key(self, headers: Headers) -> None:
        if self._key is None:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(_hashed(given.strip()), self._key):
            raise Problem(401, "The key is missing or wrong; send it as Authorization: Bearer KEY.")

    def _bounded(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """Give `receive` with bounds on how much comes, and how fast."""
        bounds = self._options.bounds
        upload = UPLOADS.fullmatch(scope["path"]) is not None
        most = bounds.upload_bytes if upload else bounds.body_bytes
        until = time.monotonic() + (bounds.upload_seconds if upload else bounds.body_seconds)
        said = headers.get("content-length", "")
        if said.isdecimal() and int(said) > most:
            raise Problem(413, _too_large(most))
        came, ended = 0, False

        async def bounded() -> Message:
            nonlocal came, ended
            if ended:
                return await receive()
            left = min(until - time.monotonic(), bounds.silence_seconds)
            try:
                message = await asyncio.wait_for(receive(), max(left, 0))
            except asyncio.TimeoutError:
                raise HTTPException(
                    408, "The request came too slowly; send it again.", {"Connection": "close"}
                ) from None
            ended = not message.get("more_body", False)
            came += len(message.get("body", b""))
            if came > most:
                raise HTTPException(413, _too_large(most), {"Connection": "close"})
            return message

        return bounded


def _too_large(most: int) -> str:
    return f"The request holds more than the {readable_size(most)} allowed; send less."


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    name = re.sub(r":\d+$", "", host.strip().lower())
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


async def _say(problem: Problem, send: Send, more: Mapping[str, str] | None = None) -> None:
    headers = {"content-type": "application/json"} | dict(more or {})
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    body = json.dumps({"error": str(problem)}).encode()
    await send({"type": "http.response.body", "body": body})
