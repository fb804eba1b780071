"""A server in a thread, on a real socket, with a small classifier and two studies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import planted
import pytest
from planted_studies import write_spot_and_quiet

import medcontour as mc
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


@pytest.fixture(scope="session")
def setup() -> Setup:
    return Setup(planted.classifier(planted.Spots()), mc.Settings())


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    write_spot_and_quiet(folder)
    return folder


@pytest.fixture(scope="session")
def client(
    setup: Setup, studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Of a server that all tests of a module may use."""
    options = ServerOptions(tmp_path_factory.mktemp("served"), studies, port=0)
    with serving(setup, options) as made:
        yield made


@pytest.fixture
def serve(setup: Setup, tmp_path: Path) -> Iterator[Callable[[ServerOptions], httpx.Client]]:
    """Start servers with options of a test's own."""
    with ExitStack() as stack:
        yield lambda options: stack.enter_context(serving(setup, options))
