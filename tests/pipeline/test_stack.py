"""Outlines of a stack chosen together, on planted objects in stacks of every geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from medcontour import Scan
from medcontour.contour import FourierContour, PlaneShape
from medcontour.outline import Outline, outline_candidates
from medcontour.pipeline.carry import carried, drawn_in, place_mm, step_across
from medcontour.pipeline.outlines import Offer
from medcontour.pipeline.planes import plane_geometry
from medcontour.pipeline.stack import outline_stack
from medcontour.pipeline.stack_notes import DISAGREES, FELL_BACK, GOES_ON, RAN_OUT
from medcontour.pipeline.stack_parts import Stacked, Traced

RADIUS, MIDDLE, STEP = 11.0, 12.0, 4.0  # mm: a ball about the middle of seven slices


def ball_scan(
    spacing: tuple[float, float] = (1.0, 1.0), tilt: float = 0.0, sign: float = 1.0
) -> Scan:
    """Seven slices; each is shifted along its columns by tilt mm for each mm of height."""
    rows, columns = (round(64 / side) for side in spacing)
    affine = np.diag([spacing[1], spacing[0], STEP, 1.0])
    affine[1, 2] = tilt * STEP
    affine[:3, 3] = [-(columns - 1) * spacing[1] / 2, -(rows - 1) * spacing[0] / 2, 0]
    origins = affine[:3, 3] + np.arange(7)[:, None] * affine[:3, 2]
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    noise = np.random.default_rng(0).normal(0, 0.05, (7, rows, columns))
    voxels = []
    for k in range(7):
        x, y = (
            origins[k][axis] + n * s
            for axis, n, s in ((0, column, spacing[1]), (1, row, spacing[0]))
        )
        gap = RADIUS - np.sqrt(x**2 + y**2 + (k * STEP - MIDDLE) ** 2)
        voxels.append(sign * np.clip(gap + 0.5, 0, 1))
    values = (np.stack(voxels) + noise).astype(np.float32)
    return Scan(values, affine, origins, "mm", "CT", "memory", (0.0, 1.0))


def true_radius(k: int) -> float:
    return float(np.sqrt(max(RADIUS**2 - (k * STEP - MIDDLE) ** 2, 0)))


@dataclass
class OnlyImages:
    """The region outliner, and a classifier that speaks against nothing."""

    scan: Scan

    def boundaries(
        self,
        slices: Sequence[int],
        curves: Sequence[PlaneShape],
        polarity: Sequence[float],
        most: int,
    ) -> list[list[Outline]]:
        if not slices:
            return []
        found = outline_candidates(
            torch.from_numpy(self.scan.voxels[list(slices)]),
            plane_geometry(self.scan),
            curves[0].cat(curves),
            torch.tensor(polarity),
            most=most,
        )
        return [[one for one in some if one.clear] for some in found]

    def energies(
        self, slices: Sequence[int], outlines: Sequence[Sequence[Outline]]
    ) -> tuple[list[list[float]], list[float]]:
        return [[o.energy for o in some] for some in outlines], [len(s) / 2 for s in outlines]


def circle(scan: Scan, k: int, radius: float) -> FourierContour:
    """A circle of `radius` mm about the ball's axis on slice `k`, and the body's."""
    plane = plane_geometry(scan)
    center = plane.from_index(torch.from_numpy(scan.to_index([[0.0, 0.0, k * STEP]], k)))
    return FourierContour.circles(center.float(), torch.tensor([radius / plane.unit_mm]))


def offer(scan: Scan, k: int, *others: tuple[float, float], sign: float = 1.0) -> Traced:
    """Evidence of 7 mm on slice `k`; its true boundary, and (radius, energy) of others."""
    every = [(true_radius(k), -3.0), *others] if true_radius(k) else list(others)
    outlines = [Outline(circle(scan, k, radius), energy, True) for radius, energy in every]
    energies = tuple(energy for _, energy in every)
    return Traced(k, circle(scan, k, 7.0), Offer(tuple(outlines), energies, sign))


def radii(scan: Scan, found: Stacked) -> dict[int, float]:
    """Mean radius in mm of each slice's outline."""
    unit = plane_geometry(scan).unit_mm
    return {
        one.slice: float(one.outline.contour.area().div(torch.pi).sqrt()) * unit
        for one in found.contours
        if one.outline is not None
    }


SCANS = [((1.0, 1.0), 0.0, 1.0), ((2.0, 1.0), 0.5, 1.0), ((1.0, 1.6), -0.7, -1.0)]


@pytest.mark.parametrize(("spacing", "tilt", "sign"), SCANS, ids=["plain", "tall", "dark"])
def test_a_boundary_that_ran_out_gives_way_and_the_object_goes_on_to_where_it_ends(
    spacing: tuple[float, float], tilt: float, sign: float
) -> None:
    scan = ball_scan(spacing, tilt, sign)
    nothing = Traced(4, circle(scan, 4, 7.0), Offer((), (), sign))
    traced = [nothing, offer(scan, 3, (28.0, -4.0), sign=sign), offer(scan, 2, sign=sign)]
    scores = {0: 0.1, 1: 0.4, 2: 0.9, 3: 0.9, 4: 0.9, 5: 0.3, 6: 0.1}
    found = outline_stack(traced, scan, scores, OnlyImages(scan))
    assert [one.slice for one in found.contours[:3]] == [4, 3, 2]
    assert [one.note for one in found.contours[3:]] == [GOES_ON, GOES_ON]
    got = radii(scan, found)
    assert set(got) == {1, 2, 3, 4, 5}, "and not where there is less than half of it"
    for k, radius in got.items():
        assert radius == pytest.approx(true_radius(k), abs=1.2)
    assert found.contours[0].evaluations > 0
    assert sum(one.evaluations for one in found.contours) <= 5 * len(found.contours)
    [object_] = found.objects
    assert [found.contours[n].slice for n in object_] == [1, 2, 3, 4, 5]


def test_only_slices_that_were_looked_at_are_taken_in() -> None:
    scan = ball_scan()
    traced = [offer(scan, 3), offer(scan, 4)]
    found = outline_stack(traced, scan, {3: 0.9, 4: 0.9}, OnlyImages(scan))
    assert set(radii(scan, found)) == {3, 4}


def test_an_outline_goes_on_from_slices_that_are_suggested_alone() -> None:
    scan = ball_scan()
    weak = [replace(offer(scan, k), suggested=False) for k in (3, 4)]
    scores = dict.fromkeys(range(7), 0.9)
    assert set(radii(scan, outline_stack(weak, scan, scores, OnlyImages(scan)))) == {3, 4}
    mixed = [weak[0], offer(scan, 4)]
    assert 5 in radii(scan, outline_stack(mixed, scan, scores, OnlyImages(scan)))


def test_a_contour_alone_keeps_what_its_own_slice_says_is_best() -> None:
    scan = ball_scan()
    one = offer(scan, 3, (9.0, -3.5))
    [got] = outline_stack([one], scan, {3: 0.9}, OnlyImages(scan)).contours
    assert got.outline is one.offer.best
    assert (got.note, got.evaluations) == ("", 0.0)


def test_an_outline_far_larger_than_its_evidence_and_backed_by_none_gives_way() -> None:
    """To the best that did not run out: that of 20 mm is too large as well, that of 4 unclear."""
    scan = ball_scan()
    one = offer(scan, 3, (28.0, -4.0), (20.0, -3.9), (4.0, -0.5))
    [got] = outline_stack([one], scan, {3: 0.9}, OnlyImages(scan)).contours
    assert got.note == FELL_BACK
    assert got.outline is one.offer.outlines[0]


def test_an_outline_far_larger_than_its_evidence_with_no_other_is_left_out() -> None:
    scan = ball_scan()
    flood = Outline(circle(scan, 3, 28.0), -4.0, True)
    beside = Outline(
        FourierContour.circles(torch.tensor([[0.9, 0.9]]), torch.tensor([0.05])), -3.0, True
    )
    one = Traced(3, circle(scan, 3, 7.0), Offer((flood, beside), (-4.0, -3.0), 1.0))
    [got] = outline_stack([one], scan, {3: 0.9}, OnlyImages(scan)).contours
    assert (got.outline, got.note) == (None, RAN_OUT)


def test_boundaries_that_run_out_alike_on_several_slices_do_not_back_each_other() -> None:
    """What the object lies in goes on from slice to slice as well as the object does."""
    scan = ball_scan()
    traced = [offer(scan, k, (28.0, -6.0)) for k in (2, 3, 4)]
    found = outline_stack(traced, scan, dict.fromkeys(range(7), 0.9), OnlyImages(scan))
    assert [one.note for one in found.contours[:3]] == [FELL_BACK] * 3
    for k, radius in radii(scan, found).items():
        assert radius == pytest.approx(true_radius(k), abs=1.2)


def test_a_boundary_far_larger_than_its_evidence_stays_where_a_neighbour_backs_it() -> None:
    """The classifier goes by a spot of the object on one slice, by most of it on the next."""
    scan = ball_scan()
    spot = replace(offer(scan, 3), evidence=circle(scan, 3, 4.0))
    found = outline_stack([spot, offer(scan, 4)], scan, {3: 0.9, 4: 0.9}, OnlyImages(scan))
    assert [one.note for one in found.contours] == ["", ""]
    assert set(radii(scan, found)) == {3, 4}


def test_a_slice_where_the_object_is_not_has_no_outline_and_says_why() -> None:
    scan = ball_scan()
    traced = [offer(scan, 3), offer(scan, 4), offer(scan, 5), offer(scan, 6, (28.0, -3.6))]
    found = outline_stack(traced, scan, {3: 0.9, 4: 0.9, 5: 0.9, 6: 0.6}, OnlyImages(scan))
    assert set(radii(scan, found)) == {3, 4, 5}
    assert [one.note for one in found.contours] == ["", "", "", DISAGREES]


def test_carried_curves_lie_over_each_other_in_the_patient() -> None:
    scan = ball_scan((2.0, 1.0), 0.8)
    curve = circle(scan, 1, 9.0)
    moved = carried(curve, scan, 1, 5)
    one, other = place_mm(curve, scan, 1), place_mm(moved, scan, 5)
    assert one.symmetric_difference(other).area < 1e-3 * one.area
    assert not torch.allclose(moved.center, curve.center), "other pixels: the slices are shifted"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_step_across_is_that_of_the_object(sign: float) -> None:
    scan = ball_scan(sign=sign)
    assert step_across(circle(scan, 3, RADIUS), scan, 3) == pytest.approx(sign, abs=0.1)
    assert abs(step_across(circle(scan, 6, 5.0), scan, 6)) < 0.1


def test_an_outline_is_drawn_in_to_where_the_image_is_halfway() -> None:
    """Where an object fills a falling part of the thickness, the half is its boundary."""
    scan = ball_scan()
    column, row = np.meshgrid(np.arange(64), np.arange(64))
    away = np.hypot(column - 31.5, row - 31.5)
    scan.voxels[3] = np.clip(1 - away / 16, 0, 1)  # a cone: 1 in the middle, half at 8 mm
    wide = circle(scan, 3, 14.0)
    curve, share = drawn_in(wide, scan, 3, 1.0)
    assert curve is not None
    radius = float(curve.area().div(torch.pi).sqrt()) * plane_geometry(scan).unit_mm
    assert radius == pytest.approx(8.0, abs=0.5)
    assert share == pytest.approx(8 / 14, abs=0.05)
    disc = circle(scan, 2, true_radius(2))
    assert drawn_in(disc, scan, 2, 1.0)[1] > 0.95, "it is there already"
    assert drawn_in(wide, scan, 3, 3.0)[0] is None, "nowhere half as bright as the object"
