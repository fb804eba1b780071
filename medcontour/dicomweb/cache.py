"""The folder that a series is fetched into: nobody else's to read, and gone afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

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
    lock = _held(folder) if folder else None
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
        lock.release()


def _root() -> Path | None:
    base = user_cache_path("medcontour", appauthor=False)
    try:
        for folder in (base / "dicomweb", base / "locks"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Windows keeps a user's cache from others; it has no numbers of users to compare.
            if hasattr(os, "geteuid") and folder.stat().st_uid != os.geteuid():
                return None
            folder.chmod(0o700)
            for entry in folder.iterdir():
                if time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                    _remove(entry)
    except OSError:
        return None
    return base / "dicomweb"


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def _held(folder: Path) -> FileLock | None:
    """Make the folder and hold it; None while another run does."""
    lock = FileLock(folder.parent.with_name("locks") / folder.name, mode=0o600)
    try:
        lock.acquire(timeout=0)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.touch()  # in use from now on: another run does not take it for stale
    except (OSError, Timeout):
        lock.release()
        return None
    return lock
