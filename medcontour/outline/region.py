"""From an evidence contour to the boundary of what it sits on: region contrast and edge.

The image is read along the rays of the curve itself: at the relative radii `INSIDE` and
`OUTSIDE` (1 is the curve) of `ANGLES` directions. What is measured is so independent of the
object's size and of the pixels' shape, and its gradient with respect to the curve is that of the
image. No classifier is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry, Shape
from medcontour.outline.outliner import Outline

__all__ = ["follow_region", "outline_candidates"]

ANGLES = 48
INSIDE = (0.1, 0.22, 0.34, 0.46, 0.58, 0.7, 0.82, 0.94)
OUTSIDE = (1.06, 1.14, 1.22, 1.3, 1.38)
EDGE_INSIDE, EDGE_OUTSIDE = slice(6, 8), slice(0, 2)
SCALES = (0.4, 0.65, 1.0, 1.4, 1.9, 2.6, 3.6)
LARGEST = 4.0
SMOOTHING = 0.12
STEPS = 60
RATES = {"center": 0.03, "size": 0.05, "harmonics": 0.02, "frame": 0.03}
CONTRAST_WEIGHT, EDGE_WEIGHT = 1.0, 2.0
PULL = 0.2
GROWN, SHRUNK = 0.1, 0.1
SATURATION = 4.0
POLARITY_WEIGHT, POLARITY_SCALE = 2.0, 0.3
SPECTRAL = 1.0
FRAME_WEIGHT = 0.2
LEAST_CONTRAST = 1.0
LEAST_EDGE = 0.6
ALIKE_ENERGY, ALIKE_AREA = 0.02, 0.05


@dataclass(frozen=True)
class _Reading:
    contrast: Tensor  # (N,) signed, over the pooled spread
    steps: Tensor  # (N, ANGLES) signed step across the curve, over the pooled spread


def _read(
    images: Tensor,
    plane: PlaneGeometry,
    curves: FourierContour,
    floor: Tensor,
    measured: Tensor | None,
) -> _Reading:
    """Read (N, H, W) images along the rays of N curves."""
    directions = torch.arange(ANGLES, device=images.device) * (2 * math.pi / ANGLES)
    cosine, sine = (f(directions).expand(len(curves), -1) for f in (torch.cos, torch.sin))
    radius = curves.radius(cosine, sine)
    relative = images.new_tensor(INSIDE + OUTSIDE)
    rays = torch.stack([radius * cosine, radius * sine], -1) @ curves.frame_matrix().mT
    points = curves.center[:, None, None] + rays.unsqueeze(2) * relative.view(1, 1, -1, 1)
    places = points / points.new_tensor(plane.extent)
    values = _at(images, places, "bilinear")
    in_view = (points.abs() <= points.new_tensor(plane.extent)).all(-1)
    if measured is not None:
        in_view &= _at(measured.to(images), places.detach(), "nearest") > 0.5
    weight = radius.detach().square().unsqueeze(-1) * relative * (in_view + 1e-3)
    split = len(INSIDE)
    mean_in, var_in = _moments(values[..., :split], weight[..., :split])
    mean_out, var_out = _moments(values[..., split:], weight[..., split:])
    spread = torch.sqrt((var_in + var_out) / 2 + floor.square())
    steps = values[..., :split][..., EDGE_INSIDE].mean(-1) - values[..., split:][
        ..., EDGE_OUTSIDE
    ].mean(-1)
    return _Reading((mean_in - mean_out) / spread, steps / spread.detach().unsqueeze(-1))


def _at(images: Tensor, places: Tensor, mode: str) -> Tensor:
    """(N, A, R) values of (N, H, W) images at places from -1 to 1; beyond, those at the border."""
    return F.grid_sample(
        images.unsqueeze(1), places, mode=mode, padding_mode="border", align_corners=False
    )[:, 0]


def _saturated(contrast: Tensor) -> Tensor:
    return contrast / (1 + contrast.abs() / SATURATION)


def _moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    total = weight.sum((-1, -2))
    mean = (values * weight).sum((-1, -2)) / total
    variance = ((values - mean[:, None, None]).square() * weight).sum((-1, -2)) / total
    return mean, variance


def follow_region(
    images: Tensor,
    plane: PlaneGeometry,
    evidence: Shape,
    polarity: Tensor | None = None,
) -> list[Outline | None]:
    """Follow each image from its evidence contour to the boundary around it.

    The first of `outline_candidates`, whose parameters these are.

    Returns
    -------
    list of Outline or None
        None where the image has no boundary near the evidence.
    """
    found = outline_candidates(images, plane, evidence, polarity, most=1)
    return [best if best.clear else None for [best] in found]


def outline_candidates(
    images: Tensor,
    plane: PlaneGeometry,
    evidence: Shape,
    polarity: Tensor | None = None,
    *,
    most: int,
    measured: Tensor | None = None,
) -> list[list[Outline]]:
    """Boundaries around each evidence contour that differ from each other, the best first.

    Maximises region contrast (mean inside against a ring outside, over their pooled spread) and
    the step across the curve, with a weak pull to the evidence center. Several starting radii
    and both polarities are followed side by side; those that end alike count once.

    Parameters
    ----------
    images
        (N, rows, columns) values on the plane's own pixels.
    plane
        Their plane.
    evidence
        N evidence contours.
    polarity
        (N,) from -1 to 1: positive where something brighter than its surroundings is looked for,
        negative for something darker, about 0 (or None) where that is not known. The further
        from 0, the more the other polarity has to be the clearer one.
    most
        At most so many for each.
    measured
        (N, rows, columns) bool: pixels that are no measurement count neither inside nor outside;
        they take the value of the nearest that is. By default all are measured.

    Returns
    -------
    list of list of Outline
        For each image one or more, `Outline.clear` or not. Their quality says ``contrast``, the
        difference of the means inside and in a ring outside over their pooled spread, negative for
        an object darker than what surrounds it, and ``edge``, the share of the curve's directions
        along which the image steps the same way.

    Examples
    --------
    >>> import torch
    >>> plane = PlaneGeometry(64, 64)
    >>> start = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.2]))
    >>> disc = plane.pixel_centres().norm(dim=-1) < 0.3
    >>> [best, *others] = outline_candidates(disc[None].float(), plane, start, most=3)[0]
    >>> best.clear, round(best.contour.mean_radius.item(), 1)
    (True, 0.3)
    """
    images = images.float()
    masks = [None] * len(images) if measured is None else list(measured)
    images = torch.stack([_filled(*pair) for pair in zip(images, masks, strict=True)])
    count, tries = len(evidence), 2 * len(SCALES)
    scales = images.new_tensor(SCALES).repeat_interleave(2)
    sign = images.new_tensor([1.0, -1.0]).repeat(len(SCALES)).repeat(count)
    known = images.new_zeros(count) if polarity is None else torch.tanh(polarity / POLARITY_SCALE)
    against = POLARITY_WEIGHT * (1 - sign * known.repeat_interleave(tries)) / 2
    own = torch.sqrt(evidence.area().float() / math.pi).detach()
    radii = (own[:, None] * scales).clamp(1.5 * plane.pixel, 0.6 * min(plane.extent))
    centers = evidence.center.detach().float().repeat_interleave(tries, 0)
    curves = FourierContour.circles(centers, radii.flatten())
    both = radii[:, ::2]  # the two polarities of a radius read the same blurred image
    smooth = torch.stack(
        [_smoothed(image, plane, r) for image, rs in zip(images, both, strict=True) for r in rs]
    ).repeat_interleave(2, 0)
    spread = torch.stack([_spread(image, mask) for image, mask in zip(images, masks, strict=True)])
    floor = 0.1 * spread.repeat_interleave(tries).clamp_min(1e-6)
    everywhere = None if measured is None else measured.repeat_interleave(tries, 0)

    parameters = curves.tensors()
    groups = []
    for name, rate in RATES.items():
        parameters[name].requires_grad_(True)
        groups.append({"params": [parameters[name]], "lr": rate})
    optimiser = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS, eta_min=1e-3)
    extent = images.new_tensor(plane.extent)
    reach = own.repeat_interleave(tries)
    largest = (LARGEST * reach).clamp(max=0.9).log()

    def energy() -> tuple[Tensor, _Reading]:
        reading = _read(smooth, plane, curves, floor, everywhere)
        edge = torch.tanh(sign[:, None] * reading.steps).mean(-1)
        away = (curves.center - centers).square().sum(-1)
        pull = away / torch.maximum(reach, curves.mean_radius.detach()).square()
        growth = curves.size - reach.log()
        size = GROWN * growth.clamp_min(0).square() + SHRUNK * growth.clamp_max(0).square()
        regular = SPECTRAL * curves.spectral_energy() + FRAME_WEIGHT * curves.frame.square().sum(-1)
        contrast = CONTRAST_WEIGHT * sign * _saturated(reading.contrast)
        return against - contrast - EDGE_WEIGHT * edge + PULL * pull + size + regular, reading

    for _ in range(STEPS):
        loss, _reading = energy()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.sum())
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            curves.center.clamp_(-extent, extent)
            curves.size.clamp_(min=math.log(plane.pixel)).clamp_(max=largest)
    with torch.no_grad():
        loss, reading = energy()
    ended = []
    for k in range(count * tries):
        contrast = float(reading.contrast[k])
        edge = float((sign[k] * reading.steps[k] > 0.5).float().mean())
        clear = contrast * float(sign[k]) >= LEAST_CONTRAST and edge >= LEAST_EDGE
        quality = {"contrast": contrast, "edge": edge}
        ended.append(Outline(curves[[k]].detach(), float(loss[k]), clear, quality))
    return [_distinct(ended[n * tries : (n + 1) * tries], most) for n in range(count)]


def _distinct(outlines: list[Outline], most: int) -> list[Outline]:
    """The best first, without those that ended where a better one did."""
    kept: list[Outline] = []
    areas: list[float] = []
    for outline in sorted(outlines, key=lambda outline: outline.energy):
        area = float(outline.contour.area())
        alike = (
            outline.energy - other.energy <= ALIKE_ENERGY and abs(area / size - 1) <= ALIKE_AREA
            for other, size in zip(kept, areas, strict=True)
        )
        if not any(alike):
            kept.append(outline)
            areas.append(area)
        if len(kept) == most:
            break
    return kept


def _spread(image: Tensor, measured: Tensor | None) -> Tensor:
    """Standard deviation of what is measured of a (H, W) image."""
    return (image if measured is None or not measured.any() else image[measured]).std()


def _filled(image: Tensor, measured: Tensor | None) -> Tensor:
    """(H, W) with the value of the nearest measured pixel where there is none."""
    if measured is None or bool(measured.all()) or not bool(measured.any()):
        return image
    nearest = ndimage.distance_transform_edt(
        ~measured.cpu().numpy(), return_distances=False, return_indices=True
    )
    rows, columns = torch.from_numpy(nearest).long().to(image.device)
    return image[rows, columns]


def _smoothed(image: Tensor, plane: PlaneGeometry, radius: Tensor) -> Tensor:
    """(H, W) blurred by a share of the starting radius, so that speckle does not hold a curve."""
    row, column = plane.pixel_spacing
    sigma = SMOOTHING * float(radius) * plane.unit_mm
    blurred = ndimage.gaussian_filter(image.cpu().numpy(), (sigma / row, sigma / column))
    return torch.from_numpy(blurred).to(image.device)
