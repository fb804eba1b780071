"""Outlines that networks draw: the map's own curve, boundaries near it, and the networks' file."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
import torch
from torch import nn

import medcontour as mc
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.outline import LearnedNetworks, LearnedOutliner
from medcontour.outline.learned_file import read_card, read_networks, write_networks
from medcontour.outline.segmentation import PLAIN, segmentation_network

PLANE = PlaneGeometry(48, 64, (2.0, 1.0))
POINTS = PLANE.pixel_centres().reshape(48, 64, 2).float()
SHAPE = (1, 48, 64)
STABLE = torch.ones(1)
IMAGES = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1))


def ellipse(x: float, y: float, wide: float = 0.3, high: float = 0.2) -> torch.Tensor:
    """(48, 64) bool: an ellipse in plane coordinates."""
    away = (POINTS - torch.tensor([x, y])) / torch.tensor([wide, high])
    return away.norm(dim=-1) < 1


def circle(x: float, y: float, radius: float = 0.1) -> FourierContour:
    return FourierContour.circles(torch.tensor([[x, y]]), torch.tensor([radius]))


def strided() -> nn.Module:
    """A network with stages at strides 2, 4, 8, and 16."""
    torch.manual_seed(0)
    steps = [nn.Conv2d(2**n, 2 ** (n + 1), 3, 2, 1) for n in range(4)]
    return nn.Sequential(*steps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2))


def dice(curve: FourierContour, mask: torch.Tensor) -> float:
    inside = curve.contains(POINTS)[0]
    return float(2 * (inside & mask).sum() / (inside.sum() + mask.sum()))


def test_where_the_image_has_no_boundary_the_map_gives_the_outline() -> None:
    mask = ellipse(0.1, -0.2)
    drawn = LearnedOutliner(torch.where(mask, 0.95, 0.05)[None], STABLE, POINTS)
    flat = torch.zeros(1, 48, 64)
    [[best, *_]] = drawn(flat, PLANE, circle(0.1, -0.2), most=4)
    assert best.clear
    assert best.energy < 0
    assert dice(best.contour, mask) > 0.95


def test_a_clear_boundary_near_the_map_is_followed() -> None:
    mask, rough = ellipse(0.1, -0.1), ellipse(0.13, -0.1, 0.26, 0.24)
    drawn = LearnedOutliner(torch.where(rough, 0.7, 0.2)[None], STABLE, POINTS)
    [[best, *_]] = drawn(mask[None].float(), PLANE, circle(0.1, -0.1), most=4)
    assert dice(best.contour, mask) > 0.93


def test_the_part_that_evidence_lies_on_is_taken() -> None:
    large, small = ellipse(-0.4, 0.2), ellipse(0.6, -0.2, 0.15, 0.15)
    drawn = LearnedOutliner(torch.where(large | small, 0.95, 0.05)[None], STABLE, POINTS)
    flat = torch.zeros(1, 48, 64)
    [[on_small, *_]] = drawn(flat, PLANE, circle(0.6, -0.2), most=4)
    [[beside, *_]] = drawn(flat, PLANE, circle(0.9, 0.6, 0.05), most=4)
    assert dice(on_small.contour, small) > 0.9
    assert dice(beside.contour, large) > 0.9


def test_an_empty_map_leaves_the_boundaries_near_the_evidence() -> None:
    mask = ellipse(0.1, -0.2)
    drawn = LearnedOutliner(torch.zeros(1, 48, 64), STABLE, POINTS)
    [[best, *_]] = drawn(mask[None].float(), PLANE, circle(0.1, -0.2), most=4)
    assert dice(best.contour, mask) > 0.93


def test_the_encoder_is_a_copy_of_the_classifiers() -> None:
    network = strided()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    made = segmentation_network(network, SHAPE)
    assert made.stages == ("1", "2", "3")
    assert made(IMAGES).shape == (2, 1, 12, 16)
    made(IMAGES).sum().backward()
    torch.optim.SGD(made.parameters(), 1.0).step()
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert not torch.equal(dict(made.named_parameters())["encoder.0.weight"], before["0.weight"])


@pytest.mark.parametrize("scripted", [False, True])
def test_without_stages_there_is_a_plain_network(scripted: bool) -> None:
    network: nn.Module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1))
    if scripted:
        network = torch.jit.script(strided())
    made = segmentation_network(network, SHAPE)
    assert made.stages == PLAIN
    assert made(IMAGES).shape == (2, 1, 12, 16)


@pytest.mark.parametrize("network", [strided(), nn.Flatten()])
def test_a_file_gives_the_same_maps(network: nn.Module, tmp_path: Path) -> None:
    made = [segmentation_network(network, SHAPE).eval() for _ in range(2)]
    write_networks(tmp_path / "o.safetensors", made, SHAPE, {"threshold": 0.4})
    read, card = read_networks(tmp_path / "o.safetensors", network)
    assert (card["threshold"], card["networks"]) == (0.4, 2)
    assert card == read_card(tmp_path / "o.safetensors")
    maps = [LearnedNetworks(networks, 0.4).maps(IMAGES) for networks in (made, read)]
    assert torch.equal(*maps)
    assert maps[0].shape == (2, 48, 64)


def test_a_region_with_a_bay_keeps_its_polygon() -> None:
    disc, bay = ellipse(0.0, 0.0, 0.4, 0.4), ellipse(0.2, 0.0, 0.35, 0.25)
    flat = torch.zeros(1, 48, 64)
    for mask, kept in ((disc, False), (disc & ~bay, True)):
        drawn = LearnedOutliner(torch.where(mask, 0.95, 0.05)[None], STABLE, POINTS)
        [[best, *_]] = drawn(flat, PLANE, circle(-0.3, 0.0), most=4)
        assert (best.exact is not None) == kept
    inside = shapely.contains_xy(shapely.Polygon(best.exact.numpy()), *POINTS.numpy().T)
    assert 2 * (inside.T & mask.numpy()).sum() / (inside.sum() + mask.sum()) > 0.98


def test_a_file_of_another_network_or_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "o.safetensors"
    write_networks(file, [segmentation_network(strided(), SHAPE)], SHAPE, {})
    for network in (nn.Flatten(), nn.Sequential(*(nn.Conv2d(1, 1, 3, 2, 1) for _ in range(4)))):
        with pytest.raises(mc.MedcontourError, match="does not fit this classifier"):
            read_networks(file, network)
    file.write_bytes(b"no weights")
    with pytest.raises(mc.MedcontourError, match="is no learned outliner"):
        read_card(file)
    with pytest.raises(mc.MedcontourError, match="There is no file"):
        read_card(tmp_path / "none.safetensors")


class Reads(nn.Module):
    """Draws what is bright, as the network of a classifier would; `blind` sees the left half."""

    def __init__(self, blind: bool) -> None:
        super().__init__()
        self.blind = blind

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Log-odds on the image's own pixels."""
        seen = images.clone()
        if self.blind:
            seen[..., images.shape[-1] // 2 :] = 0
        return 20 * (seen - 0.5)


def test_a_map_that_moves_with_the_image_is_stable() -> None:
    left = ellipse(-0.5, 0.0)[None, None].float()
    seeing, blind = (LearnedNetworks([Reads(blind)], 0.5) for blind in (False, True))
    stable = [float(n.stability(left, n.maps(left))) for n in (seeing, blind)]
    assert stable[0] > 0.85
    assert stable[1] < 0.75
