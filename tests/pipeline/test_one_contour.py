"""One image, one network, one class: the same contour, through whatever face."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import medcontour as mc
from medcontour.benchmark import ExtremalContour
from medcontour.classifier import Classifier, PhotoInput
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.scan import Scan

TARGET = 9
"""The cell of the bright square."""


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """Sixteen classes, one a cell of 8 x 8 pixels: how bright it is against the others."""
    return nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, 1, 1), nn.Flatten()).eval()


@pytest.fixture(scope="module")
def classifier(network: nn.Module) -> Classifier:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(2.0)
    labels = [f"cell {k}" for k in range(16)]
    takes = PhotoInput((32, 32), resize=None)
    return mc.load_classifier(network, labels=labels, preprocessing=takes)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    pixels = np.random.default_rng(0).integers(0, 60, (32, 32), dtype=np.uint8)
    pixels[16:24, 8:16] = 250
    file = tmp_path_factory.mktemp("picture") / "square.png"
    Image.fromarray(pixels).save(file)
    return mc.read_scan(file)


CHOICES: list[dict[str, Any]] = [{}, {"area_weight": 3.0, "background": "mean"}]


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_every_face_gives_the_same_contour(
    scan: Scan, network: nn.Module, classifier: Classifier, choices: dict[str, Any]
) -> None:
    inputs = classifier.prepare(scan.voxels[0], scan.pixel_spacing).tensor[None]
    target = torch.tensor([TARGET])
    maps = {
        "ExtremalContours": mc.ExtremalContours(network, **choices).attribute(inputs, target),
        "quantus": torch.from_numpy(
            mc.quantus_explain(network, inputs.numpy(), target.numpy(), **choices)
        ),
        "benchmark": ExtremalContour(**choices)(network, inputs, target).maps,
    }
    for name, found in maps.items():
        assert (found - maps["ExtremalContours"]).abs().max() < 1e-4, name
    fit = mc.ExtremalContours(network, **choices).fit(inputs, target)
    suggestion = mc.suggest(scan, classifier, TARGET, outline="none", **choices)
    (evidence,) = suggestion.slices[0].evidence_contours
    curve = FourierContour.from_dict(evidence.parameters)
    for name, tensor in fit.contours.detach().tensors().items():
        assert torch.allclose(tensor.double(), curve.tensors()[name].double(), atol=1e-4), name
    assert evidence.quality["background"] == fit.background_names[0]

    photograph = mc.explain_photograph(scan, classifier, TARGET, **choices)
    assert photograph.area_fraction == pytest.approx(float(fit.area_fraction[0]), abs=1e-4)
    assert photograph.settings["background"] == fit.background_names[0]
    index = scan_index(fit.contours.detach(), scan)
    assert np.allclose(photograph.points, index, atol=0.01)


def scan_index(curve: FourierContour, scan: Scan) -> np.ndarray:
    """(N, 2) (column, row) index of a contour in a picture that the network takes as it is."""
    plane = PlaneGeometry(scan.rows, scan.columns)
    return plane.to_index(curve.polygon_inside(plane)[0]).numpy()
