"""Where the work is done: forms of a server and of this process, and what they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medcontour_client import Client, Study
from qtpy.QtWidgets import QFormLayout, QLineEdit, QWidget

__all__ = ["HereForm", "ServerForm"]


class HereForm(QWidget):
    """A classifier of one's own, in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = _line("a MONAI bundle's folder, or timm:NAME")
        self.target = _line("by default the only finding")
        self.slices = _line("all, or 10:20")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Classifier", self.classifier)
        form.addRow("Target", self.target)
        form.addRow("Slices", self.slices)

    def key(self) -> tuple[str, ...]:
        """What has to be the same, so that an engine can be used again."""
        return ("here", self.classifier.text(), self.target.text(), self.slices.text())

    def missing(self) -> str | None:
        """Say what has to be filled in first."""
        return None if self.classifier.text().strip() else "Name a classifier first."

    @staticmethod
    def engine(key: tuple[str, ...]) -> Any:
        """Load what `key` says."""
        from medcontour_napari.local import Local

        _, classifier, target, slices = key
        given = {"target": target.strip(), "slices": slices.strip()}
        return Local(classifier.strip(), {name: text for name, text in given.items() if text})

    @staticmethod
    def opened(engine: Any, place: str) -> Study:
        """Open a scan by its path."""
        study: Study = engine.open(place)
        return study


class ServerForm(QWidget):
    """A server, which `medcontour serve` starts."""

    def __init__(self) -> None:
        super().__init__()
        self.address = QLineEdit("http://127.0.0.1:8765")
        self.secret = _line("where the server demands one")
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Address", self.address)
        form.addRow("Key", self.secret)

    def key(self) -> tuple[str, ...]:
        """What has to be the same, so that an engine can be used again."""
        return ("server", self.address.text(), self.secret.text())

    def missing(self) -> str | None:
        """Say what has to be filled in first."""
        return None if self.address.text().strip() else "Give the server's address first."

    @staticmethod
    def engine(key: tuple[str, ...]) -> Client:
        """Make a client of the server."""
        _, address, secret = key
        return Client(address.strip(), secret.strip() or None)

    @staticmethod
    def opened(engine: Client, place: str) -> Study:
        """Upload a scan of this machine; what is none is a path in the server's folder."""
        return engine.upload(place) if Path(place).exists() else engine.open(place)


def _line(hint: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(hint)
    return line
