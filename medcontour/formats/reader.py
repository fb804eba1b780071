"""What a format that is read back is, how such formats are found, and which one a file is of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content
from medcontour.formats.dicom.header import discreetly
from medcontour.formats.place import check_near
from medcontour.formats.shapes import Edited
from medcontour.plugins import READERS, load_all
from medcontour.privacy import keep_private
from medcontour.scan import Scan

__all__ = ["Reader", "read_edited", "readers"]


@dataclass(frozen=True)
class Reader:
    """A format that edited files are read in.

    A package adds one by an entry point in the group ``medcontour.readers`` that leads to an
    object of this class.

    Attributes
    ----------
    name
        What the user calls the format (``"rtstruct"``): the name of the entry point.
    what
        What such a file is, with its article, for messages (``"an RTSTRUCT"``).
    recognises
        Whether a file, or a folder, is of this format, by its content.
    read
        Reads it for the scan that it was drawn on. It raises `MedcontourError` for what does not
        belong to the scan; what else it raises means that the file is damaged.
    """

    name: str
    what: str
    recognises: Callable[[Content], bool]
    read: Callable[[Path, Scan], Edited]


def readers() -> dict[str, Reader]:
    """All installed formats that are read back, by name.

    Raises
    ------
    MedcontourError
        When one of them cannot be loaded; it names the package to mend or remove.

    Examples
    --------
    >>> readers()["rtstruct"].what
    'an RTSTRUCT'
    """
    return load_all(READERS, Reader, "reader")


def read_edited(path: str | os.PathLike[str], scan: Scan) -> Edited:
    """Read an edited file of any installed format, whoever edited it.

    Parameters
    ----------
    path
        The file; for markups it may be their folder, and a result folder stands for the
        ``suggestion.json`` in it.
    scan
        The scan that was drawn on.

    Raises
    ------
    MedcontourError
        When it cannot be read, is of another kind, or does not belong to the scan.
    """
    path = Path(path).expanduser()
    keep_private(path)
    known = readers()
    kinds = f"give {', '.join(r.what for r in known.values())}."
    try:
        with discreetly():
            reader = _find(Content.of(path), known, kinds)
            edited = reader.read(path, scan)
        check_near(edited, scan, path)
        return edited
    except MedcontourError:
        raise
    except FileNotFoundError as error:
        raise MedcontourError(f"{path} does not exist; check the path.") from error
    except MemoryError:
        raise
    except Exception as error:  # what the libraries raise at damaged files is anything
        raise MedcontourError(
            f"{path} cannot be read ({type(error).__name__}): it is damaged, truncated or of a "
            f"kind that is not known; {kinds}"
        ) from error


def _find(content: Content, known: dict[str, Reader], kinds: str) -> Reader:
    path = content.path
    if path.is_file() and not content.start:
        raise MedcontourError(f"{path} is an empty file; save it again.")
    for reader in known.values():
        if reader.recognises(content):
            return reader
    if path.is_dir():
        raise MedcontourError(f"The folder {path} holds nothing that is read back; {kinds}")
    if content.modality is not None:
        raise MedcontourError(f"{path} is a DICOM object of another kind; {kinds}")
    raise MedcontourError(f"{path} is of a kind that is not read back; {kinds}")
