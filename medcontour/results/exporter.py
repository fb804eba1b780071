"""What an export format is, and how formats are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medcontour.errors import MedcontourError
from medcontour.plugins import EXPORTERS, find, found, load_all

if TYPE_CHECKING:
    from medcontour.results.model import Suggestion
    from medcontour.scan.scan import Scan

__all__ = [
    "Exporter",
    "NothingToWrite",
    "always",
    "export",
    "exporters",
    "find_exporter",
    "format_names",
    "is_picture",
    "on_request",
    "refusal",
]

WHAT = "export format"
IN_PLANE_MM = 1e-3


class NothingToWrite(MedcontourError):
    """The suggestion has no contour that this format would hold; no file was written."""


def always(scan: Scan) -> bool:
    """Write the format unless others are asked for, whatever the scan."""
    return True


def on_request(scan: Scan) -> bool:
    """Write the format only where it is asked for by its name."""
    return False


def nothing_lost(scan: Scan) -> str | None:
    """Nothing of a scan is left empty in the format."""
    return None


def is_picture(scan: Scan) -> bool:
    """Whether the scan is a plain image (PNG, JPEG, TIFF), without a grid in patient space."""
    return scan.grid is None


@dataclass(frozen=True)
class Exporter:
    """A format that suggestions are written in.

    A package adds one by an entry point in the group ``medcontour.exporters`` that leads to an
    object of this class.

    Attributes
    ----------
    name
        What the user calls the format (``"rtstruct"``): the name of the entry point.
    filename
        The file, or folder, it is written to in a result folder.
    write
        Writes the suggestion to a path, whole or not at all; raises `NothingToWrite` when no
        contour would be in it and the format has no meaning then.
    refuses
        Why a scan cannot be written in this format, as the beginning of a sentence, or None. It
        needs no suggestion: ask before the classifier runs.
    for_people
        Whether it is for reading (pictures, the report), and so shows findings that are no better
        than random places as well, marked. Other formats hold only what is suggested.
    by_default
        Whether a scan that can be written in it is, when no formats are asked for.
    leaves_empty
        What of the scan's own header stands empty in the format though the scan has it, as a
        sentence that does not repeat it, or None.
    for_surfaces
        Whether it holds closed surfaces: it is written by default where a finding has one.
    """

    name: str
    filename: str
    write: Callable[[Suggestion, Scan, Path], object]
    refuses: Callable[[Scan], str | None]
    for_people: bool = False
    by_default: Callable[[Scan], bool] = always
    leaves_empty: Callable[[Scan], str | None] = nothing_lost
    for_surfaces: bool = False


def exporters() -> dict[str, Exporter]:
    """All installed formats, by name.

    Raises
    ------
    MedcontourError
        When one of them cannot be loaded; it names the package to mend or remove.

    Examples
    --------
    >>> exporters()["rtstruct"].filename
    'rtstruct.dcm'
    """
    return load_all(EXPORTERS, Exporter, WHAT)


def format_names() -> list[str]:
    """List the names of all installed formats; none of them is loaded.

    Examples
    --------
    >>> "rtstruct" in format_names()
    True
    """
    return list(found(EXPORTERS))


def refusal(scan: Scan, name: str) -> str | None:
    """Say why `scan` cannot be written in the format `name`, and which formats can, or None.

    Raises
    ------
    MedcontourError
        When there is no format of that name.
    """
    reason = find_exporter(name).refuses(scan)
    if reason is None:
        return None
    known = exporters().values()
    kinds = (e for e in known if not (e.for_people or e.for_surfaces))
    works = [e.name for e in kinds if e.refuses(scan) is None]
    return (
        f"{reason}, so the scan cannot be written as {name}; formats that work: {', '.join(works)}."
    )


def export(suggestion: Suggestion, scan: Scan, name: str, path: str | Path) -> None:
    """Write a suggestion for `scan` in the format `name`, whole or not at all.

    Parameters
    ----------
    suggestion
        Already filtered by `Suggestion.for_export`: every contour in it is written.
    scan
        The scan that the suggestion was made for.
    name
        A format's name, one of `exporters`.
    path
        The file to write, or the folder for a format of several files.

    Raises
    ------
    NothingToWrite
        When the suggestion has no contour for this format; nothing is written then.
    MedcontourError
        When the format is unknown or refuses the scan, when the suggestion was made for another
        scan, or when the path cannot be written.
    """
    exporter = find_exporter(name)
    sentence = refusal(scan, name)
    if sentence is not None:
        raise MedcontourError(sentence)
    _check_match(suggestion, scan)
    exporter.write(suggestion, scan, Path(path))


def find_exporter(name: str) -> Exporter:
    """Give the format of a name.

    Raises
    ------
    MedcontourError
        When there is none, or it cannot be loaded.
    """
    return find(EXPORTERS, name, Exporter, WHAT)


def _check_match(suggestion: Suggestion, scan: Scan) -> None:
    """Refuse a scan that the suggestion's contours do not lie in."""
    reference = suggestion.scan
    uids = dict(enumerate(scan.sop_instance_uids))
    contours = [*suggestion.contours("evidence"), *suggestion.contours("outline")]
    same = (
        tuple(reference.shape) == scan.voxels.shape[:3]
        and reference.series_instance_uid == scan.series_instance_uid
        and all((f.sop_instance_uid or "") == uids.get(f.slice, "") for f in suggestion.slices)
        and all(_in_plane(contour.polygon_lps_mm, scan, contour.slice) for contour in contours)
    )
    if not same:
        raise MedcontourError(
            "The suggestion was made for another scan (its size, series or slice planes differ); "
            "give the scan that it was made for."
        )


def _in_plane(points_lps: np.ndarray, scan: Scan, k: int) -> bool:
    if not 0 <= k < scan.slices:
        return False
    off_plane = points_lps - scan.to_lps(scan.to_index(points_lps, k), k)
    return bool(np.abs(off_plane).max() <= IN_PLANE_MM)
