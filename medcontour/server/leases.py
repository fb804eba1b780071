"""Leases: one client at a time may change a study, for as long as it is heard of."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from medcontour.server.bounds import Bounds
from medcontour.server.problems import Problem

__all__ = ["Leases"]


class Leases:
    """Who may change which study. A lease that nobody uses ends by itself.

    Parameters
    ----------
    bounds
        How many there may be, and after how many seconds an idle one ends.
    now
        The time in seconds.
    """

    def __init__(self, bounds: Bounds, now: Callable[[], float] = time.monotonic) -> None:
        self._bounds, self._now = bounds, now
        self._held: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def take(self, study: str) -> str:
        """Give a lease of a study.

        Raises
        ------
        Problem
            While another client has it, and where there are too many.
        """
        with self._lock:
            self._drop_idle()
            if any(of == study for of, _ in self._held.values()):
                raise Problem(
                    409,
                    "Another client edits this study; try again when it has given it back, or "
                    f"after {self._bounds.idle_seconds:.0f} seconds without a sign of it.",
                )
            if len(self._held) >= self._bounds.leases:
                raise Problem(503, "Too many studies are edited at once; try again later.")
            lease = secrets.token_hex(16)
            self._held[lease] = study, self._now()
            return lease

    def renew(self, lease: str) -> str:
        """Say that a client is still there, and give its study.

        Raises
        ------
        Problem
            Where there is no such lease (any more).
        """
        with self._lock:
            self._drop_idle()
            if lease not in self._held:
                raise Problem(404, "There is no such lease, or it has ended; take a new one.")
            study, _ = self._held[lease]
            self._held[lease] = study, self._now()
            return study

    def check(self, lease: str | None, study: str) -> None:
        """Refuse a client without a lease of the study, and renew one's that has it.

        Raises
        ------
        Problem
            With status 409.
        """
        try:
            held = None if lease is None else self.renew(lease)
        except Problem:
            held = None
        if held != study:
            raise Problem(
                409,
                "Changing a study needs a lease of it; take one (POST /api/leases) and send it as "
                "Medcontour-Lease.",
            )

    def give_back(self, lease: str) -> None:
        """End a lease.

        Raises
        ------
        Problem
            Where there is no such lease (any more).
        """
        self.renew(lease)
        with self._lock:
            self._held.pop(lease, None)

    def is_held(self, study: str) -> bool:
        """Whether a client has a study."""
        with self._lock:
            self._drop_idle()
            return any(of == study for of, _ in self._held.values())

    def _drop_idle(self) -> None:
        last = self._now() - self._bounds.idle_seconds
        self._held = {lease: held for lease, held in self._held.items() if held[1] >= last}
