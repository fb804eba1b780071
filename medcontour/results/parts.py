"""What a suggestion consists of: scan, classifier, findings, their contours and evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.results.masks import Mask, pixel_mask
from medcontour.results.status import EXPORTED, SUGGESTED, Status
from medcontour.scan.scan import Scan

__all__ = [
    "ClassifierReference",
    "Evidence",
    "FindingSlice",
    "ObjectReference",
    "PlacedContour",
    "PlacedSurface",
    "ScanReference",
    "Views",
]


@dataclass(frozen=True)
class ScanReference:
    """The scan that was read, without patient data.

    `affine_lps` maps index (column, row, slice) to LPS mm; `shape` is (slices, rows, columns);
    `units` is ``"mm"``, or ``"pixel"`` for an image without physical size.
    """

    modality: str
    shape: tuple[int, int, int]
    affine_lps: list[list[float]]
    units: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None


@dataclass(frozen=True)
class ClassifierReference:
    """The classifier, and the class that was looked for."""

    name: str
    sha256: str
    target: int
    target_name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class PlacedContour:
    """One closed curve in patient space.

    Attributes
    ----------
    kind
        ``"evidence"`` (what the classifier goes by) or ``"outline"`` (the boundary in
        the image, which a reader edits). Never mixed up.
    slice
        Index of the slice whose plane holds the curve.
    parameters
        The analytic curve (`FourierContour.to_dict`) in plane coordinates: the longer side of
        the plane spans [-1, 1], x along columns, y along rows.
    polygon_lps_mm
        (n, 3) float64 points on the analytic curve, LPS mm; the first is not repeated. Of a
        surface's cut, and of a curve that a reader drew, it is that itself, and the analytic curve
        the one that comes nearest to it.
    area_mm2
        Area inside the image, of the analytic curve.
    quality
        What the maker of the curve says of it, by name (an outline: its contrast and polarity).
    exact_polygon_lps_mm
        (m, 3) the region that the curve stands for, LPS mm, where no star-convex curve holds it
        well; else None.
    """

    kind: Literal["evidence", "outline"]
    slice: int
    parameters: dict[str, Any]
    polygon_lps_mm: npt.NDArray[np.float64]
    area_mm2: float
    quality: dict[str, Any] = field(default_factory=dict)
    exact_polygon_lps_mm: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class PlacedSurface:
    """One closed surface in patient space: what a classifier of volumes goes by.

    Attributes
    ----------
    parameters
        The analytic surface (`HarmonicSurface.to_dict`) in volume coordinates: the longest side of
        the stack spans [-1, 1], x along columns, y along rows, z along slices.
    lps_from_volume
        (4, 4) float64: volume coordinates to LPS mm.
    volume_mm3
        Volume inside the stack, of the analytic surface.
    """

    parameters: dict[str, Any]
    lps_from_volume: npt.NDArray[np.float64]
    volume_mm3: float

    def mesh(self, detail: int = 4) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Give a closed mesh of triangles whose corners lie on the surface.

        Parameters
        ----------
        detail
            How often the triangles of an icosahedron are cut in four.

        Returns
        -------
        tuple
            (V, 3) corners, LPS mm, ``V = 10 * 4^detail + 2``, and (T, 3) triangles by their
            corners, ``T = 20 * 4^detail``, counter-clockwise seen from outside.

        Examples
        --------
        >>> numbers = {"center": [0.0] * 3, "size": -1.0, "harmonics": [], "frame": [0.0] * 5}
        >>> ball = PlacedSurface({"parametrisation": "log"} | numbers, np.diag([90, 90, 90, 1]), 1)
        >>> corners, triangles = ball.mesh(2)
        >>> len(corners), len(triangles), round(float(np.linalg.norm(corners[0])), 3)
        (162, 320, 33.109)
        """
        from medcontour.contour import HarmonicSurface  # PyTorch is not needed for the rest

        corners, triangles = HarmonicSurface.from_dict(self.parameters).mesh(detail)
        placed = corners[0].numpy() @ self.lps_from_volume[:3, :3].T + self.lps_from_volume[:3, 3]
        mirrored = np.linalg.det(self.lps_from_volume) < 0
        faces = triangles.numpy()
        return placed, faces[:, ::-1].copy() if mirrored else faces


@dataclass(frozen=True)
class Evidence:
    """How strong the evidence is, as probabilities of the target class.

    Attributes
    ----------
    preserved, deleted, background
        Probability on the image with only the contour's inside kept, with it removed, and on the
        background alone.
    random_preserved, random_deleted
        Means over random places in the altered views: the same curve, turned and moved within the
        body.
    p_value
        Of the placement test, the worst altered view's: how often a random place does as well
        there. In a suggestion of schema 1, of the image as it is, where it says next to nothing.
    placements
        How many random places were judged, in all views.
    evaluations
        Preserve + delete pairs, forward and backward, that found the contour; a pair that was
        only run forward counts half.
    placement_evaluations
        The same count for the placement test.
    background_similarity
        ``c_b``: cosine of the embeddings of background and original. Near 1 the background
        removes nothing and contours collapse.
    shortcut_evaluations
        The same count for the check for shortcuts: a half where the slice has marks to fill in.
    views_held, views_tested
        In how many of how many altered views (shifted, enlarged, and mirrored where the network
        is stable under it) the contour beats all random places. None in a suggestion of schema 1.
    stable_under_mirroring
        False where the network does not call the mirrored image the class: it may never have been
        shown one, and views that are not mirrored took the mirrored ones' place.
    """

    preserved: float
    deleted: float
    background: float
    random_preserved: float
    random_deleted: float
    p_value: float
    placements: int
    evaluations: float
    placement_evaluations: float
    background_similarity: float
    shortcut_evaluations: float = 0.0
    views_held: int | None = None
    views_tested: int | None = None
    stable_under_mirroring: bool = True


@dataclass(frozen=True)
class Views:
    """What the classifier was shown for one finding, on the slice's own pixel grid.

    (rows, columns) float32 each, scaled to 0..1 over the original's range as the network takes
    it; NaN where the network does not look (cropped away).
    """

    original: npt.NDArray[np.float32]
    preserved: npt.NDArray[np.float32]
    deleted: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FindingSlice:
    """What was found of one finding on one slice.

    Attributes
    ----------
    slice
        Index of the slice, from 0.
    sop_instance_uid
        The image it lies on; None where the scan is no DICOM.
    label
        The finding's class.
    score
        Probability of the class on this slice.
    status
        What the slice by itself is said to be.
    evidence
        None where nothing was looked for: a reader drew the outline, or the finding's outline goes
        on from the next slice.
    evidence_contours, outlines
        The two kinds of curves, never mixed up.
    note
        What a reader should know.
    views
        What the classifier was shown, for the report; not part of the JSON.
    source
        The scan itself, where the suggestion has it; not part of the JSON.
    """

    slice: int
    sop_instance_uid: str | None
    label: str
    score: float
    status: Status
    evidence: Evidence | None
    evidence_contours: tuple[PlacedContour, ...]
    outlines: tuple[PlacedContour, ...]
    note: str = ""
    views: Views | None = field(default=None, repr=False, compare=False)
    source: Scan | None = field(default=None, repr=False, compare=False)

    def contours(self, kind: Literal["evidence", "outline"]) -> tuple[PlacedContour, ...]:
        """Its curves of one kind."""
        return self.outlines if kind == "outline" else self.evidence_contours

    def mask(
        self, scan: Scan | None = None, kind: Literal["evidence", "outline"] = "outline"
    ) -> Mask:
        """Pixels of its slice whose centres lie inside its curves.

        Parameters
        ----------
        scan
            The scan it was found on; not needed where `suggest` has just found it.
        kind
            Which curves.

        Returns
        -------
        (rows, columns) bool, in the index system of the scan's slice.

        Raises
        ------
        MedcontourError
            Where the suggestion was read from its JSON, which holds no scan, and none is given.
        """
        scan = scan_known(scan, self.source)
        mask = np.zeros((scan.rows, scan.columns), dtype=np.bool_)
        for contour in self.contours(kind):
            mask |= pixel_mask(contour.polygon_lps_mm, scan, contour.slice)
        return mask

    @property
    def suggested(self) -> bool:
        """Whether it is suggested, be its contour necessary for the class or not."""
        return self.status in SUGGESTED

    @property
    def exported(self) -> bool:
        """Whether label maps, structure sets and curves hold it without `include_weak`."""
        return self.status in EXPORTED

    @property
    def cost(self) -> float:
        """Evaluations that it cost, its placement test and its check for shortcuts included."""
        if self.evidence is None:
            return 0.0
        own = self.evidence
        return own.evaluations + own.placement_evaluations + own.shortcut_evaluations


@dataclass(frozen=True)
class ObjectReference:
    """A DICOM object that was written from a suggestion."""

    sop_instance_uid: str
    series_instance_uid: str


def scan_known(given: Scan | None, own: Scan | None) -> Scan:
    """Give the scan of a finding: the one given, else its own.

    Raises
    ------
    MedcontourError
        When there is neither.
    """
    scan = given or own
    if scan is None:
        raise MedcontourError(
            "A finding that was read from its JSON knows the scan no more; "
            "write finding.mask(scan), with scan = medcontour.read_scan(...)."
        )
    return scan
