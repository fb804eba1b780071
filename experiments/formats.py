"""What other programs find in the files we write: geometry x format x judge.

The series and the curves are those of the tests: ellipses on anisotropic CT series of each
orientation and handedness, a tilted gantry and uneven slices. Needs the test extra, dciodvfy
(dicom3tools) and plastimatch.

    python experiments/formats.py --out results/
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk
import slicerio
from pycocotools.coco import COCO

from medcontour.contour.polygons import deviation_mm, mask_polygons
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion, export, exporters, refusal
from medcontour.scan import Scan, read_scan

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "export"))
from export_cases import (
    CASES,
    ELLIPSES,
    TILTED,
    UNEVEN,
    Case,
    case_suggestion,
    dice,
    write_series,
)

NO_GRID = "no such grid"
"""What stands where a judge has no grid for slices that are tilted or unevenly spaced."""


@dataclass(frozen=True)
class Made:
    """A case on disk, its scan, its suggestion, and where files go."""

    case: Case
    series: Path
    scan: Scan
    suggestion: Suggestion
    folder: Path

    def write(self, name: str) -> Path:
        """Write a format and give its path."""
        path = self.folder / exporters()[name].filename
        export(self.suggestion, self.scan, name, path)
        return path

    def refused(self, name: str) -> str:
        """Why the scan cannot be written in a format; empty where it can."""
        sentence = refusal(self.scan, name)
        return f"refused: {sentence.split(',')[0].lower()}" if sentence else ""

    @property
    def truth(self) -> np.ndarray:
        """(slices, rows, columns) bool: pixels with their centre in an ellipse, closed form."""
        centres = self.centres
        mask = np.zeros(centres.shape[:3], bool)
        for e in ELLIPSES:
            inside = e.radius(self.case, centres[e.k].reshape(-1, 3)) < 1
            mask[e.k] |= inside.reshape(mask.shape[1:])
        return mask

    @property
    def centres(self) -> np.ndarray:
        """(slices, rows, columns, 3): every pixel's centre in LPS mm, by the standard."""
        rows, columns = np.mgrid[: self.case.rows, : self.case.columns]
        index = np.stack([columns.ravel(), rows.ravel()], 1)
        places = [self.case.place(index, k) for k in range(len(self.case.heights))]
        return np.stack(places).reshape(len(places), *rows.shape, 3)

    def on_grid(self, image: sitk.Image) -> np.ndarray:
        """Bring an image's voxels onto the truth's, each by its place in the patient."""
        values = sitk.GetArrayFromImage(image)
        centres = self.centres
        place = image.TransformPhysicalPointToIndex
        index = np.array([place(point) for point in centres.reshape(-1, 3).tolist()])
        return values[tuple(index.T[::-1])].reshape(centres.shape[:3]) > 0

    def off_curve_mm(self, points: np.ndarray) -> float:
        """Largest distance of points (n, 3) from the nearest true ellipse, along its radius."""
        return min(
            float(
                np.abs(
                    (e.radius(self.case, points) - 1)
                    * np.linalg.norm(points - self.case.place(np.array([e.centre]), e.k), axis=1)
                ).max()
                + np.abs((points - self.case.slice_origin(e.k)) @ self.case.normal).max()
            )
            for e in ELLIPSES
        )


def rtstruct_points(made: Made) -> str:
    """Largest distance of a point that pydicom reads from the true curve, in mm."""
    dataset = pydicom.dcmread(made.write("rtstruct"))
    outlines = dataset.ROIContourSequence[0].ContourSequence
    points = [np.array(c.ContourData, float).reshape(-1, 3) for c in outlines]
    return f"{max(map(made.off_curve_mm, points)):.0e}"


def plastimatch(made: Made) -> str:
    """Dice of plastimatch's rasterised structure with the true pixels."""
    if made.case in (TILTED, UNEVEN):
        return NO_GRID
    path, grid, out = made.write("rtstruct"), made.folder / "grid.nrrd", made.folder / "plm"
    sitk.WriteImage(sitk.ReadImage(str(made.write("labelmap"))) * 0, str(grid))
    command = (
        f"plastimatch convert --input {path} --referenced-ct {made.series} --fixed {grid} "
        f"--output-prefix {out} --prefix-format nrrd"
    )
    subprocess.run(command.split(), capture_output=True, check=True)
    found = made.on_grid(sitk.ReadImage(str(out / "nodule 1.nrrd")))
    return f"{dice(found, made.truth):.4f}"


def dciodvfy(name: str) -> Callable[[Made], str]:
    """Give the count of errors that dciodvfy finds."""

    def count(made: Made) -> str:
        command = ["dciodvfy", "-new", str(made.write(name))]
        done = subprocess.run(command, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        return str(sum(line.startswith("Error") for line in said))

    return count


def segmentation(name: str) -> Callable[[Made], str]:
    """Give the Dice of highdicom's pixels, by source image, with the true ones."""

    def read(made: Made) -> str:
        segments = highdicom.seg.segread(made.write(name))
        uids = list(made.scan.sop_instance_uids)
        pixels = segments.get_pixels_by_source_instance(uids, combine_segments=True)
        return f"{dice(pixels > 0, made.truth):.4f}"

    return read


def fractional(made: Made) -> str:
    """Largest error of a slice's area, in per cent of the true one, as highdicom reads it."""
    segments = highdicom.seg.segread(made.write("seg-fractional"))
    shares = segments.get_pixels_by_source_instance(list(made.scan.sop_instance_uids))[..., 0]
    pixel = made.case.row_spacing * made.case.column_spacing
    errors = []
    for k in {e.k for e in ELLIPSES}:
        area = sum(np.pi * np.prod(e.half_axes) for e in ELLIPSES if e.k == k)
        errors.append(abs(shares[k].sum() * pixel / area - 1) * 100)
    return f"{max(errors):.3f} %"


def label_map(made: Made) -> str:
    """Dice of the NIfTI read by SimpleITK with the true pixels."""
    if sentence := made.refused("labelmap"):
        return sentence
    if made.case is TILTED:
        return NO_GRID
    return f"{dice(made.on_grid(sitk.ReadImage(str(made.write('labelmap')))), made.truth):.4f}"


def label_map_by_nibabel(made: Made) -> str:
    """Dice of the NIfTI read by nibabel, which holds sheared grids as well."""
    if sentence := made.refused("labelmap"):
        return sentence
    image = nibabel.load(made.write("labelmap"))
    to_index = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ image.affine)
    index = np.rint(nibabel.affines.apply_affine(to_index, made.centres)).astype(int)
    found = np.asarray(image.dataobj)[tuple(np.moveaxis(index, -1, 0))] > 0
    return f"{dice(found, made.truth):.4f}"


def nibabel_and_itk(made: Made) -> str:
    """Largest distance between a corner's place by nibabel and by SimpleITK, in mm."""
    if sentence := made.refused("labelmap"):
        return sentence
    path = str(made.write("labelmap"))
    if made.case is TILTED:
        return NO_GRID
    affine = np.diag([-1, -1, 1, 1]) @ nibabel.load(path).affine
    image = sitk.ReadImage(path)
    corners = [(0, 0, 0), tuple(length - 1 for length in image.GetSize())]
    apart = [
        np.abs((affine @ [*c, 1])[:3] - image.TransformIndexToPhysicalPoint(c)).max()
        for c in corners
    ]
    return f"{max(apart):.0e}"


def seg_nrrd(made: Made) -> str:
    """Dice of the segment that slicerio reads with the true pixels."""
    if sentence := made.refused("nrrd"):
        return sentence
    path = made.write("nrrd")
    read = slicerio.read_segmentation(str(path))
    assert [segment["name"] for segment in read["segments"]] == ["nodule 1"]
    return f"{dice(made.on_grid(sitk.ReadImage(str(path))), made.truth):.4f}"


def markups(made: Made) -> str:
    """Largest distance of a control point from the true curve, in mm."""
    worst = 0.0
    for path in made.write("markups").glob("*.mrk.json"):
        if "evidence" not in path.name:
            [markup] = json.loads(path.read_text("utf-8"))["markups"]
            points = np.array([p["position"] for p in markup["controlPoints"]])
            worst = max(worst, made.off_curve_mm(points))
    return f"{worst:.0e}"


def coco(made: Made) -> tuple[list[dict[str, Any]], COCO, dict[int, int]]:
    """Read coco.json by pycocotools: outlines, the reader, and each image's slice."""
    with contextlib.redirect_stdout(io.StringIO()):
        reader = COCO(str(made.write("coco")))
    outlines = [a for a in reader.loadAnns(reader.getAnnIds()) if a["kind"] == "outline"]
    return outlines, reader, {image["id"]: image["slice"] for image in reader.loadImgs(reader.imgs)}


def coco_points(made: Made) -> str:
    """Largest distance of a polygon's point from the true curve, in mm."""
    outlines, _, slices = coco(made)
    worst = 0.0
    for outline in outlines:
        points = np.array(outline["segmentation"][0]).reshape(-1, 2) - 0.5
        placed = made.case.place(points, slices[outline["image_id"]])
        worst = max(worst, made.off_curve_mm(placed))
    return f"{worst:.0e}"


def coco_mask(made: Made) -> str:
    """Dice of pycocotools' own mask with the true pixels."""
    outlines, reader, slices = coco(made)
    found = np.zeros_like(made.truth)
    for outline in outlines:
        found[slices[outline["image_id"]]] |= reader.annToMask(outline).astype(bool)
    return f"{dice(found, made.truth):.4f}"


def read_back(name: str) -> Callable[[Made], str]:
    """Give the largest deviation of a curve that `medcontour refine` reads from the true one.

    Of a mask it is counted in pixels, of the longer side.
    """

    def read(made: Made) -> str:
        if sentence := made.refused(name):
            return sentence
        path = made.write(name)
        case, scan = made.case, made.scan
        shapes = [s for s in read_edited(path, scan).shapes if "evidence" not in s.name]
        shapes = [s for s in shapes if s.kind != "evidence"]
        worst = 0.0
        for e in ELLIPSES:
            drawn: list[np.ndarray] = []
            for shape in (s for s in shapes if s.slice == e.k):
                if shape.polygon_lps_mm is not None:
                    drawn.append(shape.polygon_lps_mm)
                else:
                    drawn += [case.place(p, e.k) for p in mask_polygons(shape.values)]
            true = e.outline(case, 1024)
            worst = max(worst, min(deviation_mm(true, other, 0.1) for other in drawn))
        side = max(case.row_spacing, case.column_spacing)
        mask = any(shape.polygon_lps_mm is None for shape in shapes)
        return f"{worst / side:.2f} pixels" if mask else f"{worst:.0e}"

    return read


JUDGES: tuple[tuple[str, str, str, Callable[[Made], str]], ...] = (
    ("RTSTRUCT", "pydicom: points off the curve, mm", "0.01", rtstruct_points),
    ("RTSTRUCT", "plastimatch: Dice", "0.98", plastimatch),
    ("RTSTRUCT", "dciodvfy: errors", "0", dciodvfy("rtstruct")),
    ("RTSTRUCT", "read back by medcontour refine, mm", "0.05", read_back("rtstruct")),
    ("SEG BINARY", "highdicom: Dice", "0.99", segmentation("seg")),
    ("SEG BINARY", "dciodvfy: errors", "0", dciodvfy("seg")),
    ("SEG BINARY", "read back by medcontour refine", "0.5 pixels", read_back("seg")),
    ("SEG LABELMAP", "highdicom: Dice", "0.99", segmentation("seg-labelmap")),
    ("SEG LABELMAP", "read back by medcontour refine", "0.5 pixels", read_back("seg-labelmap")),
    ("SEG FRACTIONAL", "highdicom: area error", "0.2 %", fractional),
    ("SEG FRACTIONAL", "dciodvfy: errors", "0", dciodvfy("seg-fractional")),
    ("SEG FRACTIONAL", "read back by medcontour refine", "0.5 pixels", read_back("seg-fractional")),
    ("NIfTI", "SimpleITK: Dice", "0.99", label_map),
    ("NIfTI", "nibabel: Dice", "0.99", label_map_by_nibabel),
    ("NIfTI", "nibabel to SimpleITK, mm", "0.001", nibabel_and_itk),
    ("NIfTI", "read back by medcontour refine", "0.5 pixels", read_back("labelmap")),
    (".seg.nrrd", "slicerio, SimpleITK: Dice", "0.99", seg_nrrd),
    (".seg.nrrd", "read back by medcontour refine", "0.5 pixels", read_back("nrrd")),
    ("Markups", "control points off the curve, mm", "0.01", markups),
    ("Markups", "read back by medcontour refine, mm", "0.2", read_back("markups")),
    ("COCO", "points off the curve, mm", "0.01", coco_points),
    ("COCO", "pycocotools: Dice", "0.98", coco_mask),
    ("COCO", "read back by medcontour refine, mm", "0.05", read_back("coco")),
)


def table(cases: list[Case]) -> list[list[str]]:
    """Run each judge on each geometry: rows of cells, the heading first."""
    rows = [["format", "judge", "bound", *(case.name for case in cases)]]
    rows += [[form, judge, bound] for form, judge, bound, _ in JUDGES]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            series = write_series(case, Path(folder) / "series")
            scan = read_scan(series)
            made = Made(case, series, scan, case_suggestion(scan, case), Path(folder))
            for row, (_, _, _, judge) in zip(rows[1:], JUDGES, strict=True):
                row.append(judge(made))
    return rows


def main() -> None:
    """Write ``formats.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    rows = table([*CASES, TILTED, UNEVEN])
    rule = ["---"] * len(rows[0])
    text = "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], rule, *rows[1:]])
    out.mkdir(parents=True, exist_ok=True)
    (out / "formats.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
