"""Keeps patient data out of what is written."""

from __future__ import annotations

from medcontour.dicomweb import is_address
from medcontour.scan import Scan

__all__ = ["path_without_patient"]

SHORTEST = 3


def path_without_patient(scan: Scan) -> str | None:
    """Where the scan was read from, or None where that path would tell who the patient is.

    Folders of archives are often named after patients: a path that holds a part of PatientName
    (0010,0010), PatientID (0010,0020) or PatientBirthDate (0010,0030) is not repeated.
    """
    if not scan.datasets:
        return scan.source
    header = scan.datasets[0]
    name, number, birth = (
        str(header.get(keyword) or "")
        for keyword in ("PatientName", "PatientID", "PatientBirthDate")
    )
    telling = [*name.replace("^", " ").replace("=", " ").split(), number, birth]
    path = scan.source
    if is_address(path):
        path = path.partition("#")[
            0
        ]  # a UID's digits may be anything's; it is in the result anyway
    path = path.casefold()
    if any(word.casefold() in path for word in telling if len(word) >= SHORTEST):
        return None
    return scan.source
