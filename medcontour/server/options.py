"""Where a server listens, who may come in, and what it shows."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from medcontour.dicomweb import parse_address
from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.server.bounds import BOUNDS, Bounds

__all__ = ["KEY_VARIABLE", "ServerOptions", "read_key"]

KEY_VARIABLE = "MEDCONTOUR_KEY"
"""The environment variable that holds the key, where no file does."""

LEAST_KEY = 16
"""Characters of a key."""


@dataclass(frozen=True)
class ServerOptions:
    """What a server is started with, beside classifier and settings.

    Attributes
    ----------
    folder
        Where it keeps suggestions, edits, uploads and jobs.
    studies
        The folder whose scans may be opened by their path; None for uploads and archives alone.
    archives
        Addresses of DICOMweb services (``dicomweb+https://HOST/ROOT``) that may be read from.
    host, port
        Where it listens; port 0 is any that is free.
    key
        What clients have to show; None only on the loopback interface.
    names
        Further names that clients may know it by, as ``Host`` says them, without a port.
    bounds
        What clients can cost.

    Raises
    ------
    MedcontourError
        For a folder that is not there, a malformed address, a key that is missing or short.
    """

    folder: Path
    studies: Path | None = None
    archives: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8765
    key: str | None = None
    names: tuple[str, ...] = ()
    bounds: Bounds = BOUNDS

    def __post_init__(self) -> None:
        if self.studies is not None and not self.studies.is_dir():
            raise MedcontourError(
                f"There is no folder {self.studies}; give the one that holds the scans (--studies)."
            )
        for archive in self.archives:
            parse_address(archive)
        if self.key is None and not self.loopback:
            raise MedcontourError(
                f"On {self.host} others on the network can connect, so a key is needed: write one "
                f"of {LEAST_KEY} characters or more to a file and give it (--key-file), or set "
                f"{KEY_VARIABLE}."
            )
        if self.key is not None and (len(self.key) < LEAST_KEY or not self.key.isascii()):
            raise MedcontourError(
                f"The key is too short or holds other than ASCII characters; give {LEAST_KEY} "
                "characters or more."
            )

    @property
    def loopback(self) -> bool:
        """Whether nobody outside this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def known_as(self) -> frozenset[str]:
        """Names and addresses that a request may be sent to."""
        own = {self.host.strip("[]").lower(), *(name.lower() for name in self.names)}
        return frozenset(own | {"127.0.0.1", "localhost", "::1"})


def read_key(file: Path | None) -> str | None:
    """Give the key in a file, or in the environment; None for none.

    Raises
    ------
    MedcontourError
        When the file cannot be read.
    """
    if file is None:
        return os.environ.get(KEY_VARIABLE) or None
    try:
        return read_text(file).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MedcontourError(
            f"The key file {file} cannot be read; write the key to it, as text of one line."
        ) from error
