"""The batch follows the memory there is, and a slice's result does not follow the batch."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from planted import Spots, classifier, dice, pixel_mask, polygons, scan_of, with_spots
from torch import Tensor

import medcontour as mc
from medcontour.pipeline.memory import images_at_once

SLICES = 3


class Counting(Spots):
    """Remembers how many images went through it at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return super().forward(images)


def _scan() -> mc.Scan:
    spots = [((40.0 - 4 * k, 18.0 + 2 * k), 5.0, 0.95) for k in range(SLICES)]
    return scan_of(*(with_spots([spot], seed=k) for k, spot in enumerate(spots)))


def _bytes_each(network: Spots) -> int:
    """What one image costs, found by the budget at which two of them fit."""
    image = torch.rand(1, 48, 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCONTOUR_MEMORY", str(2**30))
        return 2**30 // images_at_once(classifier(network), image)


@pytest.mark.slow
@pytest.mark.parametrize("contours", [1, 2])
def test_no_more_images_at_once_than_memory_holds(monkeypatch, contours) -> None:
    network = Counting()
    each = _bytes_each(network)
    found = {}
    for most in (15, 10_000):
        monkeypatch.setenv("MEDCONTOUR_MEMORY", str(int(each * (most + 0.5))))
        network.seen.clear()
        found[most] = mc.suggest(_scan(), classifier(network), contours=contours)
        assert max(network.seen) <= most
    assert max(network.seen) > 15, "without a limit images go together"
    whole = found.pop(10_000)
    assert len(whole.slices) == SLICES
    for other in found.values():
        for one, same in zip(whole.slices, other.slices, strict=True):
            assert (one.slice, one.status) == (same.slice, same.status)
            assert one.score == pytest.approx(same.score, abs=1e-5)
            assert one.evidence.p_value == same.evidence.p_value
        for kind in ("evidence", "outline"):
            pairs = zip(polygons(whole, kind), polygons(other, kind), strict=True)
            for mine, theirs in pairs:
                assert dice(pixel_mask(mine), pixel_mask(theirs)) > 0.99


@pytest.mark.slow
def test_a_slice_alone_is_as_among_others(monkeypatch) -> None:
    scan = _scan()
    together = mc.suggest(scan, classifier(Spots()))
    alone = mc.suggest(scan, classifier(Spots()), slices=slice(2, 3))
    of = [finding for finding in together.slices if finding.slice == 2]
    np.testing.assert_allclose(
        of[0].evidence_contours[0].polygon_lps_mm,
        alone.slices[0].evidence_contours[0].polygon_lps_mm,
        atol=0.05,
    )


def test_what_an_image_costs_grows_with_it() -> None:
    """Nine times the pixels take nine times the memory; a network is never refused one image."""
    asked = classifier(Spots())
    small, large = (images_at_once(asked, torch.rand(1, 40 * n, 40 * n)) for n in (1, 3))
    assert small / large == pytest.approx(9, rel=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCONTOUR_MEMORY", "1")
        assert images_at_once(asked, torch.rand(1, 40, 40)) == 1


def test_what_is_counted_is_let_go_again() -> None:
    """Over an archive of thousands of scans nothing of a count may stay."""
    counted, image = classifier(Spots()), torch.rand(1, 48, 64)

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(each), Tensor) for each in gc.get_objects())

    images_at_once(counted, image)
    before = tensors()
    for _ in range(3):
        images_at_once(counted, image)
    assert tensors() == before
