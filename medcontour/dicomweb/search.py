"""Which series an archive has: page by page, by modality, description and date."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from medcontour.dicomweb.address import Address
from medcontour.dicomweb.faults import tried
from medcontour.dicomweb.fetch import RemoteSeries, checked_uid, first_value
from medcontour.dicomweb.session import open_session
from medcontour.errors import MedcontourError

__all__ = ["SeriesQuery", "count_images", "find_series"]

PAGE = 1000
"""Series in one request; a service may give fewer."""

_DATES = re.compile(r"(\d{8})?-(\d{8})?|\d{8}")
_FIELDS = ("Modality", "SeriesDescription", "StudyDate", "NumberOfSeriesRelatedInstances")

NO_IMAGES = (
    "AU",
    "DOC",
    "KO",
    "PR",
    "REG",
    "RTDOSE",
    "RTPLAN",
    "RTRECORD",
    "RTSTRUCT",
    "SEG",
    "SR",
)
"""Modalities of objects that are no scan; only a query that names one finds them."""


@dataclass(frozen=True)
class SeriesQuery:
    """What series of an archive have to be; None is any.

    Attributes
    ----------
    modality
        As ``"CT"``.
    description
        The SeriesDescription, with ``*`` and ``?`` for what may stand there.
    date
        The StudyDate: ``"20240131"``, ``"20240101-20241231"``, ``"20240101-"``.

    Raises
    ------
    MedcontourError
        For a date of another form.
    """

    modality: str | None = None
    description: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        if self.date is not None and not (_DATES.fullmatch(self.date) and self.date != "-"):
            raise MedcontourError(
                f'"{self.date}" is no date; write 20240131, or 20240101-20241231 for those between.'
            )

    @property
    def filters(self) -> dict[str, str]:
        """As QIDO-RS takes them; descriptions are compared here: services differ in blanks."""
        named = {"Modality": self.modality, "StudyDate": self.date}
        return {name: value for name, value in named.items() if value is not None}

    def fits(self, modality: str, description: str, date: str) -> bool:
        """Whether a series is meant: services pass over filters that they do not know."""
        if self.modality is None and modality in NO_IMAGES:
            return False
        first, dash, last = (self.date or "-").partition("-")
        return (
            self.modality in (None, modality)
            and fnmatchcase(description.casefold(), (self.description or "*").casefold())
            and (first or "0") <= (date or "0")
            and (not dash or not last or date <= last)
            and bool(dash or date == first)
        )


def find_series(address: Address, query: SeriesQuery) -> tuple[list[RemoteSeries], Counter[str]]:
    """List the series of a service, and count by modality those that it gave and that do not fit.

    Raises
    ------
    MedcontourError
        When the service cannot be reached, or answers something else.
    """
    session = open_session(address)
    found: dict[str, RemoteSeries] = {}
    others: dict[str, str] = {}

    def page() -> list[dict[str, Any]]:
        given: list[dict[str, Any]] = session.client.search_for_series(
            limit=PAGE,
            offset=len(found) + len(others),
            fields=list(_FIELDS),
            search_filters=query.filters,
        )
        return given

    while True:
        before = len(found) + len(others)
        for item in tried(page, address):
            uid = checked_uid(first_value(item, "0020000E"), address)
            modality, description, date = (
                str(first_value(item, tag) or "") for tag in ("00080060", "0008103E", "00080020")
            )
            if query.fits(modality, description, date):
                images = int(first_value(item, "00201209") or 0)
                found[uid] = RemoteSeries(uid, modality or "OT", images)
            else:
                others[uid] = modality or "OT"
        if len(found) + len(others) == before:
            return list(found.values()), Counter(others.values())


def count_images(address: Address) -> int:
    """How many images a service says that a series has; 0 where it does not say.

    Raises
    ------
    MedcontourError
        When the service cannot be reached.
    """
    session = open_session(address)
    items = tried(
        lambda: session.client.search_for_series(
            search_filters={"SeriesInstanceUID": address.series}, fields=[_FIELDS[-1]]
        ),
        address,
    )
    own = [item for item in items if first_value(item, "0020000E") == address.series]
    return int(first_value(own[0], "00201209") or 0) if own else 0
