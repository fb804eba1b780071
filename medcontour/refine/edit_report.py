"""How far a reader's edit lies from what was suggested: measured on the polygons, in mm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import shapely
from shapely import MultiPolygon

from medcontour.refine.match import Matched, SliceEdit
from medcontour.refine.regions import distances, plane_mm, region, union
from medcontour.refine.shapes import FloatArray
from medcontour.scan import Scan

__all__ = ["EditReport", "Figures", "FindingEdit", "compare", "edit_report"]

SURFACE_MM = 2.0
MOVED_MM = 0.01
SAMPLES = 5000
STEP_MM = 0.02


@dataclass(frozen=True)
class Figures:
    """The edit in figures; None where there is nothing to measure.

    Attributes
    ----------
    dice
        Of the areas.
    surface_dice_2mm
        Share of both boundaries that lies within 2 mm of the other (Nikolov et al. 2021).
    hausdorff95_mm
        The larger of the two directed 95th percentiles of distance along the boundaries.
    added_path_length_mm
        Length of the edited boundary that was not suggested: further than half a pixel from it
        (Vaassen et al. 2020).
    vertices, vertices_moved
        Corners, or control points, of the edit, and those further than 0.01 mm from what was
        suggested. None for painted pixels.
    area_before_mm2, area_after_mm2
        Areas.
    """

    dice: float | None
    surface_dice_2mm: float | None
    hausdorff95_mm: float | None
    added_path_length_mm: float
    vertices: int | None
    vertices_moved: int | None
    area_before_mm2: float
    area_after_mm2: float

    @property
    def area_change_mm2(self) -> float:
        """After less before."""
        return self.area_after_mm2 - self.area_before_mm2

    @property
    def area_change_percent(self) -> float | None:
        """The same as a share of before, None where nothing was suggested."""
        return 100 * self.area_change_mm2 / self.area_before_mm2 if self.area_before_mm2 else None

    @property
    def vertices_moved_share(self) -> float | None:
        """Moved ones of all."""
        if not self.vertices or self.vertices_moved is None:
            return None
        return self.vertices_moved / self.vertices


@dataclass(frozen=True)
class FindingEdit:
    """One label on one slice: what became of its outlines.

    ``unchanged``, ``moved``, ``new`` and ``deleted`` count outlines; `fit_dice` is the least of
    how closely the star-convex curves stand for the edited ones, `fit_curves` their number.
    """

    slice: int
    label: str
    unchanged: int
    moved: int
    new: int
    deleted: int
    figures: Figures
    fit_dice: float | None = None
    fit_curves: int | None = None

    @property
    def change(self) -> str:
        """What became of the finding, in words."""
        counts = {n: getattr(self, n) for n in ("unchanged", "moved", "new", "deleted")}
        there = [name for name, count in counts.items() if count]
        if len(there) == 1:
            return there[0]
        return ", ".join(f"{counts[name]} {name}" for name in there)


@dataclass(frozen=True)
class EditReport:
    """The edit of a whole suggestion.

    Attributes
    ----------
    format
        What the edited file was.
    unit
        ``"mm"``, or ``"pixel"`` where the image has no physical size: lengths then count pixels.
    findings
        By slice.
    total
        Over all findings: areas and boundaries summed, distances pooled.
    notes
        What the reader of the report should know.
    """

    format: str
    unit: str
    findings: tuple[FindingEdit, ...]
    total: Figures
    notes: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether the reader changed any outline."""
        return any(f.moved or f.new or f.deleted for f in self.findings)

    def to_json(self) -> str:
        """Serialise; the same content gives the same text."""
        document = {
            "schema": "medcontour/edit_report/1",
            "format": self.format,
            "unit": self.unit,
            "findings": [
                {k: v for k, v in asdict(f).items() if k != "figures"}
                | {"change": f.change}
                | _figures_to_dict(f.figures)
                for f in self.findings
            ],
            "total": _figures_to_dict(self.total),
            "notes": list(self.notes),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def rows(self) -> list[list[str]]:
        """The table for people: a head, a row a finding, and the total."""
        head = ["slice", "class", "change", "Dice", "surface Dice 2 mm", "HD95", "added path"]
        head += ["vertices moved", "area", "area change"]
        rows = [
            [str(f.slice), f.label, f.change, *_cells(f.figures, self.unit)] for f in self.findings
        ]
        changed = sum(bool(f.moved or f.new or f.deleted) for f in self.findings)
        total = ["all", "", f"{changed} of {len(self.findings)} changed"]
        return [head, *rows, [*total, *_cells(self.total, self.unit)]]

    def to_markdown(self) -> str:
        """The table, and the notes, as Markdown."""
        head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in self.rows())
        lines = ["# What the reader changed", "", f"Read from: {self.format}.", ""]
        lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"


def edit_report(
    matched: Matched,
    scan: Scan,
    format: str,
    fits: dict[int, tuple[float, int]],
    notes: Sequence[str] = (),
) -> EditReport:
    """Measure every edit; `fits` has Dice and curves of the fit, by place in `matched.edits`."""
    findings, pairs = [], []
    for place, edit in enumerate(matched.edits):
        before, after, points = _geometry(edit, scan)
        pairs.append((before, after, points))
        changes = [drawn.change for drawn in edit.after]
        dice, curves = fits.get(place, (None, None))
        findings.append(
            FindingEdit(
                slice=edit.slice,
                label=edit.label,
                unchanged=changes.count("unchanged"),
                moved=changes.count("moved"),
                new=changes.count("new"),
                deleted=len(edit.deleted),
                figures=compare([(before, after, points)], min(scan.pixel_spacing) / 2),
                fit_dice=dice,
                fit_curves=curves,
            )
        )
    total = compare(pairs, min(scan.pixel_spacing) / 2)
    return EditReport(format, scan.units, tuple(findings), total, (*matched.notes, *notes))


Pair = tuple[MultiPolygon, MultiPolygon, FloatArray | None]


def compare(pairs: Sequence[Pair], added_beyond: float = 0.5) -> Figures:
    """Figures of regions before and after, and of the points a person moved, all in mm.

    Parameters
    ----------
    pairs
        (before, after, points) of each slice; what lies on different slices is never compared.
        Points are (n, 2), or None for painted pixels.
    added_beyond
        A boundary nearer than this to the suggested one counts as suggested.

    Examples
    --------
    >>> square = region([[0, 0], [10, 0], [10, 10], [0, 10]])
    >>> wider = region([[0, 0], [20, 0], [20, 10], [0, 10]])
    >>> figures = compare([(square, wider, None)])
    >>> round(figures.dice, 3), figures.area_change_percent
    (0.667, 100.0)
    """
    shared = sum(a.intersection(b).area for a, b, _ in pairs)
    areas = [sum(a.area for a, _, _ in pairs), sum(b.area for _, b, _ in pairs)]
    near = total = added = 0.0
    sampled: list[list[tuple[FloatArray, FloatArray]]] = [[], []]
    for before, after, _ in pairs:
        lines = before.boundary, after.boundary
        total += lines[0].length + lines[1].length
        if before.is_empty or after.is_empty:
            added += lines[1].length
            continue
        if before == after:
            near += lines[0].length + lines[1].length
            for found in sampled:
                found.append((np.zeros(1), np.array([lines[0].length])))
            continue
        for side in (0, 1):
            one, other = lines[side], lines[1 - side]
            near += one.intersection(other.buffer(SURFACE_MM, quad_segs=64)).length
            sampled[side].append(_distances(one, other))
        added += lines[1].difference(lines[0].buffer(added_beyond, quad_segs=64)).length
    moved = [_moved(before, points) for before, _, points in pairs if points is not None]
    far = [_percentile(side) for side in sampled if side]
    return Figures(
        dice=2 * shared / sum(areas) if sum(areas) else None,
        surface_dice_2mm=near / total if total else None,
        hausdorff95_mm=max(far) if far else None,
        added_path_length_mm=float(added),
        vertices=sum(len(p) for *_, p in pairs if p is not None) if moved else None,
        vertices_moved=sum(moved) if moved else None,
        area_before_mm2=float(areas[0]),
        area_after_mm2=float(areas[1]),
    )


def _geometry(edit: SliceEdit, scan: Scan) -> Pair:
    k = edit.slice
    before = union(region(plane_mm(c.polygon_lps_mm, scan, k)) for c in edit.before)
    after = union(region(plane_mm(d.polygon_lps_mm, scan, k)) for d in edit.after)
    handles = [d.handles_lps_mm for d in edit.after if d.change != "unchanged"]
    if handles and all(h is None for h in handles):
        return before, after, None
    kept = [d.polygon_lps_mm for d in edit.after if d.change == "unchanged"]
    points = [*kept, *(h for h in handles if h is not None)]
    return before, after, plane_mm(np.vstack(points), scan, k) if points else np.empty((0, 2))


def _moved(before: MultiPolygon, points: FloatArray) -> int:
    if before.is_empty or not len(points):
        return len(points)
    return int((distances(points, before.boundary) > MOVED_MM).sum())


def _distances(one: shapely.Geometry, other: shapely.Geometry) -> tuple[FloatArray, FloatArray]:
    """Distances from places along one boundary to the other, and the length each stands for."""
    dense = shapely.segmentize(one, max(STEP_MM, one.length / SAMPLES))
    found, weights = [], []
    for line in shapely.get_parts(dense):
        corners = np.asarray(line.coords)
        middles = (corners[1:] + corners[:-1]) / 2
        found.append(distances(middles, other))
        weights.append(np.linalg.norm(np.diff(corners, axis=0), axis=1))
    return np.concatenate(found), np.concatenate(weights)


def _percentile(side: list[tuple[FloatArray, FloatArray]]) -> float:
    values, weights = (np.concatenate(parts) for parts in zip(*side, strict=True))
    order = np.argsort(values)
    share = weights[order].cumsum() / weights.sum()
    return float(values[order][np.searchsorted(share, 0.95).clip(max=len(values) - 1)])


def _figures_to_dict(figures: Figures) -> dict[str, float | int | None]:
    return asdict(figures) | {
        "vertices_moved_share": figures.vertices_moved_share,
        "area_change_mm2": figures.area_change_mm2,
        "area_change_percent": figures.area_change_percent,
    }


def _cells(figures: Figures, unit: str) -> list[str]:
    short = "mm" if unit == "mm" else "px"

    def number(value: float | None, form: str, end: str = "") -> str:
        return "–" if value is None else f"{value:{form}}{end}"

    moved = "–"
    if figures.vertices is not None:
        moved = f"{figures.vertices_moved} of {figures.vertices}"
    return [
        number(figures.dice, ".3f"),
        number(figures.surface_dice_2mm, ".3f"),
        number(figures.hausdorff95_mm, ".2f", f" {short}"),
        number(figures.added_path_length_mm, ".1f", f" {short}"),
        moved,
        f"{figures.area_after_mm2:.0f} {short}2",
        f"{figures.area_change_mm2:+.0f} {short}2 "
        f"({number(figures.area_change_percent, '+.1f', ' %')})",
    ]
