"""Outlines with a promptable network: what it is given, what comes of its mask, what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
import torch
from monai.transforms import EnsureChannelFirst, Lambda, Transpose
from third_party import installed

import medcontour as mc
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.outline import Outline, Redrawn
from medcontour.outline.promptable import load_promptable, named_model
from medcontour.plugins import PROMPTABLE

PLANE = PlaneGeometry(48, 64, (2.0, 1.0))
POINTS = PLANE.pixel_centres()
CPU = torch.device("cpu")
FLAT = torch.zeros(48, 64)

RINGED = """
    import numpy as np

    class Ringed:
        name, licence = "Ringed", "CC-BY-NC-SA-4.0"

        def __call__(self, image, box, contour):
            left, top, right, bottom = box.round().astype(int)
            mask = np.zeros(image.shape[:2])
            mask[top : bottom + 1, left : right + 1] = 0.9
            return mask

    def added(weights, device):
        return Ringed()
"""


def ellipse(x: float, y: float, wide: float, high: float) -> torch.Tensor:
    """(48, 64) bool: an ellipse in plane coordinates."""
    away = (POINTS - torch.tensor([x, y])) / torch.tensor([wide, high])
    return away.norm(dim=-1) < 1


def circle(x: float, y: float, radius: float = 0.1) -> FourierContour:
    return FourierContour.circles(torch.tensor([[x, y]]), torch.tensor([radius]))


def redrawn(drawn: Any, start: FourierContour, energy: float = 0.0) -> Outline | None:
    """What comes of a network's mask on an image without any boundary."""
    network = Redrawn(named_model(lambda *_: drawn), [np.zeros((48, 64), np.uint8)])
    [outline] = network.outlines([Outline(start, energy, clear=False)], FLAT[None], PLANE)
    return outline


def dice(curve: FourierContour, mask: torch.Tensor) -> float:
    inside = curve.contains(POINTS)[0]
    return float(2 * (inside & mask).sum() / (inside.sum() + mask.sum()))


def test_the_network_is_given_the_slice_a_box_about_the_outline_and_its_contour() -> None:
    seen: list[Any] = []

    def draw(image: Any, box: Any, contour: Any) -> Any:
        seen.append((image, box, contour))
        return np.zeros((48, 64), bool)

    pictures = [np.full((48, 64, 3), n, np.uint8) for n in (1, 2)]
    starts = [
        Outline(own, -1.0, clear=True) for own in (circle(-0.2, 0.1, 0.2), circle(0.5, 0.9, 0.3))
    ]
    images = torch.zeros(2, 48, 64)
    assert Redrawn(named_model(draw), pictures).outlines(starts, images, PLANE) == [None, None]
    assert [image[0, 0].tolist() for image, _, _ in seen] == [[1, 1, 1], [2, 2, 2]]
    _, box, contour = seen[0]
    # A unit is 48 mm: 0.2 of it are 9.6 columns and 4.8 rows, and the box is a quarter wider.
    centre = np.array([31.5 - 0.2 * 48, 23.5 + 0.1 * 24])
    reach = 1.25 * np.array([9.6, 4.8])
    assert box == pytest.approx([*(centre - reach), *(centre + reach)], abs=0.1)
    away = (contour - centre) / np.array([9.6, 4.8])
    assert np.hypot(*away.T) == pytest.approx(1, abs=0.01)
    assert seen[1][1][2:].tolist() == [63, 47], "the box lies on the image"


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.float64, torch.tensor])
def test_the_curve_is_that_of_the_mask(kind: Any) -> None:
    mask = ellipse(0.1, -0.2, 0.3, 0.2)
    outline = redrawn(kind(mask.numpy()), circle(0.1, -0.2), -2.0)
    assert outline is not None
    assert outline.clear
    assert outline.energy < -2.0
    assert dice(outline.contour, mask) > 0.95
    assert outline.quality["drawn_by"] == "<lambda>"


def test_a_curve_off_the_edges_that_the_outline_lies_on_is_no_better_than_that() -> None:
    image, start = ellipse(0.1, -0.2, 0.3, 0.3).float(), circle(0.1, -0.2, 0.3)
    energies = []
    for radius in (0.3, 0.45):
        mask = ellipse(0.1, -0.2, radius, radius).numpy()
        network = Redrawn(named_model(lambda *_, mask=mask: mask), [np.zeros((48, 64), np.uint8)])
        [outline] = network.outlines([Outline(start, -3.0, clear=True)], image[None], PLANE)
        assert outline is not None
        energies.append(outline.energy)
    assert energies[0] < -3.0 < energies[1]


def test_the_part_that_the_outline_lies_on_is_taken_and_its_holes_are_filled() -> None:
    large, small = ellipse(-0.3, 0.4, 0.3, 0.4), ellipse(0.4, -0.4, 0.15, 0.2)
    drawn = (large & ~ellipse(-0.3, 0.4, 0.1, 0.1)) | small
    for start, part in ((circle(0.4, -0.4), small), (circle(-0.3, 0.4, 0.3), large)):
        outline = redrawn(drawn.numpy(), start)
        assert outline is not None
        assert dice(outline.contour, part) > 0.9


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (np.zeros((64, 48)), r"shape \(64, 48\) for a slice of 48 x 64 pixels"),
        (np.zeros((1, 48, 64)), r"shape \(1, 48, 64\)"),
        (np.full((48, 64), 255, np.uint8), "values from 255 to 255"),
        (np.full((48, 64), -3.5), "values from -3.5"),
        (np.full((48, 64), np.nan), "values from nan"),
        (np.full((48, 64), "a"), "values of type <U1"),
        (None, "shape"),
    ],
)
def test_what_is_no_mask_of_the_slice_is_refused(drawn: Any, said: str) -> None:
    with pytest.raises(mc.MedcontourError, match=f"network <lambda> gave.* {said}"):
        redrawn(drawn, circle(0.1, -0.2))


def test_a_network_that_fails_is_named() -> None:
    def draw(image: Any, box: Any, contour: Any) -> Any:
        return image[10_000]

    scan = planted.scan_of(planted.with_spots([planted.SPOT]))
    with pytest.raises(mc.MedcontourError, match=r"network draw failed \(IndexError: .*; mend it"):
        mc.suggest(scan, planted.classifier(planted.Spots()), outline=draw)


def test_any_callable_draws_for_suggest_and_snap(tmp_path: Path) -> None:
    """What it draws is taken where the classifier agrees; the licence is said once."""
    spot, wide = planted.disc((40.0, 18.0), 5.0), planted.disc((40.0, 18.0), 6.0)

    def draw(image: Any, box: Any, contour: Any) -> Any:
        assert image[spot].min() > image[~spot].max()
        return wide

    planes = [planted.with_spots([planted.SPOT], seed) for seed in range(3)]
    scan, classifier = planted.scan_of(*planes), planted.classifier(planted.Spots())
    suggestion = mc.suggest(scan, classifier, outline=draw)
    about = scan.to_lps([[36, 14], [44, 14], [44, 22], [36, 22]], 1)
    for made in (suggestion, mc.snap(scan, classifier, {1: about}, outline=draw)):
        assert made.settings["outline"] == "prompted:draw"
        assert [note for note in made.notes if "promptable" in note] == [
            "The promptable network draw (its licence is not stated) took part in drawing the "
            "outlines."
        ]
        for part in made.slices:
            [outline] = part.outlines
            assert outline.kind == "outline"
            assert outline.quality["drawn_by"] == "draw"
            assert planted.dice(part.mask(scan), wide) > 0.93
    suggestion.write_json(tmp_path / "suggestion.json")
    assert mc.Suggestion.read_json(tmp_path / "suggestion.json").editable == "outline"


@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize(
    "useless",
    [np.zeros((48, 64)), np.ones((48, 64)), planted.disc((15.0, 35.0), 6.0)],
    ids=["nothing", "everything", "elsewhere"],
)
def test_a_useless_mask_leaves_the_images_own_boundary(useless: np.ndarray, slices: int) -> None:
    planes = [planted.with_spots([planted.SPOT], seed) for seed in range(slices)]
    scan, classifier = planted.scan_of(*planes), planted.classifier(planted.Spots())
    own = mc.suggest(scan, classifier)
    given = mc.suggest(scan, classifier, outline=lambda *_: useless)
    assert len(given.slices) == len(own.slices) == slices
    for part, other in zip(given.slices, own.slices, strict=True):
        assert part.outlines[0].parameters == other.outlines[0].parameters
        assert "drawn_by" not in part.outlines[0].quality


def test_a_colour_image_is_given_in_colour() -> None:
    plane = planted.with_spots([planted.SPOT])
    colour = np.stack([plane, plane * 0.9, plane * 0.8], -1)
    scan = dataclasses.replace(planted.scan_of(plane), voxels=colour[None])
    first = [Lambda(lambda image: image.mean(-1)), EnsureChannelFirst(channel_dim="no_channel")]
    classifier = planted.classifier(planted.Spots(0.5), [*first, Transpose((0, 2, 1))])
    shapes = []

    def draw(image: Any, box: Any, contour: Any) -> Any:
        shapes.append(image.shape)
        return planted.disc((40.0, 18.0), 5.0)

    assert mc.suggest(scan, classifier, outline=draw).slices
    assert shapes == [(48, 64, 3)]


def test_another_package_adds_a_promptable_network(tmp_path: Path) -> None:
    scan = planted.scan_of(planted.with_spots([planted.SPOT]))
    classifier = planted.classifier(planted.Spots())
    with installed(tmp_path, PROMPTABLE, "ringed", RINGED):
        with pytest.raises(mc.MedcontourError, match=r'network "round"; choose .*ringed'):
            mc.Settings(outline="prompted:round")
        suggestion = mc.suggest(scan, classifier, outline="prompted:ringed")
    assert suggestion.settings["outline"] == "prompted:ringed"
    [note] = suggestion.notes
    assert note.startswith(
        "The promptable network Ringed (CC-BY-NC-SA-4.0: not for commercial use)"
    )
    assert not mc.suggest(planted.scan_of(planted.ground()), classifier, outline="region").notes


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("added = lambda weights, device: len", '"odd" has no name or licence'),
        ("added = 5", 'network "odd" of the package thirdparty is no'),
    ],
)
def test_what_is_no_promptable_network_names_its_package(
    tmp_path: Path, module: str, said: str
) -> None:
    with (
        installed(tmp_path, PROMPTABLE, "odd", module),
        pytest.raises(mc.MedcontourError, match=said),
    ):
        load_promptable("odd", None, CPU)
