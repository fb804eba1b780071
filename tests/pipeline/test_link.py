"""Which contours on neighbouring slices are of one object, on stacks of every geometry."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medcontour import Scan
from medcontour.pipeline.link import Extent, link

FloatArray = npt.NDArray[np.float64]
Disc = tuple[int, float, float, float]  # slice, centre in the plane, radius in mm
EVEN = tuple(3.0 * k for k in range(12))


def stack(
    places: Sequence[float] = EVEN,
    turn: FloatArray | None = None,
    shift: Sequence[float] = (0.0, 0.0, 0.0),
    spacing: tuple[float, float] = (1.0, 1.0),
    tilt: float = 0.0,
) -> Scan:
    """Slices at places (mm along their normal), each moved along its columns by tilt * place."""
    directions = np.eye(3) if turn is None else turn
    affine = np.eye(4)
    affine[:3, :2] = directions[:, :2] * spacing[::-1]
    affine[:3, 2] = directions @ [0, tilt * (places[1] - places[0]), places[1] - places[0]]
    origins = np.array([directions @ [0, tilt * z, z] + shift for z in places])
    affine[:3, 3] = origins[0]
    voxels = np.zeros((len(places), 8, 8), np.float32)
    return Scan(voxels, affine, origins, "mm", "CT", "memory", (0.0, 1.0))


def extents(
    discs: Sequence[Disc],
    places: Sequence[float] = EVEN,
    turn: FloatArray | None = None,
    shift: Sequence[float] = (0.0, 0.0, 0.0),
    evidence: Collection[int] = (),
) -> list[Extent]:
    """Polygons of discs whose centres are given in the patient, whatever the slices' tilt.

    On the slices named in `evidence` there are no outlines: evidence stands in for them.
    """
    directions = np.eye(3) if turn is None else turn
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    found = []
    for k, x, y, radius in discs:
        ring = np.stack(
            [x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(48, places[k])], 1
        )
        found.append(Extent(k, ring @ directions.T + shift, stands_in=k in evidence))
    return found


def grouped(discs: Sequence[Disc], found: Sequence[Sequence[int]]) -> set[frozenset[Disc]]:
    """The groups as sets of discs, whatever their order."""
    return {frozenset(discs[n] for n in group) for group in found}


DISCS = st.lists(
    st.tuples(st.integers(0, 11), st.floats(-30, 30), st.floats(-30, 30), st.floats(1.5, 12)),
    min_size=1,
    max_size=14,
    unique_by=lambda disc: disc[1],
)
EVIDENCE = st.sets(st.integers(0, 11))
"""Slices on which evidence stands in for outlines."""
FEW = settings(max_examples=40, deadline=None)


@FEW
@given(DISCS, EVIDENCE, st.randoms(use_true_random=False))
def test_groups_hold_every_contour_once_and_no_slice_twice_in_any_order(
    discs: list[Disc], evidence: set[int], random: object
) -> None:
    found = link(extents(discs, evidence=evidence), stack())
    assert sorted(n for group in found for n in group) == list(range(len(discs)))
    for group in found:
        slices = [discs[n][0] for n in group]
        assert slices == sorted(set(slices))
        assert np.diff(slices).max(initial=0) <= 2, "more than one slice is not bridged"
    shuffled = list(discs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = link(extents(shuffled, evidence=evidence), stack())
    assert grouped(shuffled, again) == grouped(discs, found)


@FEW
@given(
    DISCS,
    EVIDENCE,
    st.integers(0, 2**31),
    st.booleans(),
    st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)),
    st.floats(-0.5, 0.5),
)
def test_groups_do_not_depend_on_where_and_how_the_slices_lie(
    discs: list[Disc],
    evidence: set[int],
    seed: int,
    mirrored: bool,
    spacing: tuple[float, float],
    tilt: float,
) -> None:
    expected = grouped(discs, link(extents(discs, evidence=evidence), stack()))
    generator = np.random.default_rng(seed)
    turn = Rotation.random(random_state=generator).as_matrix() * (-1 if mirrored else 1)
    shift = generator.uniform(-500, 500, 3)
    moved = extents(discs, EVEN, turn, shift, evidence)
    assert grouped(discs, link(moved, stack(EVEN, turn, shift, spacing, tilt))) == expected


@FEW
@given(DISCS, st.floats(60, 500))
def test_what_lies_far_away_joins_nothing(discs: list[Disc], away: float) -> None:
    alone = link(extents(discs), stack())
    twins = [(k, x + away + 30, y, radius) for k, x, y, radius in discs]
    both = link(extents([*discs, *twins]), stack())
    here = {group for group in both if max(group) < len(discs)}
    assert here == set(alone)
    there = {tuple(n - len(discs) for n in group) for group in both if min(group) >= len(discs)}
    assert len(here) + len(there) == len(both)


@pytest.mark.parametrize("seed", range(5))
def test_equal_overlaps_are_decided_by_where_they_lie_not_by_rounding_or_order(seed: int) -> None:
    """Two contours as far to the left of a third as to the right: a tie in any coordinates."""
    discs = [(1, 0.0, 0.0, 2.0), (3, 1.0, 0.0, 1.5), (3, -1.0, 0.0, 1.5)]
    generator = np.random.default_rng(seed)
    turn = Rotation.random(random_state=generator).as_matrix()
    shift = generator.uniform(-500, 500, 3)
    expected = {frozenset([discs[0], discs[2]]), frozenset([discs[1]])}
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        shown = [discs[n] for n in order]
        found = link(extents(shown, EVEN, turn, shift), stack(EVEN, turn, shift))
        assert grouped(shown, found) == expected


def test_one_slice_between_is_bridged_and_two_are_not() -> None:
    discs = [(0, 0.0, 0.0, 6.0), (2, 0.5, 0.0, 6.0), (5, 0.0, 0.5, 6.0)]
    assert link(extents(discs), stack()) == [(0, 1), (2,)]


def test_two_objects_on_one_slice_stay_two() -> None:
    discs = [(1, -4.0, 0.0, 6.0), (1, 4.0, 0.0, 5.0), (2, -3.0, 0.0, 6.0), (3, 4.0, 0.0, 5.0)]
    assert link(extents(discs), stack()) == [(0, 2), (1, 3)]


def test_the_greater_overlap_comes_first_where_an_object_forks() -> None:
    discs = [(4, 0.0, 0.0, 8.0), (5, -5.0, 0.0, 3.0), (5, 2.0, 0.0, 6.0)]
    assert link(extents(discs), stack()) == [(0, 2), (1,)]


def test_slices_of_an_uneven_stack_are_as_far_apart_as_they_lie() -> None:
    places = (0.0, 3.0, 6.0, 30.0, 33.0)
    discs = [(k, 0.1 * k, 0.0, 6.0) for k in range(5)]
    assert link(extents(discs, places), stack(places)) == [(0, 1, 2), (3, 4)]


@pytest.mark.parametrize("tilt", [0.0, 2.0])
def test_slices_shifted_against_each_other_are_compared_where_they_lie(tilt: float) -> None:
    """The same pixels on every slice of a tilted stack are not the same place."""
    scan = stack(tilt=tilt)
    square = np.array([[1, 1], [5, 1], [5, 5], [1, 5]])
    same_pixels = [Extent(k, scan.to_lps(square, k)) for k in (0, 1, 2)]
    assert link(same_pixels, scan) == ([(0,), (1,), (2,)] if tilt else [(0, 1, 2)])


def test_a_slanting_object_is_followed_where_its_contours_do_not_quite_touch() -> None:
    discs = [(k, 4.0 * k, 0.0, 1.5) for k in range(4)]  # 1 mm apart on slices 3 mm apart
    assert link(extents(discs), stack()) == [(0, 1, 2, 3)]
    farther = [(k, 6.0 * k, 0.0, 1.5) for k in range(4)]
    assert link(extents(farther), stack()) == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize("turned", [False, True])
def test_broad_evidence_between_does_not_join_two_outlined_objects(turned: bool) -> None:
    """A classifier that looks at half of the image on two slices tells nothing of borders."""
    turn = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix() if turned else None
    front: list[Disc] = [(0, -25, 0, 4), (1, -24, 0, 4)]
    back: list[Disc] = [(4, 25, 0, 6), (5, 25, 1, 7)]
    broad: list[Disc] = [(2, -5, 0, 20), (3, 5, 0, 20)]
    discs = [*front, *broad, *back]
    found = grouped(discs, link(extents(discs, turn=turn, evidence=(2, 3)), stack(turn=turn)))
    assert len(found) == 2
    for object_ in (front, back):
        assert any(set(object_) <= group for group in found)
    # Where outlines on both sides lie at one place, evidence between them does join them.
    through = [*front, *broad, (4, -24, 1, 5), (5, -24, 1, 4)]
    assert len(link(extents(through, turn=turn, evidence=(2, 3)), stack(turn=turn))) == 1


@FEW
@given(DISCS)
def test_of_evidence_alone_groups_are_those_of_outlines_at_the_same_places(
    discs: list[Disc],
) -> None:
    every = link(extents(discs, evidence=range(12)), stack())
    assert grouped(discs, every) == grouped(discs, link(extents(discs), stack()))
