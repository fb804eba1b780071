"""A timeout for the head of a request: uvicorn waits for ever for it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["protocol_with_timeout"]


def protocol_with_timeout(seconds: float) -> type[asyncio.Protocol]:
    """Give HTTP/1.1 as uvicorn speaks it, with a time limit.

    Parameters
    ----------
    seconds
        From the connection, or from the first byte of a later request, until a head has come.
    """

    class WithTimeout(H11Protocol):
        _limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._look()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._no_limit()

        def _look(self) -> None:
            """Set the limit while a head is on its way, and no longer."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._no_limit()
            elif self._limit is None:
                self._limit = self.loop.call_later(seconds, self.transport.close)

        def _no_limit(self) -> None:
            if self._limit is not None:
                self._limit.cancel()
                self._limit = None

    return WithTimeout
