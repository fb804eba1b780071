"""Work beside the viewer: one thing at a time in a thread, with its progress, until cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from medcontour_client import ServerError, Step
from qtpy.QtCore import QObject, Signal

from medcontour_napari.geometry import NotOnTheScan

__all__ = ["Cancelled", "Task"]

Progress = Callable[[Step], None]


class Cancelled(Exception):
    """The reader wanted no more of it."""


class Task(QObject):
    """Does work in a thread; its signals come in the viewer's own.

    Signals
    -------
    stepped
        What is done, how much of it, and how much there is.
    failed
        One plain sentence.
    ended
        After the result was taken, or after a failure; nothing runs any more.
    """

    stepped = Signal(str, int, int)
    failed = Signal(str)
    ended = Signal()
    _came = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._came.connect(self._take)

    @property
    def running(self) -> bool:
        """Whether something is being done."""
        return self._thread is not None

    def start(self, work: Callable[[Progress], Any], then: Callable[[Any], None]) -> None:
        """Do work, and give its result to `then` in the viewer's thread."""
        if self.running:
            self.failed.emit("Something else is being done; wait for it, or cancel it.")
            return
        self._cancelled.clear()
        self._thread = threading.Thread(target=self._do, args=(work, then), daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Let go at the work's next step."""
        self._cancelled.set()

    def wait(self, seconds: float) -> None:
        """Wait for the thread alone: its result is taken when the viewer comes to it."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _do(self, work: Callable[[Progress], Any], then: Callable[[Any], None]) -> None:
        try:
            self._came.emit(then, work(self._report))
        except Exception as error:
            self._came.emit(None, _sentence(error))

    def _report(self, step: Step) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        self.stepped.emit(step.what, step.done, step.most)

    def _take(self, then: Callable[[Any], None] | None, found: Any) -> None:
        self._thread = None
        try:
            if then is None:
                self.failed.emit(found)
            else:
                then(found)
        except NotOnTheScan as error:
            self.failed.emit(str(error))
        finally:
            self.ended.emit()


def _sentence(error: Exception) -> str:
    """Say what is wrong; the text of a library's error could hold anything, a name too."""
    if isinstance(error, Cancelled):
        return "Cancelled."
    if isinstance(error, (ServerError, NotOnTheScan)) or type(error).__name__ == "MedcontourError":
        return str(error)
    if isinstance(error, ImportError):
        return (
            "medcontour is not installed beside napari: use a server, or install it "
            "(pip install medcontour)."
        )
    return f"The work failed ({type(error).__name__}); try again, or report it."
