"""The module's logic against a running server, with the libraries that 3D Slicer is made of.

3D Slicer itself is not run: VTK's closed splines stand for its curves, slicerio for its segments.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import slicerio
import vtk
from MedcontourLib.curves import Curve, handles_of, outline_of, to_ras
from MedcontourLib.desk import Desk
from planted_studies import setup, studies
from server_process import ROOT
from server_thread import serving
from vtk.util.numpy_support import vtk_to_numpy

import medcontour as mc
from medcontour.contour.polygons import deviation_mm
from medcontour.server import ServerOptions
from medcontour.workspace import Setup

__all__ = ["setup", "studies"]

MODULE = ROOT / "plugins" / "slicer"


@pytest.fixture(scope="module")
def address(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(setup, ServerOptions(tmp_path_factory.mktemp("served"), port=0)) as client:
        yield str(client.base_url)


@pytest.fixture
def desk(address: str, studies: Path) -> Iterator[Desk]:
    """With the scan open, and its findings."""
    made = Desk(address)
    made.open(studies / "spot.nii.gz")
    made.finish(made.begin())
    yield made
    made.close()


def spline(handles: np.ndarray, each: int = 10) -> np.ndarray:
    """Points on the closed spline through handles, as 3D Slicer draws a closed curve."""
    points = vtk.vtkPoints()
    for handle in handles:
        points.InsertNextPoint(handle)
    curve = vtk.vtkParametricSpline()
    curve.SetPoints(points)
    curve.ClosedOn()
    source = vtk.vtkParametricFunctionSource()
    source.SetParametricFunction(curve)
    source.SetUResolution(each * len(handles))
    source.Update()
    return np.array(vtk_to_numpy(source.GetOutput().GetPoints().GetData()))[:-1]


def outlines(desk: Desk) -> list[Curve]:
    return [curve for curve in desk.curves() if curve.kind == "outline"]


def test_a_connection_is_tested(address: str) -> None:
    assert "looks for spot" in Desk(address).test()
    with pytest.raises(Exception, match="cannot be reached"):
        Desk("http://127.0.0.1:9").test()


def test_curves_are_where_the_findings_are(desk: Desk, studies: Path) -> None:
    [curve] = outlines(desk)
    assert (curve.slice, curve.label, curve.name) == (1, "spot", "spot 1, slice 2")
    assert any(each.kind == "evidence" for each in desk.curves())
    # RAS, as nibabel has it: the middle of the handles is the bright spot's voxel.
    image = nibabel.load(studies / "spot.nii.gz")
    i, j, k = nibabel.affines.apply_affine(
        np.linalg.inv(image.affine), curve.handles_ras_mm.mean(0)
    )
    values = np.asarray(image.dataobj)
    assert round(float(k)) == 1
    assert values[round(float(i)), round(float(j)), 1] > np.percentile(values[..., 1], 95)
    drawn = to_ras(spline(curve.handles_ras_mm))
    assert deviation_mm(drawn, curve.corners_lps_mm) < 0.5


def test_untouched_curves_come_back_exactly(desk: Desk) -> None:
    back = [
        outline_of(curve, curve.handles_ras_mm, spline(curve.handles_ras_mm), desk.study, "spot")
        for curve in outlines(desk)
    ]
    for curve, outline in zip(outlines(desk), back, strict=True):
        assert np.array_equal(outline.corners_lps_mm, curve.corners_lps_mm)
    report = desk.save_curves(back)
    assert {part["change"] for part in report["slices"]} == {"unchanged"}


def test_a_dragged_curve_and_a_new_one_are_measured_and_undone(
    desk: Desk, studies: Path, tmp_path: Path
) -> None:
    scan = mc.read_scan(studies / "spot.nii.gz")
    [curve] = outlines(desk)
    handles = curve.handles_ras_mm.copy()
    out = handles[0] - handles.mean(0)
    handles[0] += 2.0 * out / np.linalg.norm(out)
    moved = outline_of(curve, handles, spline(handles), desk.study, "spot")
    ring = scan.to_lps(
        np.array([[14, 40], [22, 40], [24, 46], [20, 52], [14, 50], [11, 45]], dtype=float), 2
    )
    fresh_handles = to_ras(handles_of(ring))
    fresh = outline_of(None, fresh_handles, spline(fresh_handles), desk.study, "spot")
    assert (moved.slice, fresh.slice) == (1, 2)
    assert deviation_mm(moved.corners_lps_mm, to_ras(spline(handles))) < 1e-6
    report = desk.save_curves([moved, fresh])
    assert [part["change"] for part in report["slices"]] == ["moved", "new"]
    desk.export("labelmap", tmp_path / "labelmap.nii.gz")
    label = nibabel.load(tmp_path / "labelmap.nii.gz")
    assert np.allclose(label.affine, nibabel.load(studies / "spot.nii.gz").affine, atol=1e-4)

    desk.save_curves([fresh])  # the suggested one is removed
    assert [each.slice for each in outlines(desk)] == [2]
    desk.undo()
    assert sorted(each.slice for each in outlines(desk)) == [1, 2]
    desk.undo()
    [first] = outlines(desk)
    assert np.allclose(first.corners_lps_mm, curve.corners_lps_mm)
    assert not desk.can_undo
    with pytest.raises(ValueError, match="no saved edit"):
        desk.undo()


def test_a_curve_beside_the_slices_is_refused(desk: Desk) -> None:
    [curve] = outlines(desk)
    far = curve.handles_ras_mm + np.array([0.0, 0.0, 40.0])
    with pytest.raises(ValueError, match="one slice"):
        outline_of(curve, far, spline(far), desk.study, "spot")


def test_segments_go_to_the_editor_and_come_back(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "findings.seg.nrrd"
    desk.segmentation(file)
    read = slicerio.read_segmentation(str(file))
    [segment] = read["segments"]
    assert segment["name"] == "spot 1"
    untouched = desk.save_segmentation(file)
    assert {part["change"] for part in untouched["slices"]} == {"unchanged"}
    voxels = read["voxels"]
    i, j, k = (axis[0] for axis in np.nonzero(voxels == segment["labelValue"]))
    voxels[i - 3 : i + 3, j - 3 : j + 3, k] = segment["labelValue"]
    edited = tmp_path / "edited.seg.nrrd"
    slicerio.write_segmentation(str(edited), read)
    report = desk.save_segmentation(edited)
    assert [part["change"] for part in report["slices"]] == ["moved"]
    assert 0.2 < report["total"]["dice"] < 1


def test_a_job_is_followed_and_cancelled(address: str) -> None:
    desk = Desk(address)
    desk.open(ROOT / "sample_data" / "ct_study")
    job = desk.begin()
    assert not desk.look(job).ended
    desk.cancel(job)
    with pytest.raises(Exception, match="cancelled"):
        desk.finish(job)
    desk.close()


def test_the_module_is_laid_out_for_the_extensions_index() -> None:
    """CMake's list of scripts is what there is, and each compiles."""
    scripts = sorted(
        path.relative_to(MODULE / "Medcontour").as_posix()
        for path in (MODULE / "Medcontour").rglob("*.py")
    )
    listed = (MODULE / "Medcontour" / "CMakeLists.txt").read_text(encoding="utf-8")
    for script in scripts:
        assert script.replace("Medcontour.py", "${MODULE_NAME}.py") in listed
        compile((MODULE / "Medcontour" / script).read_text(encoding="utf-8"), script, "exec")
    assert (MODULE / "Medcontour" / "Resources" / "Icons" / "Medcontour.png").is_file()


def test_it_needs_neither_pytorch_nor_medcontour() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import MedcontourLib.desk\n"
        "heavy = {'torch', 'monai', 'medcontour', 'scipy', 'slicer', 'vtk'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    places = [str(MODULE / "Medcontour"), str(ROOT / "plugins" / "client")]
    done = subprocess.run(
        [sys.executable, "-c", code, *places], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
