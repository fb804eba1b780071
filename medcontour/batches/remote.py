"""The series of an archive that speaks DICOMweb, as a batch looks at them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from medcontour.batches.source import Study, study_of
from medcontour.dicomweb import SeriesQuery, count_images, find_series, parse_address
from medcontour.errors import MedcontourError
from medcontour.privacy import discreet
from medcontour.progress import Progress
from medcontour.scan import Scan, read_scan
from medcontour.scan.listing import Known

__all__ = ["RemoteSource"]


@dataclass(frozen=True)
class RemoteSource:
    """The series of an archive.

    Attributes
    ----------
    address
        ``dicomweb+https://HOST/ROOT``.
    query
        Which of them.

    Raises
    ------
    MedcontourError
        For an address of another form, or of one series.
    """

    address: str
    query: SeriesQuery

    def __post_init__(self) -> None:
        if parse_address(self.address).series is not None:
            raise MedcontourError(
                "The address names one series; use `medcontour suggest` for it, or leave it out."
            )

    def studies(
        self, salt: str, progress: Progress | None, known: Known | None
    ) -> tuple[list[Study], tuple[str, ...]]:
        """List the series that the query means; the notes say what was passed over."""
        root = parse_address(self.address)
        found, others = find_series(root, self.query)
        listed = [
            study_of(
                f"{root.text}\n{series.uid}",
                salt,
                hashlib.sha256(f"{series.images}".encode()).hexdigest()[:16],
                replace(root, series=series.uid).text,
                series.uid,
            )
            for series in sorted(found, key=lambda series: series.uid)
        ]
        passed = ", ".join(f"{kind} ({count})" for kind, count in sorted(others.items()))
        return listed, (
            (f"Passed over, as the query does not mean them: {passed}.",) if passed else ()
        )

    def check(self) -> None:
        """Refuse to go on where the archive cannot be reached: all its series would fail."""
        count_images(parse_address(self.address, "1.2.3"))

    def state(self, study: Study) -> object:
        """How many images the archive has of it."""
        return count_images(parse_address(study.path))

    def read(self, study: Study) -> Scan:
        """Fetch and read a series."""
        return read_scan(study.path)

    def stored(self, study: Study, words: Iterable[str] = ()) -> str | None:
        """Nothing: its UID says where it is."""
        return None

    def discreet(self, sentence: str, study: Study) -> str:
        """Give the sentence as messages are given."""
        return discreet(sentence)
