"""A small HTTP proxy on the loopback that stands before a real server and misbehaves on request."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Those of a connection, and what would pack the bodies that are changed on the way.
LEFT_OUT = ("connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str] = field(hash=False)

    @property
    def image(self) -> bool:
        """Whether it asks for a whole object."""
        return self.method == "GET" and "/instances/" in self.path and "frames" not in self.path


@dataclass(frozen=True)
class Answer:
    """What is done in place of passing on, or to what the server answered."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: float = 0.0
    change: Callable[[bytes], bytes] | None = None
    half: bool = False  # of the body, then the connection is closed
    instead: str | None = None  # another path to ask the server for
    after: bool = False  # the server does what was asked, and no answer comes back


@dataclass
class FaultProxy:
    """`rule` says how each request is misbehaved upon, None to pass it on; `seen` are all."""

    dicomweb: str
    rule: Callable[[Request], Answer | None] = lambda request: None
    seen: list[Request] = field(default_factory=list)

    def asked(self, method: str = "GET", word: str = "") -> list[str]:
        """Paths that were asked for."""
        return [r.path for r in self.seen if r.method == method and word in r.path]


def _kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in LEFT_OUT}


@contextmanager
def fault_proxy(upstream_port: int, tls: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """Serve on a free port of 127.0.0.1, before the server at `upstream_port`.

    With `tls` it speaks HTTPS, as the gateway of a hospital does.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, sent: bytes) -> None:
            request = Request(self.command, self.path, dict(self.headers))
            proxy.seen.append(request)
            fault = proxy.rule(request) or Answer()
            time.sleep(fault.wait)
            if fault.status is not None:
                self._send(fault.status, fault.headers, fault.body)
                return
            try:
                status, found, body = self._pass_on(fault.instead or self.path, sent)
            except OSError:  # the server is gone
                self.close_connection = True
                return
            if fault.after:
                self.close_connection = True
                return
            body = fault.change(body) if fault.change else body
            self._send(status, found, body, half=fault.half)

        def _pass_on(self, path: str, sent: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=30)
            try:
                connection.request(self.command, path, sent, _kept(self.headers.items()))
                response = connection.getresponse()
                return response.status, _kept(response.getheaders()), response.read()
            finally:
                connection.close()

        def _send(
            self, status: int, headers: dict[str, str], body: bytes, half: bool = False
        ) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if half else body)
            except OSError:
                pass  # the client gave up waiting
            if half:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up
    if tls is not None:
        # The handshake is the handler's thread's, so that a client that fails it stops no other.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if tls is None else "https"
    proxy = FaultProxy(f"dicomweb+{scheme}://127.0.0.1:{server.server_port}/dicom-web")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
