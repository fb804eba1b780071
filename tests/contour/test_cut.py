"""Surfaces cut by planes, held against the surface itself, closed forms and VTK's cutter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import wild_surfaces

from medcontour.contour import HarmonicSurface, cut

FLAT = torch.eye(3).double()[:2]
PLACE = st.tuples(*3 * [st.floats(-1.0, 1.0)])


def at_height(height: float) -> torch.Tensor:
    return torch.tensor([0.0, 0.0, height], dtype=torch.float64)


def surface_of(**harmonics: float) -> HarmonicSurface:
    """About the middle, of mean radius a half; a coefficient by degree, of order 0."""
    ball = HarmonicSurface.spheres(torch.zeros(1, 3).double(), torch.tensor([0.5]).double())
    for name, value in harmonics.items():
        degree = int(name[1:])
        ball.harmonics[0, degree * degree + degree - 1] = value
    return ball


def region(loops: list[torch.Tensor]) -> shapely.Geometry:
    """Counter-clockwise loops less clockwise ones, however they lie."""
    rings = [shapely.Polygon(loop.numpy()) for loop in loops]
    assert all(ring.is_valid for ring in rings)
    outer = shapely.union_all([ring for ring in rings if ring.exterior.is_ccw])
    return outer.difference(shapely.union_all([r for r in rings if not r.exterior.is_ccw]))


def plane_of(first: tuple[float, ...], second: tuple[float, ...]) -> torch.Tensor:
    axes, _ = torch.linalg.qr(torch.tensor([first, second]).double().T + 1e-3)
    return axes.T


@given(wild_surfaces(amplitude=0.4, stretch=0.5), PLACE, PLACE, PLACE)
@settings(max_examples=25, deadline=None)
def test_any_cut_is_the_surface_to_a_twentieth_of_a_millimetre(
    surface: HarmonicSurface,
    first: tuple[float, ...],
    second: tuple[float, ...],
    place: tuple[float, ...],
) -> None:
    axes = plane_of(first, (second[1], second[0] + 1.3, second[2]))
    reach = surface.mean_radius
    origin = surface.center[0] + 0.7 * reach * torch.tensor(place).double()
    loops = cut(surface, origin, axes)
    for loop in loops:
        following = loop.roll(-1, 0)
        for share in (0.0, 0.25, 0.5, 0.75):
            along = origin + (loop + share * (following - loop)) @ axes
            # Half a millimetre in a metre: a unit is 500 mm there.
            assert surface.distance(along).abs().max() < 1e-4
    points = 3 * float(reach) * (torch.rand(3000, 2, dtype=torch.float64) - 0.5)
    points = points + (surface.center[0] - origin) @ axes.T
    inside = surface.contains(origin + points @ axes)[0].numpy()
    near = surface.distance(origin + points @ axes)[0].abs().numpy() < 0.03 * float(reach)
    ours = shapely.contains_xy(region(loops), points.numpy())
    assert (ours == inside)[~near].all()


def test_a_plane_through_the_center_gives_one_star_convex_loop() -> None:
    surface = surface_of(l3=0.4, l4=0.2)
    axes = plane_of((1.0, 0.2, 0.4), (0.0, 1.0, -0.7))
    (loop,) = cut(surface, torch.zeros(3), axes)
    angles = np.unwrap(np.arctan2(loop[:, 1].numpy(), loop[:, 0].numpy()))
    assert (np.diff(angles) > 0).all()
    assert angles[-1] - angles[0] < 2 * math.pi


def test_two_hills_are_two_loops_and_a_crater_is_a_ring() -> None:
    hills = surface_of()
    hills.harmonics[0, 7] = 0.7  # x^2 - y^2: hills along x, valleys along y
    axes = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).double()  # y, x: seen from below
    loops = cut(hills, at_height(0.54), axes)
    assert len(loops) == 2
    assert all(shapely.Polygon(loop.numpy()).exterior.is_ccw for loop in loops)
    crater = surface_of(l4=-0.5)
    rim = float((crater.mesh(5)[0][0, :, 2]).max())
    ring = cut(crater, at_height(0.97 * rim), FLAT)
    assert sorted(shapely.Polygon(loop.numpy()).exterior.is_ccw for loop in ring) == [False, True]


def test_above_the_surface_there_is_nothing_and_its_very_top_is_found() -> None:
    ball = surface_of()
    assert cut(ball, at_height(0.5001), FLAT) == []
    (loop,) = cut(ball, at_height(0.4999), FLAT)
    assert loop.norm(dim=-1).numpy() == pytest.approx(math.sqrt(0.5**2 - 0.4999**2), rel=1e-5)


def test_it_lies_where_vtk_cuts_the_mesh() -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPlane, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkCutter, vtkStripper

    surface = surface_of(l3=0.3, l5=0.15)
    vertices, triangles = (part.squeeze(0).numpy() for part in surface.mesh(6))
    points, cells, mesh = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetDataTypeToDouble()
    for vertex in vertices:
        points.InsertNextPoint(*vertex)
    for triangle in triangles:
        cells.InsertNextCell(3, triangle)
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    plane = vtkPlane()
    plane.SetOrigin(0, 0, 0.2)
    plane.SetNormal(0, 0, 1)
    cutter, stripper = vtkCutter(), vtkStripper()
    cutter.SetCutFunction(plane)
    cutter.SetInputData(mesh)
    stripper.SetInputConnection(cutter.GetOutputPort())
    stripper.JoinContiguousSegmentsOn()
    stripper.Update()
    theirs = vtk_to_numpy(stripper.GetOutput().GetPoints().GetData())[:, :2]
    (loop,) = cut(surface, at_height(0.2), FLAT)
    ours = shapely.Polygon(loop.numpy()).exterior
    # A mesh of 82,000 triangles lies inside the surface by less than a ten-thousandth.
    assert shapely.distance(ours, shapely.points(theirs)).max() < 2e-4
    again = shapely.MultiPoint(theirs)
    assert shapely.distance(again, shapely.points(loop.numpy())).max() < 0.02


def test_what_cannot_be_cut_is_said() -> None:
    with pytest.raises(ValueError, match="one surface"):
        cut(HarmonicSurface.cat([surface_of(), surface_of()]), torch.zeros(3), FLAT)
    with pytest.raises(ValueError, match="perpendicular"):
        cut(surface_of(), torch.zeros(3), torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
