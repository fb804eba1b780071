"""How far a reader's edit lies from what was suggested: measured on the polygons, in mm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from medcontour.contour.measures import Figures, Pair, compare
from medcontour.contour.polygons import region, union
from medcontour.edits.finding_edit import FindingEdit, finding_edits
from medcontour.edits.match import Matched
from medcontour.edits.slice_edit import SliceEdit
from medcontour.formats.place import placed_region, plane_mm
from medcontour.results import COUNTED, Suggestion, slice_numbers
from medcontour.scan import Scan

__all__ = ["EditReport", "FindingSliceEdit", "edit_report"]


@dataclass(frozen=True)
class FindingSliceEdit:
    """One finding on one slice: what became of its outlines.

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
        """What became of the outlines, in words."""
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
        What became of each finding, over all its slices.
    slices
        The same slice by slice.
    total
        Over all slices: areas and boundaries summed, distances pooled.
    volumes
        Whether the findings have volumes; of a single image they have areas.
    notes
        What the reader of the report should know.
    """

    format: str
    unit: str
    findings: tuple[FindingEdit, ...]
    slices: tuple[FindingSliceEdit, ...]
    total: Figures
    volumes: bool = True
    notes: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether the reader changed any outline."""
        return any(part.moved or part.new or part.deleted for part in self.slices)

    def to_json(self) -> str:
        """Serialise; the same content gives the same text."""
        document = {
            "schema": "medcontour/edit_report/2",
            "format": self.format,
            "unit": self.unit,
            "findings": [
                {k: v for k, v in asdict(f).items() if k not in ("figures", "slices")}
                | {"volume_change_mm3": f.volume_change_mm3, "slices": list(f.slices)}
                | _figures_to_dict(f.figures)
                for f in self.findings
            ],
            "slices": [
                {k: v for k, v in asdict(part).items() if k != "figures"}
                | {"change": part.change}
                | _figures_to_dict(part.figures)
                for part in self.slices
            ],
            "total": _figures_to_dict(self.total),
            "notes": list(self.notes),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def rows(self) -> list[list[str]]:
        """The table for people: a head, a row a finding, and the total."""
        head = ["finding", "slices", "change", "volume", "volume change", *_FIGURES]
        rows = [
            [
                f.name,
                slice_numbers(f.slices),
                f.change,
                *self._volumes(f.volume_before_mm3, f.volume_after_mm3),
                *_cells(f.figures, self.unit),
            ]
            for f in self.findings
        ]
        changed = sum(f.change != "kept" for f in self.findings)
        before = sum(f.volume_before_mm3 for f in self.findings)
        after = sum(f.volume_after_mm3 for f in self.findings)
        total = ["all", "", f"{changed} of {len(self.findings)} changed"]
        total += [*self._volumes(before, after), *_cells(self.total, self.unit)]
        return [head, *rows, total]

    def slice_rows(self) -> list[list[str]]:
        """The same slice by slice, without a total."""
        head = ["slice", "finding", "change", *_FIGURES]
        return [
            head,
            *(
                [
                    slice_numbers([part.slice]),
                    part.label,
                    part.change,
                    *_cells(part.figures, self.unit),
                ]
                for part in self.slices
            ),
        ]

    def _volumes(self, before: float, after: float) -> list[str]:
        unit = "mm3" if self.volumes else "mm2" if self.unit == "mm" else "px2"
        share = f" ({100 * (after / before - 1):+.1f} %)" if before else ""
        return [f"{after:.0f} {unit}", f"{after - before:+.0f} {unit}{share}"]

    def to_markdown(self) -> str:
        """The tables, and the notes, as Markdown."""
        lines = ["# What the reader changed", "", f"Read from: {self.format}.", ""]
        lines += [*_markdown(self.rows()), ""]
        lines += [COUNTED, ""] if any(part.slice for part in self.slices) else []
        lines += ["## Slice by slice", ""]
        lines += _markdown(self.slice_rows())
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"


_FIGURES = (
    "Dice",
    "surface Dice 2 mm",
    "HD95",
    "added path",
    "vertices moved",
    "area",
    "area change",
)


def _markdown(rows: list[list[str]]) -> list[str]:
    head, *others = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in others),
    ]


def edit_report(
    before: Suggestion,
    after: Suggestion,
    matched: Matched,
    scan: Scan,
    format: str,
    fits: dict[int, tuple[float, int]],
    notes: Sequence[str] = (),
) -> EditReport:
    """Measure every edit; `fits` has Dice and curves of the fit, by place in `matched.edits`."""
    slices, pairs = [], []
    for place, edit in enumerate(matched.edits):
        pair = _geometry(edit, scan)
        pairs.append(pair)
        changes = [drawn.change for drawn in edit.after]
        dice, curves = fits.get(place, (None, None))
        slices.append(
            FindingSliceEdit(
                slice=edit.slice,
                label=edit.label,
                unchanged=changes.count("unchanged"),
                moved=changes.count("moved"),
                new=changes.count("new"),
                deleted=len(edit.deleted),
                figures=compare([pair], min(scan.pixel_spacing) / 2),
                fit_dice=dice,
                fit_curves=curves,
            )
        )
    return EditReport(
        format=format,
        unit=scan.units,
        findings=finding_edits(before, after, matched, scan),
        slices=tuple(slices),
        total=compare(pairs, min(scan.pixel_spacing) / 2),
        volumes=scan.units == "mm" and scan.slices > 1,
        notes=(*matched.notes, *notes),
    )


def _geometry(edit: SliceEdit, scan: Scan) -> Pair:
    k = edit.slice
    before = union(placed_region(c, scan) for c in edit.before)
    after = union(region(plane_mm(d.polygon_lps_mm, scan, k)) for d in edit.after)
    handles = [d.handles_lps_mm for d in edit.after if d.change != "unchanged"]
    if handles and all(h is None for h in handles):
        return before, after, None
    kept = [d.polygon_lps_mm for d in edit.after if d.change == "unchanged"]
    points = [*kept, *(h for h in handles if h is not None)]
    return before, after, plane_mm(np.vstack(points), scan, k) if points else np.empty((0, 2))


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
