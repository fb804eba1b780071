"""A finding: one object in the patient, over all its slices, or one on a picture."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from medcontour.results.masks import Mask
from medcontour.results.parts import FindingSlice, PlacedContour, PlacedSurface, scan_known
from medcontour.results.status import EXPORTED, STATUSES, SUGGESTED, Status
from medcontour.scan.scan import Scan

__all__ = [
    "Finding",
    "diameters_mm",
    "finding_id",
    "make_finding",
    "slice_thickness_mm",
    "volume_mm3",
    "with_figures_of",
]

DIGITS = 3
"""Of millimetres, in what an `id` is made of and in what is measured."""


@dataclass(frozen=True)
class Finding:
    """One object in the patient, over all its slices, or one on a picture.

    Attributes
    ----------
    id
        Stays the same through edits; two runs with one seed give the same.
    number
        From 1, in the order of the first slice; None where findings were merged to one a class.
    label
        The class.
    slices
        By slice; at least one.
    volume_mm3
        Area of the outlines times the slices' thickness; None without an outline and where the
        scan is one image.
    longest_diameter_mm
        The longest diameter in any one slice (RECIST 1.1's longest diameter); None without an
        outline. In pixels where the scan has no physical size.
    short_axis_mm
        On that slice, the extent across the longest diameter.
    conformal_p_value
        How often images (or whole scans) without a finding give a suggestion at least as strong;
        None where nothing was calibrated, and where the finding is not suggested.
    trust
        Probability that a reader keeps the suggested outline; None as above, and once a reader
        has edited it. See `medcontour.calibration.Calibration`.
    evidence_surface
        The closed surface that a classifier of volumes goes by, whose cuts by the slices are the
        evidence contours; None of a classifier of planes.
    """

    id: str
    number: int | None
    label: str
    slices: tuple[FindingSlice, ...]
    volume_mm3: float | None = None
    longest_diameter_mm: float | None = None
    short_axis_mm: float | None = None
    conformal_p_value: float | None = None
    trust: float | None = None
    evidence_surface: PlacedSurface | None = None

    @property
    def name(self) -> str:
        """What structures, segments and curves of it are called: the class and its number."""
        return self.label if self.number is None else f"{self.label} {self.number}"

    @property
    def score(self) -> float:
        """The highest probability of the class on its slices."""
        return max(part.score for part in self.slices)

    @property
    def status(self) -> Status:
        """The strongest status of its slices."""
        return min((part.status for part in self.slices), key=STATUSES.index)

    @property
    def suggested(self) -> bool:
        """Whether any of its slices is suggested."""
        return self.status in SUGGESTED

    @property
    def exported(self) -> bool:
        """Whether label maps, structure sets and curves hold it without `include_weak`."""
        return self.status in EXPORTED

    @property
    def cost(self) -> float:
        """Evaluations that it cost, placement tests and checks for shortcuts included."""
        return sum(part.cost for part in self.slices)

    @property
    def evidence_contours(self) -> tuple[PlacedContour, ...]:
        """Those of all its slices."""
        return self.contours("evidence")

    @property
    def outlines(self) -> tuple[PlacedContour, ...]:
        """Those of all its slices."""
        return self.contours("outline")

    def contours(self, kind: Literal["evidence", "outline"]) -> tuple[PlacedContour, ...]:
        """Its curves of one kind, by slice."""
        return tuple(contour for part in self.slices for contour in part.contours(kind))

    def mask(
        self, scan: Scan | None = None, kind: Literal["evidence", "outline"] = "outline"
    ) -> Mask:
        """Voxels whose centres lie inside its curves.

        Parameters
        ----------
        scan
            The scan it was found on; not needed where `suggest` has just found it.
        kind
            Which curves.

        Returns
        -------
        (slices, rows, columns) bool, in the index system of the scan.

        Raises
        ------
        MedcontourError
            Where the suggestion was read from its JSON, which holds no scan, and none is given.
        """
        scan = scan_known(scan, self.slices[0].source)
        mask = np.zeros(scan.voxels.shape[:3], dtype=np.bool_)
        for part in self.slices:
            mask[part.slice] |= part.mask(scan, kind)
        return mask


def make_finding(
    slices: Sequence[FindingSlice], number: int | None, scan: Scan, id: str | None = None
) -> Finding:
    """Make a finding of its slices, and measure it.

    What is measured are the outlines of the slices that are exported, or of all where none is;
    the evidence where no outlines were looked for at all is never measured.

    Parameters
    ----------
    slices
        At least one, of one class.
    number
        See `Finding`.
    scan
        The scan that they lie on.
    id
        The finding's, where it is known already.
    """
    parts = tuple(sorted(slices, key=lambda part: part.slice))
    strong = [part for part in parts if part.exported] or list(parts)
    outlines = [outline for part in strong for outline in part.outlines]
    volume = longest = short = None
    if outlines:
        areas: dict[int, float] = defaultdict(float)
        for outline in outlines:
            areas[outline.slice] += outline.area_mm2
        volume = volume_mm3(areas, scan)
        longest, short = max(diameters_mm(c.polygon_lps_mm) for c in outlines)
    return Finding(
        id=id or finding_id(parts),
        number=number,
        label=parts[0].label,
        slices=parts,
        volume_mm3=volume,
        longest_diameter_mm=longest,
        short_axis_mm=short,
    )


def with_figures_of(before: Finding, after: Finding) -> Finding:
    """Give a finding after an edit what was known before: evidence stays, trust was of outlines."""
    same = finding_id(before.slices) == finding_id(after.slices)
    return replace(
        after,
        conformal_p_value=before.conformal_p_value,
        trust=before.trust if same else None,
        evidence_surface=before.evidence_surface,
    )


def volume_mm3(areas_mm2: Mapping[int, float], scan: Scan) -> float | None:
    """Give areas, by slice, times the slices' thickness; None where the scan is one image."""
    if scan.units != "mm" or scan.slices == 1:
        return None
    thick = slice_thickness_mm(scan)
    return float(sum(area * thick[k] for k, area in areas_mm2.items()))


def finding_id(slices: Sequence[FindingSlice]) -> str:
    """Give an identifier that only these slices' curves have, to the micrometre.

    Examples
    --------
    >>> len(finding_id(()))
    12
    """
    content = [
        [
            part.slice,
            part.label,
            [
                (np.round(contour.polygon_lps_mm, DIGITS) + 0.0).tolist()
                for contour in (*part.evidence_contours, *part.outlines)
            ],
        ]
        for part in slices
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def slice_thickness_mm(scan: Scan) -> npt.NDArray[np.float64]:
    """(slices,) mm across the slices that each stands for: half way to its neighbours.

    Across the planes, not along the couch: a tilted stack's volume is that of its voxels.

    Examples
    --------
    >>> import numpy as np
    >>> scan = Scan(np.zeros((3, 4, 4), np.float32), np.diag([1.0, 1.0, 2.0, 1.0]),
    ...             np.array([[0.0, 0, 0], [0, 0, 2], [0, 0, 5]]), "mm", "CT", "memory", (0.0, 1.0))
    >>> slice_thickness_mm(scan).tolist()
    [2.0, 2.5, 3.0]
    """
    if scan.slices == 1:
        return np.array([abs(float(scan.slice_normals_lps[0] @ scan.affine_lps[:3, 2]))])
    gaps = np.abs(np.diff(scan.slice_heights_mm))
    around = np.concatenate([gaps[:1], gaps, gaps[-1:]])
    return np.asarray((around[:-1] + around[1:]) / 2)


def diameters_mm(polygon: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Longest diameter of a closed planar polygon (n, 3), and its extent across that, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> diameters_mm(np.array([[0.0, 0, 1], [4, 0, 1], [4, 3, 1], [0, 3, 1]]))
    (5.0, 4.8)
    """
    apart = cdist(polygon, polygon)
    first, second = np.unravel_index(int(apart.argmax()), apart.shape)
    longest = float(apart[first, second])
    if longest == 0:
        return 0.0, 0.0
    along = (polygon[second] - polygon[first]) / longest
    offsets = polygon - polygon[first]
    across = offsets - np.outer(offsets @ along, along)
    direction = across[int(np.linalg.norm(across, axis=1).argmax())]
    size = float(np.linalg.norm(direction))
    heights = across @ (direction / size) if size else np.zeros(1)
    return longest, round(float(heights.max() - heights.min()), 9)
