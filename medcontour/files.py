"""Writing: a file appears under its name only when it is whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medcontour.errors import MedcontourError
from medcontour.privacy import keep_private

__all__ = ["make_folder", "replacing"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` once the block succeeds.

    A file so appears under its name only when it is whole; what stood there before stays until
    then, and a failed block leaves nothing behind.

    Parameters
    ----------
    path
        The file to write. Its folder must exist.

    Raises
    ------
    MedcontourError
        When the file cannot be written (no such folder, no permission, a full disk).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    final = Path(path)
    keep_private(final)
    # The suffixes stay at the end: several writers choose the format (or gzip) by them.
    try:
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=final.name, dir=final.parent)
        os.close(handle)
    except OSError as error:
        raise MedcontourError(
            f"{final} cannot be written ({error.strerror}); choose another folder."
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    except OSError as error:
        raise MedcontourError(
            f"{final} could not be written ({error.strerror or error}); "
            "nothing was left there: free some space or choose another folder."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(out: str | Path) -> Path:
    """Make a result folder if it is not there.

    Raises
    ------
    MedcontourError
        When it cannot be made.
    """
    folder = Path(out)
    keep_private(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedcontourError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another."
        ) from error
    return folder
