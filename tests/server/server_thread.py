"""A server in a thread of the tests, on a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from medcontour.server import ServerOptions
from medcontour.server.run import Server, listening_socket
from medcontour.server.service import open_service
from medcontour.workspace import Setup


@contextmanager
def serving(setup: Setup, options: ServerOptions) -> Iterator[httpx.Client]:
    """Serve until the block ends; a client of it."""
    with listening_socket(options) as listening, open_service(setup, options) as service:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        began = threading.Event()
        server = Server(service, lambda _: began.set(), url)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert began.wait(30)
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
