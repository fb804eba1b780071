"""A series in an archive that speaks DICOMweb, read as its files would be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from medcontour.dicomweb import fetched_series, parse_address
from medcontour.errors import MedcontourError
from medcontour.privacy import discreet
from medcontour.scan.dicom import read_dicom
from medcontour.scan.quiet import quietly
from medcontour.scan.scan import Scan

__all__ = ["read_remote"]


def read_remote(
    text: str,
    series: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Scan:
    """Fetch the series at an address and read it; its files are removed again.

    Parameters
    ----------
    text
        ``dicomweb+https://HOST/ROOT#SERIES_UID``.
    series
        The SeriesInstanceUID, where the address does not name it.
    progress
        As of `read_scan`.

    Raises
    ------
    MedcontourError
        When the series cannot be fetched (`medcontour.dicomweb.fetched_series`) or read
        (`read_dicom`).
    """
    address = parse_address(text, series)
    with quietly(), fetched_series(address, progress) as folder:
        try:
            scan = read_dicom(folder, address.series)
        except MedcontourError as error:
            # The folder is gone when the user reads this; its digest may have been hidden.
            sentence = str(error)
            for own in (str(folder), discreet(str(folder))):
                sentence = sentence.replace(own, address.text)
            raise MedcontourError(sentence) from error
    return replace(scan, source=address.text)
