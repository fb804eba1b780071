"""Backgrounds that take a blob away and leave what is larger."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from medcontour.errors import MedcontourError
from medcontour.explain import BACKGROUNDS, InpaintBackground, TexturedBackground
from medcontour.explain.background import gaussian_blur, wide

SPACING = (2.0, 1.0)


def disc(row_mm: float, column_mm: float, radius_mm: float) -> Tensor:
    """(96, 192) bool on pixels of 2 mm x 1 mm: true where a disc lies."""
    row, column = torch.meshgrid(torch.arange(96.0), torch.arange(192.0), indexing="ij")
    return (row * 2 - row_mm).square() + (column - column_mm).square() <= radius_mm**2


@settings(deadline=None, max_examples=15)
@given(
    st.floats(40, 150), st.floats(40, 150), st.floats(4, 10), st.floats(-2, 2), st.floats(0.5, 3)
)
def test_a_blob_of_the_size_is_filled_with_what_lies_around_it(
    row: float, column: float, radius: float, ground: float, contrast: float
) -> None:
    blob = disc(row, column, radius)
    images = torch.stack([ground + contrast * blob, ground - contrast * blob]).unsqueeze(1)
    filled = InpaintBackground(2 * radius + 4, SPACING)(images)
    assert (filled - ground).abs().max() < 1e-4


def test_a_large_structure_stays_where_the_blob_on_it_goes() -> None:
    organ, blob = disc(96, 96, 70), disc(96, 110, 8)
    images = (organ.float() + blob.float())[None, None]
    filled = InpaintBackground(20.0, SPACING)(images)[0, 0]
    assert (filled[blob] - 1).abs().max() < 0.01
    assert (filled[disc(96, 96, 55)] - 1).abs().max() < 0.01
    assert filled[~disc(96, 96, 85)].abs().max() < 0.01
    # A Gaussian as wide smears the organ's edge farther.
    smeared = gaussian_blur(images, (10.0, 20.0))[0, 0]
    assert (filled - organ.float()).abs().mean() < 0.5 * (smeared - organ.float()).abs().mean()


def test_inpainting_in_millimetres_is_the_same_both_ways() -> None:
    # An elongated blob, lying and standing, in millimetres: wider than it is far across.
    turned = [disc(96, 96, 30) & disc(96 + s * dy, 96 + s * dx, 30) for s, dy, dx in ((1, 44, 0),)]
    other = [disc(96, 96, 30) & disc(96 + s * dy, 96 + s * dx, 30) for s, dy, dx in ((1, 0, 44),)]
    left = []
    for blob in (turned[0], other[0]):
        filled = InpaintBackground(14.0, SPACING)(blob.float()[None, None])
        left.append(filled.mean().item())
    assert left[0] == pytest.approx(left[1], abs=0.002)
    finer = disc(96, 96, 12).float()[None, None].repeat_interleave(2, -2)
    coarse = InpaintBackground(20.0, SPACING)(disc(96, 96, 12).float()[None, None])
    fine = InpaintBackground(20.0, (1.0, 1.0))(finer)
    assert (fine[..., ::2, :] - coarse).abs().mean() < 0.01


@pytest.mark.parametrize("name", sorted(BACKGROUNDS))
def test_a_background_is_the_same_each_time_and_in_any_batch(name: str) -> None:
    images = torch.rand(3, 2, 40, 56, generator=torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    together = BACKGROUNDS[name](images)
    assert torch.equal(together, BACKGROUNDS[name](images.clone()))
    assert torch.equal(before, torch.random.get_rng_state())
    for index in range(3):
        alone = BACKGROUNDS[name](images[[index]])
        assert torch.allclose(alone[0], together[index], atol=1e-5)
    for plane in (torch.full((1, 1, 33, 20), 3.0), torch.zeros(1, 3, 8, 8)):
        assert torch.allclose(BACKGROUNDS[name](plane), plane, atol=1e-5)


def test_texture_has_the_grain_of_the_image_and_its_range() -> None:
    generator = torch.Generator().manual_seed(6)
    grain = gaussian_blur(torch.randn(1, 1, 128, 128, generator=generator), (1.0, 1.0))
    images = 0.5 + 0.1 * grain / grain.std()
    blob = torch.zeros(128, 128, dtype=torch.bool)
    blob[40:56, 60:76] = True
    images[..., blob] -= 0.4
    background = TexturedBackground(wide)(images)
    there = background[..., blob]
    assert there.std() > 0.05  # as speckled as the ground, not smooth
    assert wide(images)[..., blob].std() < 0.02
    assert images.min() <= background.min()
    assert background.max() <= images.max()
    # Its spectrum is that of the image's grain: as much in each band, nothing at its place.
    detail = [x - gaussian_blur(x, (2.56, 2.56)) for x in (images, background)]
    power = [torch.fft.rfft2(x).abs().square()[0, 0] for x in detail]
    ring = torch.hypot(torch.fft.fftfreq(128)[:, None], torch.fft.rfftfreq(128)[None])
    for low, high in ((0.1, 0.2), (0.2, 0.3)):
        band = (ring >= low) & (ring < high)
        assert float(power[1][band].sum() / power[0][band].sum()) == pytest.approx(1, abs=0.5)
    assert abs(torch.corrcoef(torch.stack([x.flatten() for x in detail]))[0, 1]) < 0.1


@pytest.mark.parametrize(("size", "spacing"), [(0.0, (1.0, 1.0)), (5.0, (-1.0, 1.0))])
def test_a_fill_of_no_size_is_refused(size: float, spacing: tuple[float, float]) -> None:
    with pytest.raises(MedcontourError, match="give positive millimetres"):
        InpaintBackground(size, spacing)


def test_a_fill_larger_than_the_image_leaves_its_mean() -> None:
    images = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(7))
    filled = InpaintBackground(1000.0)(images)
    assert torch.allclose(filled, images.mean().expand_as(images), atol=1e-5)
