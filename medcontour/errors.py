"""What a user can cause and mend, and writing files whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["MedcontourError", "replacing"]

_LONGEST = 8000


class MedcontourError(Exception):
    r"""An error that a user can mend: one plain sentence with what, where and the remedy.

    The command line prints its text and exits with 1. The text never holds a patient's
    name, identifier or birth date. What a damaged file puts into it (line breaks, control
    characters, text without end) does not come out of it: it stays one line of a bounded length.

    Examples
    --------
    >>> str(MedcontourError("There is no label \"a\nb\"; choose another."))
    'There is no label "a b"; choose another.'
    """

    def __init__(self, sentence: str) -> None:
        plain = "".join(letter if letter.isprintable() else " " for letter in sentence)
        if len(plain) > _LONGEST:
            plain = f"{plain[: _LONGEST // 2]} ... {plain[-_LONGEST // 2 :]}"
        super().__init__(plain)


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
