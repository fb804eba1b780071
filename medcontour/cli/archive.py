"""Results to an archive that speaks DICOMweb: what `--push` and the command `push` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour.errors import MedcontourError

if TYPE_CHECKING:
    from medcontour.dicomweb import Stored
    from medcontour.results import Saved

__all__ = ["formats_to_push", "push_written", "tell_stored"]

_DEFAULT = ["rtstruct", "seg", "sr"]


def formats_to_push(asked: Sequence[str] | None, scan: str | None) -> list[str]:
    """Say which formats are stored: those asked for that are DICOM objects.

    Raises
    ------
    MedcontourError
        When none of them is one, or the scan was not read from an archive.
    """
    from medcontour.dicomweb import is_address
    from medcontour.formats.dicom.written import dicom_formats

    if not is_address(scan):
        raise MedcontourError(
            "--push stores in the archive that the scan was read from, and this one is a file; "
            "store its results with `medcontour push OUT --to dicomweb+https://HOST/ROOT`."
        )
    known = dicom_formats()
    formats = _DEFAULT if asked is None else [name for name in asked if name in known]
    if not formats:
        raise MedcontourError(
            f"--push stores DICOM objects; add one of {', '.join(known)} to --export."
        )
    return formats


def push_written(saved: Saved, out: Path, to: str | None) -> list[Stored]:
    """Store the DICOM objects that were just written, none where nothing was found."""
    from medcontour.formats.dicom.written import dicom_formats

    written = [name for name, filename in dicom_formats().items() if filename in saved.files]
    return mc.push(out, to, written) if written else []


def tell_stored(stored: Sequence[Stored]) -> None:
    """Say what is in the archive now."""
    new = [each.file for each in stored if not each.before]
    old = [each.file for each in stored if each.before]
    said = [
        *([f"Stored {', '.join(new)} in the archive."] if new else []),
        *([f"There already, and not sent again: {', '.join(old)}."] if old else []),
    ]
    text = " ".join(said) or "There was nothing to store in the archive."
    Console(soft_wrap=True, highlight=False).print(escape(text))
