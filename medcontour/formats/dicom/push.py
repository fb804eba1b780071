"""A result folder's DICOM objects to the archive that the scan came from."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from medcontour.dicomweb import Stored, is_address, parse_address, store
from medcontour.errors import MedcontourError
from medcontour.formats.dicom.written import written_objects
from medcontour.results.model import Suggestion
from medcontour.scan.quiet import quietly

__all__ = ["push"]


def push(
    folder: str | os.PathLike[str],
    to: str | None = None,
    formats: Collection[str] | None = None,
) -> list[Stored]:
    """Store the DICOM objects of a result folder in an archive, by DICOMweb (STOW-RS).

    The archive is asked first: what it has is not sent again, so that a second call changes
    nothing. The objects join the scan's study.

    Parameters
    ----------
    folder
        What `suggest`, `refine` or `Suggestion.save` wrote, with ``rtstruct.dcm``, ``seg.dcm`` or
        other DICOM objects in it.
    to
        The archive, ``dicomweb+https://HOST/ROOT``; by default the one that the scan was read
        from.
    formats
        Which of the objects, by export format; by default all that the folder holds.

    Returns
    -------
    list of Stored
        Each object, and whether it was there before.

    Raises
    ------
    MedcontourError
        When the folder holds no DICOM object, or one that is not of its ``suggestion.json``;
        when the archive refuses one (with its reason), or cannot be asked. It says what was
        stored by then; the same call stores the rest.

    Examples
    --------
    >>> import medcontour as mc
    >>> mc.push("out/")  # doctest: +SKIP
    [Stored(file='seg.dcm', ...), Stored(file='rtstruct.dcm', ...)]
    """
    folder = Path(folder)
    suggestion = Suggestion.read_json(folder)
    where = to or suggestion.scan_path
    if not is_address(where):
        raise MedcontourError(
            f"The scan of {folder} was not read from an archive; say which one is meant "
            "(dicomweb+https://HOST/ROOT)."
        )
    objects = {
        name: found
        for name, found in written_objects(folder, suggestion).items()
        if formats is None or name in formats
    }
    for found in objects.values():
        if not found.current:
            raise MedcontourError(
                f"{found.path} is of another run than the suggestion.json beside it, or was "
                "edited; nothing was stored. Export it again, or move it away."
            )
    if not objects:
        raise MedcontourError(
            f"{folder} holds no DICOM object to store; export rtstruct or seg first."
        )
    with quietly():
        return store((found.path for found in objects.values()), parse_address(str(where)))
