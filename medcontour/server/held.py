"""Scans that are held in memory, the least used of which make room."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from medcontour.limits import memory_limit
from medcontour.scan import Scan
from medcontour.server.bounds import Bounds

__all__ = ["HeldScans"]


class HeldScans:
    """Read once, and given again until they are idle or others need the memory.

    Parameters
    ----------
    read
        Reads a study's scan.
    bounds
        How many are held, and for how long.
    now
        The time in seconds.
    """

    def __init__(
        self,
        read: Callable[[str], Scan],
        bounds: Bounds,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._bounds, self._now = read, bounds, now
        self._held: OrderedDict[str, tuple[Scan, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    def scan(self, study: str) -> Scan:
        """Give a study's scan; others are read one after the other."""
        held = self._get(study)
        if held is not None:
            return held
        with self._reading:
            held = self._get(study)
            if held is None:
                held = self._read(study)
                with self._lock:
                    self._held[study] = held, self._now()
                    self._make_room()
        return held

    def forget(self, study: str) -> None:
        """Let go of a scan."""
        with self._lock:
            self._held.pop(study, None)

    def sweep(self) -> None:
        """Let go of idle scans."""
        last = self._now() - self._bounds.idle_seconds
        with self._lock:
            for study in [s for s, (_, used) in self._held.items() if used < last]:
                del self._held[study]

    def _get(self, study: str) -> Scan | None:
        with self._lock:
            if study not in self._held:
                return None
            scan, _ = self._held[study]
            self._held[study] = scan, self._now()
            self._held.move_to_end(study)
            return scan

    def _make_room(self) -> None:
        limit = memory_limit()
        while len(self._held) > 1 and (
            len(self._held) > self._bounds.scans
            or sum(scan.voxels.nbytes for scan, _ in self._held.values()) > limit
        ):
            self._held.popitem(last=False)
