"""A server in a thread, on a real socket, with a small classifier and two studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from planted_studies import setup, studies
from server_thread import serving

from medcontour.server import ServerOptions
from medcontour.workspace import Setup

__all__ = ["setup", "studies"]


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
