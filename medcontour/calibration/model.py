"""What a calibration file says of one classifier and one class."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from medcontour.calibration.conformal import conformal_p_value
from medcontour.calibration.file import read_document
from medcontour.calibration.polarity import Polarity
from medcontour.calibration.strength import STRENGTH, strength
from medcontour.calibration.trust import Trust
from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.privacy import keep_private
from medcontour.results.finding import Finding
from medcontour.results.parts import ClassifierReference

__all__ = ["FILE_NAME", "SCHEMA", "Calibration"]

SCHEMA = "medcontour/calibration/1"
FILE_NAME = "calibration.json"
"""What it is called in a classifier's folder, where `suggest` finds it."""

Unit = Literal["image", "scan"]
"""What was looked at as one: single images, or scans of several slices."""


@dataclass(frozen=True)
class Calibration:
    """What a classifier's suggestions were on scans that had been checked.

    It holds numbers alone: no images, no names, no paths, and nothing that a person or an image
    could be found by.

    Attributes
    ----------
    sha256
        Of the classifier's weights.
    target, target_name
        The class, by its place and its name.
    settings_key
        Of the settings that suggestions were made with: `Settings.key`, whatever the seed.
    unit
        ``"image"`` where the scans were single images, ``"scan"`` where they had several slices.
    without_finding
        By group (patient), the strength of the strongest suggestion on each of its scans without
        a finding; ``-inf`` where nothing was suggested. In no order that means anything.
    trust
        How a finding's figures say whether a reader keeps it; None where it was not fitted.
    polarity
        Of the outlines that were right; None where nothing said whether any was. `suggest` goes by
        it when it follows the image.
    notes
        Of the run that made it; not part of the file.

    Examples
    --------
    >>> inf = float("inf")
    >>> calibration = Calibration("0" * 64, 1, "lesion", "0" * 16, "image", ((-inf,), (2.0,)))
    >>> calibration.images, calibration.conformal_p_value(1.0)
    (2, 0.6666666666666666)
    """

    sha256: str
    target: int
    target_name: str
    settings_key: str
    unit: Unit
    without_finding: tuple[tuple[float, ...], ...]
    trust: Trust | None = None
    polarity: Polarity | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def images(self) -> int:
        """How many scans without a finding it is of."""
        return sum(len(group) for group in self.without_finding)

    def conformal_p_value(self, strength: float) -> float | None:
        """How often what holds no finding looks as strong; None where that was not looked at."""
        if not self.without_finding:
            return None
        return conformal_p_value(strength, self.without_finding)

    def of_finding(self, finding: Finding) -> Finding:
        """Give a finding with its figures; those of what is not suggested are None."""
        if not finding.suggested:
            return replace(finding, conformal_p_value=None, trust=None)
        return replace(
            finding,
            conformal_p_value=self.conformal_p_value(strength(finding)),
            trust=None if self.trust is None else self.trust.of_finding(finding),
        )

    def check(self, classifier: ClassifierReference) -> None:
        """Refuse to be used for another classifier or class.

        Raises
        ------
        MedcontourError
            Where weights or class are not those that it was made with.
        """
        if self.sha256 != classifier.sha256:
            raise MedcontourError(
                f"The calibration is of other weights than those of {classifier.name}; make one "
                "with `medcontour calibrate`, or leave it out."
            )
        if (self.target, self.target_name) != (classifier.target, classifier.target_name):
            raise MedcontourError(
                f'The calibration is of "{self.target_name}" and not of '
                f'"{classifier.target_name}"; make one for that target, or leave it out.'
            )

    def key(self) -> str:
        """Give a name for its content, the same for the same numbers."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Serialise; the same content gives the same text."""
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "classifier": {
                "sha256": self.sha256,
                "target": self.target,
                "target_name": self.target_name,
            },
            "settings_key": self.settings_key,
            "unit": self.unit,
            "strength": STRENGTH,
            "without_finding": [
                [None if value == -float("inf") else value for value in group]
                for group in self.without_finding
            ],
            "trust": None if self.trust is None else self.trust.to_dict(),
            "polarity": None if self.polarity is None else asdict(self.polarity),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read what `write` wrote; of a folder its ``calibration.json``.

        Raises
        ------
        MedcontourError
            When it is missing, no JSON, of another schema or of another version's figures.
        """
        path = Path(path)
        keep_private(path)
        if path.is_dir():
            path = path / FILE_NAME
        document = read_document(path, SCHEMA, STRENGTH)
        of, fitted = document["classifier"], document["trust"]
        polarity = document["polarity"]
        try:
            trust = None if fitted is None else Trust.from_dict(fitted)
        except ValueError as error:
            raise MedcontourError(
                f"{path} is of another version ({error}); make it again with "
                "`medcontour calibrate`."
            ) from error
        return cls(
            sha256=of["sha256"],
            target=int(of["target"]),
            target_name=of["target_name"],
            settings_key=document["settings_key"],
            unit=document["unit"],
            without_finding=tuple(
                tuple(-float("inf") if value is None else float(value) for value in group)
                for group in document["without_finding"]
            ),
            trust=trust,
            polarity=None
            if polarity is None
            else Polarity(int(polarity["brighter"]), int(polarity["darker"])),
        )
