"""The folder that a series is fetched into: nobody else's to read, and gone afterwards."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medcontour.dicomweb.address import Address
from medcontour.dicomweb.faults import Lost

__all__ = ["series_folder"]

_STALE_SECONDS = 24 * 3600


@contextmanager
def series_folder(address: Address) -> Iterator[Path]:
    """Give a folder (mode 0700) for a series, and remove it.

    It stays only when the connection was lost (`Lost`), so that the next run goes on from what
    was received; a run that comes a day later removes it. While another run uses it, and where
    there is no cache folder, it is a temporary one.
    """
    root = _root()
    folder = root / hashlib.sha256(address.text.encode()).hexdigest()[:32] if root else None
    lock = _lock(folder) if folder else None
    if folder is None or lock is None:
        with tempfile.TemporaryDirectory(prefix="medcontour-") as temporary:
            yield Path(temporary)
        return
    keep = False
    try:
        yield folder
    except Lost:
        keep = any(folder.glob("*.dcm"))
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _root() -> Path | None:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = base / "medcontour" / "dicomweb"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if root.stat().st_uid != os.geteuid():
            return None
        root.chmod(0o700)
        for folder in root.iterdir():
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return None
    return root


def _lock(folder: Path) -> int | None:
    """Make the folder and hold it; None while another run does."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(held), folder.stat()):  # not removed meanwhile
                return held
        except OSError:
            pass
        os.close(held)
    return None
