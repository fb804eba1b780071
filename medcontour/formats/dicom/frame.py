"""Whether a DICOM object of another frame of reference is of a scan all the same."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

from medcontour.scan import Scan

__all__ = ["is_elsewhere", "names_scan"]

_NAMES = ("ReferencedSOPInstanceUID", "SeriesInstanceUID")


def is_elsewhere(frame_of_reference_uid: str | None, scan: Scan) -> bool:
    """Whether coordinates of a frame of reference are of another examination.

    Where the object or the scan has none there is nothing that says so.
    """
    ours = scan.frame_of_reference_uid
    return bool(frame_of_reference_uid and ours and str(frame_of_reference_uid) != ours)


def names_scan(parts: Iterable[Dataset], scan: Scan) -> bool:
    """Whether the scan's images, or its series, are named anywhere in parts of an object.

    Some writers make up a frame of reference of their own: its coordinates are then the images'.
    """
    ours = {*scan.sop_instance_uids, scan.series_instance_uid} - {None, ""}
    return any(
        element.keyword in _NAMES and str(element.value) in ours
        for part in parts
        for element in part.iterall()
    )
