"""A server that runs until it is stopped."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn

from medcontour.errors import MedcontourError
from medcontour.server.app import make_app
from medcontour.server.head_timeout import protocol_with_timeout
from medcontour.server.options import ServerOptions
from medcontour.server.service import Service, open_service
from medcontour.workspace import Setup

__all__ = ["Server", "listening_socket", "serve"]

ENDING_SECONDS = 5
"""That requests have to end in, once the server is to stop."""


def serve(
    setup: Setup, options: ServerOptions, started: Callable[[str], None] | None = None
) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM); running jobs wait for next time.

    Parameters
    ----------
    setup
        The classifier, and the settings of every study.
    options
        Where it listens, and which clients it lets in.
    started
        Called with the server's address once it listens.

    Raises
    ------
    MedcontourError
        Where it cannot listen there, or another server uses its folder.

    Examples
    --------
    >>> serve(Setup("bundle/", Settings()), ServerOptions(Path("kept")))  # doctest: +SKIP
    """
    with listening_socket(options) as listening, open_service(setup, options) as service:
        Server(service, started, _address(options, listening)).run(sockets=[listening])


def listening_socket(options: ServerOptions) -> socket.socket:
    """Take the port, before anything is loaded.

    Raises
    ------
    MedcontourError
        Where it is taken, or may not be used.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host, options.port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise MedcontourError(
            f"The server cannot listen on {options.host}, port {options.port} "
            f"({getattr(error, 'strerror', None) or error}); choose another port (--port)."
        ) from error
    return listening


class Server(uvicorn.Server):
    """Says when it listens, and lets go of running jobs when it is to stop."""

    def __init__(self, service: Service, told: Callable[[str], None] | None, address: str) -> None:
        config = uvicorn.Config(
            make_app(service),
            http=protocol_with_timeout(service.options.bounds.head_seconds),
            log_level=logging.WARNING,
            access_log=False,  # what is looked at is nobody's business
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=service.options.bounds.connections,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=ENDING_SECONDS,
        )
        super().__init__(config)
        self._service, self._told, self._address = service, told, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        if self._told is not None:
            self._told(self._address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of the running job first: clients that follow it would not end."""
        self._service.jobs.stop(0)
        await super().shutdown(sockets)


def _address(options: ServerOptions, listening: socket.socket) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{host}:{listening.getsockname()[1]}/"
