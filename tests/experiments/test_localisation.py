"""Metrics against closed forms and other libraries, and the baseline against MONAI's own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from localisation import (
    LEVELS,
    added_path_length,
    best_level,
    boundary,
    centre,
    dice,
    grad_cam,
    hits,
    intervals,
    kept_stage,
    on_plane,
    peak,
    pixels_inside,
    relevance_mass,
    stages,
    write_results,
)
from monai.networks.nets import DenseNet, ResNet
from monai.visualize import GradCAMpp
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import distance
from skimage.segmentation import find_boundaries

from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.pipeline.planes import InputBatch

RNG = np.random.default_rng(5)


def square(
    row: int, column: int, side: int, shape: tuple[int, int] = (40, 50)
) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=bool)
    mask[row : row + side, column : column + side] = True
    return mask


def test_dice_agrees_with_scipy() -> None:
    for density in (0.1, 0.5, 0.9):
        one, other = RNG.random((2, 30, 20)) < density
        assert dice(one, other) == pytest.approx(1 - distance.dice(one.ravel(), other.ravel()))
    assert dice(square(0, 0, 4), square(20, 20, 4)) == 0.0
    assert dice(square(0, 0, 0), square(0, 0, 0)) == 0.0


def test_boundary_agrees_with_skimage_and_counts_the_images_edge() -> None:
    mask = np.pad(RNG.random((20, 20)) < 0.7, 1)
    expected = find_boundaries(mask, connectivity=1, mode="inner")
    np.testing.assert_array_equal(boundary(mask), expected)
    assert boundary(np.ones((6, 9), dtype=bool)).sum() == 2 * (6 + 9) - 4


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 0.5), (1.875, 1.75)])
def test_added_path_length_of_squares(spacing: tuple[float, float]) -> None:
    side, truth = math.sqrt(spacing[0] * spacing[1]), square(10, 10, 8)
    assert added_path_length(truth, truth, spacing) == 0.0
    # All 4 (n - 1) pixels are missing where nothing touches the boundary.
    for other in (square(0, 0, 0), square(30, 30, 8), square(11, 11, 6), square(9, 9, 10)):
        assert added_path_length(truth, other, spacing) == pytest.approx(28 * side)
    # Moved by a column, the left side (8) and what is between the corners of the right (6).
    assert added_path_length(truth, square(10, 11, 8), spacing) == pytest.approx(14 * side)


def test_relevance_mass_of_a_mask_and_of_a_map() -> None:
    truth = square(10, 10, 8)
    assert relevance_mass(square(10, 14, 8), truth) == 0.5
    assert relevance_mass(square(0, 0, 0), truth) == 0.0
    assert relevance_mass(np.where(truth, 3.0, 1.0), truth) == pytest.approx(192 / (192 + 1936))


def test_best_level_finds_the_level_that_made_the_truth() -> None:
    maps = [RNG.random((30, 40)) for _ in range(3)]
    for level in LEVELS[[0, 9, 18]]:
        assert best_level(maps, [m >= level for m in maps]) == (pytest.approx(level), 1.0)


def test_best_level_is_one_for_all_images() -> None:
    ramp = np.tile(np.linspace(0, 1, 101), (3, 1))
    truths = [ramp >= 0.2, ramp >= 0.8]
    level, mean = best_level([ramp, ramp], truths)

    def mean_dice(at: float) -> float:
        shares = [(1 - max(at, own), (1 - at) + (1 - own)) for own in (0.2, 0.8)]
        return float(np.mean([2 * both / total for both, total in shares]))

    expected = max(LEVELS, key=mean_dice)
    assert level == pytest.approx(expected)
    assert mean == pytest.approx(mean_dice(expected), abs=0.03)
    assert mean < 1


def test_the_stage_with_the_better_dice_is_kept() -> None:
    truth = square(10, 10, 8)
    good, bad = np.where(truth, 1.0, 0.35), RNG.random(truth.shape)
    stage, level, sentence = kept_stage(
        [{"late": bad, "early": good}], {"late": [truth], "early": [truth]}
    )
    assert stage == "early"
    assert 0.35 < level < 1
    assert "early: 1.000" in sentence


def test_intervals_agree_with_scipy_and_pair_rows() -> None:
    values = RNG.random(80)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert intervals(values) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    low, high = intervals(values)
    assert intervals(1 - values) == pytest.approx((1 - high, 1 - low))
    assert intervals([0.25] * 7) == (0.25, 0.25)


def test_a_circle_its_middle_and_the_pointing_game() -> None:
    plane = PlaneGeometry(60, 80, (1.5, 1.0))
    curve = FourierContour.circles(torch.tensor([[0.3, -0.2]]), torch.tensor([0.25]))
    mask = pixels_inside(curve, plane)
    radius_mm = 0.25 * plane.unit_mm
    assert mask.sum() * 1.5 == pytest.approx(math.pi * radius_mm**2, rel=0.03)
    column, row = plane.to_index(curve.center[0]).tolist()
    assert centre(mask, curve, plane) == pytest.approx((row, column), abs=0.1)
    tiny = FourierContour.circles(torch.tensor([[0.3, -0.2]]), torch.tensor([1e-4]))
    assert centre(np.zeros_like(mask), tiny, plane) == pytest.approx((row, column), abs=1e-4)
    assert hits((row, column), mask)
    assert not hits((row, column), ~mask)
    assert hits((-0.5, 79.5), square(0, 79, 1, (60, 80)))


def test_a_map_is_read_where_its_cells_lie() -> None:
    coarse = RNG.random((5, 7))
    fine = F.interpolate(torch.from_numpy(coarse)[None, None], (40, 42), mode="bilinear")[0, 0]
    swap = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(on_plane(coarse, (40, 42), swap, (40, 42)), fine.numpy(), atol=1e-12)
    # The input's axes are (column, row), and it starts at column 10, row 20 of the slice.
    crop = np.array([[1.0, 0, 10], [0, 1, 20], [0, 0, 1]])
    expected = np.zeros((70, 60))
    expected[20:62, 10:50] = fine.numpy().T
    np.testing.assert_allclose(on_plane(coarse, (40, 42), crop, (70, 60)), expected, atol=1e-12)


def test_the_last_stages_are_found() -> None:
    resnet = ResNet(
        "basic", [1, 1, 1, 1], [4, 4, 8, 8], spatial_dims=2, n_input_channels=1, num_classes=2
    )
    assert stages(resnet.eval(), torch.zeros(1, 1, 96, 64))[-2:] == ["layer3", "layer4"]
    densenet = DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1, 1))
    last = stages(densenet.eval(), torch.zeros(1, 1, 64, 64))[-1]
    assert last.startswith(("features.norm5", "features.denseblock3", "class_layers.relu"))


def test_grad_cam_is_monais_on_the_slices_own_pixels() -> None:
    torch.manual_seed(3)
    network = ResNet(
        "basic", [1, 1, 1, 1], [4, 4, 8, 8], spatial_dims=2, n_input_channels=1, num_classes=2
    ).eval()
    inputs = torch.rand(1, 1, 96, 64)
    mirrored = np.array([[0.0, -1, 63], [1, 0, 0], [0, 0, 1]])  # (row, column) to (63 - c, r)
    batch = InputBatch((0,), inputs, mirrored, torch.zeros(96, 64, 2), most=1)
    maps = grad_cam(network, batch, 1, (96, 64))
    assert list(maps) == ["layer4", "layer3"]
    for layer, relevance in maps.items():
        theirs = GradCAMpp(network, layer)(inputs, class_idx=1)[0, 0].detach().numpy()
        # MONAI gives 0 to what matters most and 1 to what matters least.
        np.testing.assert_allclose(relevance[:, ::-1], 1 - theirs, atol=1e-4)
        assert relevance[peak(relevance)] == 1


def test_results_are_written_for_people_and_programs(tmp_path: Path) -> None:
    rows = [{"": "ours", "Dice": (0.5, (0.25, 0.75)), "n": 2}, {"": "theirs", "Dice": None, "n": 0}]
    write_results(tmp_path, "Title", ["A note."], {"All": rows}, {"seed": 0}, [{"file": "a"}])
    text = (tmp_path / "table.md").read_text()
    assert "| ours | 0.50 (0.25 to 0.75) | 2 |\n| theirs |  | 0 |\n\n- A note.\n" in text
    document = json.loads((tmp_path / "table.json").read_text())
    assert document["tables"]["All"][0]["Dice"] == [0.5, [0.25, 0.75]]
    assert (tmp_path / "per_image.csv").read_text().split() == ["file", "a"]
