"""Volumes explained by closed surfaces: the same search, one dimension up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.networks import nets
from planted_volumes import GRID, BrightVoxels, PlantedVolumes, plant_volumes
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import nn

import medcontour as mc
from medcontour.contour import HarmonicSurface, VolumeGeometry
from medcontour.errors import MedcontourError
from medcontour.explain import (
    BACKGROUNDS,
    PRESETS,
    AlteredViews,
    ExtremalContours,
    GaussianBackground,
    InpaintBackground,
    Perturbation,
    TargetObjective,
    agreement,
    area_map,
    from_nine_starts,
    optimise,
    optimise_several,
    placement_test,
    spectral_sweep,
    views_of_class,
)
from medcontour.explain.analysis.views import VIEWS


@pytest.fixture(scope="module")
def planted() -> PlantedVolumes:
    return plant_volumes([(0.4, 0.3, 0.2), (-0.4, -0.3, -0.4), (0.0, 0.1, 0.05)], [0.25, 0.2, 0.35])


def problem(planted: PlantedVolumes) -> tuple[Perturbation, TargetObjective]:
    volumes, network = planted.volumes, BrightVoxels().requires_grad_(False)
    perturbation = Perturbation.of_images(volumes, torch.zeros_like(volumes), GRID.spacing)
    return perturbation, TargetObjective(network, volumes, perturbation.background, 0)


def test_the_surface_lies_in_the_ball_keeps_the_score_and_takes_it_away(
    planted: PlantedVolumes,
) -> None:
    explain = mc.ExtremalContours(BrightVoxels(), pixel_spacing=GRID.spacing)
    fit = explain.fit(planted.volumes, target=0)
    assert isinstance(fit.contours, HarmonicSurface)
    assert (fit.evaluations <= 60).all()
    for row in range(3):  # of what the network scores, a star-convex part: its middle is inside
        assert planted.truth[row : row + 1].contains(fit.contours.center[row])[0]
    assert (fit.preserved > 0.9).all()
    assert (fit.deleted < 0.1).all()
    assert (planted.dice(fit.contours) > 0.7).all(), planted.dice(fit.contours)
    slices, rows, columns = (3 * count for count in (GRID.slices, GRID.rows, GRID.columns))
    finer = VolumeGeometry(slices, rows, columns, tuple(length / 3 for length in GRID.spacing))
    counted = fit.contours.contains(finer.voxel_centres()).float().flatten(1).mean(1)
    assert fit.area_fraction.tolist() == pytest.approx(counted.tolist(), rel=0.05)
    with pytest.raises(TypeError, match="surfaces"):
        _ = fit.curves


def test_maps_are_volumes_and_nothing_is_left_in_the_network(planted: PlantedVolumes) -> None:
    network = nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1),
        nn.BatchNorm3d(3),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
    ).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    maps = mc.ExtremalContours(network).attribute(planted.volumes[:1], target=1)
    assert maps.shape == (1, 1, 16, 40, 36)
    assert not maps.requires_grad
    assert float(maps.min()) >= 0
    assert float(maps.max()) <= 1
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_an_embedding_is_explained_too(planted: PlantedVolumes) -> None:
    embed = nn.Sequential(nn.AvgPool3d((4, 8, 9)), nn.Flatten())
    fit = ExtremalContours(embed, background="mean").fit(planted.volumes[:1])
    assert float(fit.preserved - fit.deleted) > 0.5
    assert planted.truth[:1].contains(fit.contours.center[0])[0]


@pytest.mark.slow
def test_alone_a_volume_has_the_surface_that_it_has_among_others(planted: PlantedVolumes) -> None:
    explain = ExtremalContours(BrightVoxels(), pixel_spacing=GRID.spacing)
    together = explain.attribute(planted.volumes, target=0)
    for row in range(3):
        alone = explain.attribute(planted.volumes[row : row + 1], target=0)
        assert (alone[0] - together[row]).abs().mean() < 0.01


@pytest.mark.parametrize("area", [0.01, 0.1])
def test_a_fixed_volume_is_held(planted: PlantedVolumes, area: float) -> None:
    fit = optimise(*problem(planted), replace(PRESETS["fast"], steps=10, model_steps=6), area=area)
    assert fit.area_fraction.tolist() == pytest.approx([area] * 3, rel=0.02)


@pytest.mark.parametrize(("preset", "area"), [("fast", 0.6), ("fast", 0.00001), ("paper", 0.0002)])
def test_a_volume_out_of_reach_is_a_sentence(
    planted: PlantedVolumes, preset: str, area: float
) -> None:
    with pytest.raises(MedcontourError, match=r"one surface holds from 0\.000\d to 0\.524"):
        optimise(*problem(planted), preset, area=area)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "thorough"])
def test_the_other_presets_find_it(planted: PlantedVolumes, preset: str) -> None:
    chosen = PRESETS[preset] if preset != "paper" else replace(PRESETS[preset], steps=400)
    fit = optimise(*problem(planted), chosen)
    # The paper's radius is 0.1 at least and its surface has no frame.
    assert (planted.dice(fit.contours) > (0.5 if preset == "paper" else 0.7)).all()
    assert fit.contours.parametrisation == chosen.parametrisation
    assert (fit.deleted < 0.2).all()


def test_a_search_goes_on_from_a_surface_that_is_given(planted: PlantedVolumes) -> None:
    perturbation, objective = problem(planted)
    fit = optimise(perturbation, objective, "fast", start=planted.truth)
    assert (planted.dice(fit.contours) > 0.6).all()
    assert (fit.preserved > 0.9).all()
    assert (fit.evaluations <= 10).all()


def test_a_pair_at_a_time_has_the_gradients_of_all_at_once(planted: PlantedVolumes) -> None:
    limited, objective = problem(planted)
    assert limited.most == 2
    which = torch.arange(3)
    gradients = []
    for perturbation in (limited, replace(limited, most=None)):
        mask = torch.full(planted.mask.shape, 0.5).requires_grad_(True)
        preserved, deleted = perturbation.similarities(objective, mask, which)
        gradients.append(torch.autograd.grad((preserved - deleted).sum(), mask)[0])
    assert torch.allclose(*gradients, atol=1e-7)


def test_a_single_slice_is_a_volume_as_well() -> None:
    volume = torch.zeros(1, 1, 1, 32, 32)
    volume[..., 8:16, 16:24] = 1.0
    network = nn.Sequential(nn.AvgPool3d((1, 8, 8)), nn.Flatten())
    maps = ExtremalContours(network, background="mean").attribute(volume, target=6)
    assert bool(maps[0, 0, 0, 12, 20] > 0.5)
    assert bool(maps[0, 0, 0, 28, 4] < 0.5)


@pytest.mark.parametrize("name", [name for name in BACKGROUNDS if name != "inpaint"])
def test_baselines_of_volumes_smooth_along_all_three_axes(
    planted: PlantedVolumes, name: str
) -> None:
    ground = BACKGROUNDS[name](planted.volumes)
    assert ground.shape == planted.volumes.shape
    assert ground.is_contiguous()
    inside = planted.mask.unsqueeze(1) > 0
    if name != "blur":  # which is nearly a box of 21 pixels, and here wider than the volume is deep
        assert float(ground[inside].mean()) < 0.75 * float(planted.volumes[inside].mean())
    steps = [float(ground.diff(dim=axis).abs().mean()) for axis in (2, 3, 4)]
    own = [float(planted.volumes.diff(dim=axis).abs().mean()) for axis in (2, 3, 4)]
    if name != "texture":  # which puts the grain back on
        assert all(smooth < 0.7 * rough for smooth, rough in zip(steps, own, strict=True))


def test_a_gaussian_in_millimetres_is_scipys(planted: PlantedVolumes) -> None:
    ours = GaussianBackground(2.0, GRID.spacing)(planted.volumes)[0, 0].numpy()
    sigma = [2.0 / spacing for spacing in GRID.spacing]
    radius = [max(1, round(3 * s)) for s in sigma]
    theirs = gaussian_filter(planted.volumes[0, 0].numpy(), sigma, mode="mirror", radius=radius)
    assert ours == pytest.approx(theirs, abs=1e-5)
    for spacing in ((1.0, 1.0), (1.0,)):
        with pytest.raises(MedcontourError, match="one number for each"):
            GaussianBackground(2.0, spacing)(planted.volumes)


def test_what_does_not_fit_a_volume_is_a_sentence(planted: PlantedVolumes) -> None:
    network = BrightVoxels()
    with pytest.raises(MedcontourError, match="does not fit images of shape"):
        ExtremalContours(network, pixel_spacing=(1.0, 1.0)).fit(planted.volumes, target=0)
    with pytest.raises(MedcontourError, match="not positive"):
        ExtremalContours(network, pixel_spacing=(1.0, 0.0, 1.0))
    with pytest.raises(MedcontourError, match="filled in from its surroundings"):
        ExtremalContours(network, background="inpaint").fit(planted.volumes, target=0)
    with pytest.raises(MedcontourError, match="filled in from its surroundings"):
        InpaintBackground(4.0)(planted.volumes)
    with pytest.raises(MedcontourError, match=r"\(B, C, D, H, W\)"):
        ExtremalContours(network).fit(planted.volumes[0, 0], target=0)


def test_what_works_on_planes_refuses_volumes_before_it_searches(planted: PlantedVolumes) -> None:
    perturbation, objective = problem(planted)
    one = torch.ones(1)
    for attempt in (
        lambda: area_map(perturbation, objective, [0.1]),
        lambda: from_nine_starts(perturbation.pick(torch.arange(1)), objective),
        lambda: spectral_sweep(perturbation, objective, [0.1]),
        lambda: agreement(perturbation, planted.truth, one, one, 1.0),
        lambda: optimise_several(perturbation, objective, 2),
    ):
        with pytest.raises(MedcontourError, match="no one plane"):
            attempt()


@pytest.mark.parametrize("shape", [(1, 1, 8, 16, 16), (1, 1, 16, 16)])
def test_a_spacing_that_no_image_has_is_a_sentence(shape: tuple[int, ...]) -> None:
    images = torch.zeros(shape)
    for spacing in ((1.0,) * (len(shape) - 3), (1.0,) * (len(shape) - 1)):
        for use in (
            lambda s: Perturbation.of_images(images, images, s),
            lambda s: GaussianBackground(2.0, s)(images),
            lambda s: ExtremalContours(nn.Flatten(), pixel_spacing=s).fit(images, target=0),
        ):
            with pytest.raises(MedcontourError, match="one number for each axis"):
                use(spacing)
    fill = InpaintBackground(4.0, (2.0, 1.0, 1.0))
    with pytest.raises(MedcontourError, match=r"filled in from|one number for each axis"):
        fill(images)
    for length in (0.0, -1.0, float("nan"), float("inf")):
        for make in (InpaintBackground, GaussianBackground):
            with pytest.raises(MedcontourError, match="is not positive"):
                make(2.0, (1.0, length))
            with pytest.raises(MedcontourError, match="positive millimetres"):
                make(length)
        with pytest.raises(MedcontourError, match="is not positive"):
            ExtremalContours(nn.Flatten(), pixel_spacing=(1.0, length))


@pytest.mark.parametrize("shape", [(1, 1, 8, 16, 16), (1, 1, 16, 16)])
def test_pixels_that_are_no_numbers_are_a_sentence(shape: tuple[int, ...]) -> None:
    explain = ExtremalContours(nn.Sequential(nn.Flatten(), nn.Linear(16 * 16, 2)))
    for spoilt in (float("nan"), float("inf")):
        images = torch.zeros(shape)
        images[..., 3, 3] = spoilt
        with pytest.raises(MedcontourError, match="no numbers"):
            explain.fit(images, target=0)
    for kind in (torch.float64, torch.float16, torch.uint8):
        with pytest.raises(MedcontourError, match="as float32"):
            explain.fit(torch.zeros(shape, dtype=kind), target=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DenseNet121", "ResNet", "SEResNet50"])
def test_monais_networks_of_volumes_are_explained(planted: PlantedVolumes, name: str) -> None:
    torch.manual_seed(0)
    blocks = "basic", [1, 1, 1, 1], [8, 16, 32, 64]
    networks = {
        "DenseNet121": lambda: nets.DenseNet121(3, in_channels=1, out_channels=2),
        "ResNet": lambda: nets.ResNet(*blocks, spatial_dims=3, n_input_channels=1, num_classes=2),
        "SEResNet50": lambda: nets.SEResNet50(spatial_dims=3, in_channels=1, num_classes=2),
    }
    volume = nn.functional.interpolate(planted.volumes[:1], (32, 32, 32))
    fit = ExtremalContours(networks[name]().eval()).fit(volume, target=1)
    assert (fit.evaluations <= 60).all()
    assert torch.isfinite(fit.preserved - fit.deleted).all()
    assert fit.contours.mask(fit.contours.center.view(1, 1, 1, 3)).shape == (1, 1, 1, 1)


def test_where_nothing_can_be_taken_away_no_number_is_spoilt() -> None:
    even = torch.ones(1, 1, 8, 12, 10)
    fit = ExtremalContours(BrightVoxels(), background="mean").fit(even, target=0)
    numbers = torch.cat([tensor.flatten() for tensor in fit.contours.tensors().values()])
    assert np.isfinite(numbers.numpy()).all()


# The placement test in altered views


def test_a_volume_is_altered_as_its_slices_are(planted: PlantedVolumes) -> None:
    """Shifted and mirrored: each slice as an image of its own; enlarged: by another resampling."""
    volumes = planted.volumes[:1]
    perturbation = Perturbation.of_images(volumes, torch.zeros_like(volumes), GRID.spacing)
    views = AlteredViews.of(perturbation, 0)
    shown = views.images[:, 0].numpy()
    low, high = float(volumes.amin()), float(volumes.amax())
    low, high = min(low, 0.0), max(high, 0.0)
    slices, rows, columns = volumes.shape[2:]
    for view, found in zip(views.views, shown, strict=True):
        most = (columns // 8, rows // 8)
        shift = [max(-n, min(n, by)) for n, by in zip(most, view.shift, strict=True)]
        middle = [(n - 1) / 2 for n in (slices, rows, columns)]
        k, row, column = np.indices((slices, rows, columns)).astype(float)
        across = column - middle[2] - shift[0]
        at = [
            middle[0] + (k - middle[0]) / view.zoom,
            middle[1] + (row - middle[1] - shift[1]) / view.zoom,
            middle[2] + (-across if view.mirrored else across) / view.zoom,
        ]
        moved = map_coordinates(volumes[0, 0].numpy(), at, order=1, mode="nearest")
        share = np.clip((moved - low) / (high - low), 0, 1)
        expected = share**view.gamma * view.gain * (high - low) + low
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_views_follow_the_patient_through_axes_in_another_order() -> None:
    """An input whose axes are columns, slices, rows is mirrored and shifted in the same way."""
    points = GRID.voxel_centres()
    view = VIEWS[3]
    straight = view.grid(points)  # (D, H, W, 3), the places along W, H, D
    turned = view.grid(points.permute(2, 0, 1, 3))  # (W, D, H, 3), along H, D, W
    torch.testing.assert_close(turned.permute(1, 2, 0, 3)[..., [2, 0, 1]], straight)


def test_the_surface_that_was_found_beats_random_places(planted: PlantedVolumes) -> None:
    volumes, network = planted.volumes[2:], BrightVoxels().requires_grad_(False)
    perturbation = Perturbation.of_images(volumes, torch.zeros_like(volumes), GRID.spacing)
    views, objective, stable = views_of_class(perturbation, 0, network, 0)
    assert stable
    body = perturbation.points.reshape(-1, 3)
    test = placement_test(views, objective, planted.truth[2:], body, seed=0)
    assert test.p_values == (0.05,) * 4
    assert isinstance(test.curves, HarmonicSurface)
    assert test.count == 76
    again = placement_test(views, objective, planted.truth[2:], body, seed=0)
    torch.testing.assert_close(again.preserved, test.preserved)
    # The same surface beside the ball holds nothing that random places do not.
    beside = replace(planted.truth[2:], center=torch.tensor([[-0.6, -0.7, -0.4]]))
    assert placement_test(views, objective, beside, body, seed=0).p_value > 0.05
