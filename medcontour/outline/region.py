"""From an evidence contour to the boundary of what it sits on: region contrast and edge.

The image is read along the rays of the curve itself: at relative radii inside and outside (1 is
the curve) of many directions (`RegionConstants`). What is measured is so independent of the
object's size and of the pixels' shape, and its gradient with respect to the curve is that of the
image. No classifier is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry, PlaneShape
from medcontour.contour.descent import Descent
from medcontour.outline.outliner import Outline

__all__ = ["boundary_quality", "follow_region", "outline_candidates"]


@dataclass(frozen=True)
class RegionConstants:
    """How a boundary is followed from the evidence.

    The values were chosen by hand, and no sweep of them is recorded; what they reach is in
    `docs/results/outlines.md`. Radii of the evidence are those of a circle of its area; contrasts
    and steps are in units of the pooled spread of the values inside and outside.

    Attributes
    ----------
    angles
        Directions of the rays along which a curve is read.
    inside, outside
        Where along a ray the image is read, as shares of the curve's radius.
    edge_samples
        Of these the ones next to the curve, on either side, that make the step across it.
    scales
        Starting radii, in radii of the evidence. 3.6 was added, and `largest` raised from 3, for
        lesions much larger than their evidence.
    least_start
        The smallest starting radius in pixels.
    most_start
        The largest, as a share of the plane's half shorter side.
    largest
        A curve's mean radius at most, in radii of the evidence.
    largest_radius
        The same in plane coordinates.
    smoothing
        Standard deviation of the blur as a share of the starting radius, against speckle.
    steps
        Of Adam.
    rates
        Its learning rates of center, size, harmonics and frame, falling by a cosine.
    last_rate
        What all of them fall to.
    contrast_weight, edge_weight
        What the energy gains by region contrast, and by the mean step across the curve (at most 1).
    saturation
        The contrast that counts for half of itself: more of it hardly counts.
    pull
        What the squared distance from the evidence's center costs, in radii of the evidence or of
        the curve, the larger.
    grown, shrunk
        What the squared logarithm of the radius costs, in radii of the evidence, on either side.
    polarity_weight
        What the wrong polarity costs where it is known.
    polarity_scale
        The polarity (a difference of similarities, -1 to 1) from about which it counts as known.
    spectral_weight, frame_weight
        What the curve's spectral energy and its frame's squared numbers cost.
    spread_floor
        Share of the image's own standard deviation below which no pooled spread falls.
    least_contrast
        Less than that is no boundary.
    edge_step
        The step across the curve that counts as an edge.
    least_edge
        Share of the directions that must have one, or there is no boundary.
    alike_energy, alike_area
        Energies and relative areas that differ by less are of one outline.
    """

    angles: int = 48
    inside: tuple[float, ...] = (0.1, 0.22, 0.34, 0.46, 0.58, 0.7, 0.82, 0.94)
    outside: tuple[float, ...] = (1.06, 1.14, 1.22, 1.3, 1.38)
    edge_samples: int = 2
    scales: tuple[float, ...] = (0.4, 0.65, 1.0, 1.4, 1.9, 2.6, 3.6)
    least_start: float = 1.5
    most_start: float = 0.6
    largest: float = 4.0
    largest_radius: float = 0.9
    smoothing: float = 0.12
    steps: int = 60
    rates: dict[str, float] = field(
        default_factory=lambda: {"center": 0.03, "size": 0.05, "harmonics": 0.02, "frame": 0.03}
    )
    last_rate: float = 1e-3
    contrast_weight: float = 1.0
    edge_weight: float = 2.0
    saturation: float = 4.0
    pull: float = 0.2
    grown: float = 0.1
    shrunk: float = 0.1
    polarity_weight: float = 2.0
    polarity_scale: float = 0.3
    spectral_weight: float = 1.0
    frame_weight: float = 0.2
    spread_floor: float = 0.1
    least_contrast: float = 1.0
    edge_step: float = 0.5
    least_edge: float = 0.6
    alike_energy: float = 0.02
    alike_area: float = 0.05


REGION = RegionConstants()


@dataclass(frozen=True)
class _Reading:
    contrast: Tensor  # (N,) signed, over the pooled spread
    steps: Tensor  # (N, A) signed step across the curve, over the pooled spread


def _read(
    images: Tensor,
    plane: PlaneGeometry,
    curves: FourierContour,
    floor: Tensor,
    measured: Tensor | None,
) -> _Reading:
    """Read (N, H, W) images along the rays of N curves."""
    directions = torch.arange(REGION.angles, device=images.device)
    directions = directions * (2 * math.pi / REGION.angles)
    cosine, sine = (f(directions).expand(len(curves), -1) for f in (torch.cos, torch.sin))
    radius = curves.radius(cosine, sine)
    rays = torch.stack([radius * cosine, radius * sine], -1) @ curves.frame_matrix().mT
    return _read_along(images, plane, curves.center, rays, radius, floor, measured)


def _read_along(
    images: Tensor,
    plane: PlaneGeometry,
    center: Tensor,
    rays: Tensor,
    radius: Tensor,
    floor: Tensor,
    measured: Tensor | None,
) -> _Reading:
    """Read (N, H, W) images along (N, A, 2) rays from (N, 2) centers to N boundaries.

    `radius` (N, A) is what the rays' values are weighted by.
    """
    relative = images.new_tensor(REGION.inside + REGION.outside)
    points = center[:, None, None] + rays.unsqueeze(2) * relative.view(1, 1, -1, 1)
    places = points / points.new_tensor(plane.extent)
    values = _at(images, places, "bilinear")
    in_view = (points.abs() <= points.new_tensor(plane.extent)).all(-1)
    if measured is not None:
        in_view &= _at(measured.to(images), places.detach(), "nearest") > 0.5
    weight = radius.detach().square().unsqueeze(-1) * relative * (in_view + 1e-3)
    split, edge = len(REGION.inside), REGION.edge_samples
    mean_in, var_in = _moments(values[..., :split], weight[..., :split])
    mean_out, var_out = _moments(values[..., split:], weight[..., split:])
    spread = torch.sqrt((var_in + var_out) / 2 + floor.square())
    within, beyond = values[..., split - edge : split], values[..., split : split + edge]
    steps = within.mean(-1) - beyond.mean(-1)
    return _Reading((mean_in - mean_out) / spread, steps / spread.detach().unsqueeze(-1))


def _at(images: Tensor, places: Tensor, mode: str) -> Tensor:
    """(N, A, R) values of (N, H, W) images at places from -1 to 1; beyond, those at the border."""
    return F.grid_sample(
        images.unsqueeze(1), places, mode=mode, padding_mode="border", align_corners=False
    )[:, 0]


def _saturated(contrast: Tensor) -> Tensor:
    return contrast / (1 + contrast.abs() / REGION.saturation)


def _moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    total = weight.sum((-1, -2))
    mean = (values * weight).sum((-1, -2)) / total
    variance = ((values - mean[:, None, None]).square() * weight).sum((-1, -2)) / total
    return mean, variance


def follow_region(
    images: Tensor,
    plane: PlaneGeometry,
    evidence: PlaneShape,
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
    evidence: PlaneShape,
    polarity: Tensor | None = None,
    *,
    most: int,
    measured: Tensor | None = None,
) -> list[list[Outline]]:
    """Boundaries around each evidence contour that differ from each other, the best first.

    Maximises region contrast (mean inside against a ring outside, over their pooled spread) and
    the step across the curve, with a weak pull to the evidence center. Several starting radii
    and both polarities are followed side by side; those that end alike count once.

    The further `polarity` is from 0, the more the other one has to be the clearer one. Pixels
    that are no measurement count neither inside nor outside; they take the value of the nearest
    that is. Arguments and result are those of `medcontour.outline.Outliner`.

    The quality of an outline says ``contrast``, the difference of the means inside and in a ring
    outside over their pooled spread, negative for an object darker than what surrounds it, and
    ``edge``, the share of the curve's directions along which the image steps the same way.

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
    count, tries = len(evidence), 2 * len(REGION.scales)
    scales = images.new_tensor(REGION.scales).repeat_interleave(2)
    sign = images.new_tensor([1.0, -1.0]).repeat(len(REGION.scales)).repeat(count)
    polarity = images.new_zeros(count) if polarity is None else polarity
    known = torch.tanh(polarity / REGION.polarity_scale)
    against = REGION.polarity_weight * (1 - sign * known.repeat_interleave(tries)) / 2
    least = REGION.least_start * plane.pixel  # smaller evidence says no more of size than this
    own = torch.sqrt(evidence.area().float() / math.pi).detach().clamp_min(least)
    radii = (own[:, None] * scales).clamp(least, REGION.most_start * min(plane.extent))
    centers = evidence.center.detach().float().repeat_interleave(tries, 0)
    curves = FourierContour.circles(centers, radii.flatten())
    both = radii[:, ::2]  # the two polarities of a radius read the same blurred image
    smooth = torch.stack(
        [_smoothed(image, plane, r) for image, rs in zip(images, both, strict=True) for r in rs]
    ).repeat_interleave(2, 0)
    spread = torch.stack([_spread(image, mask) for image, mask in zip(images, masks, strict=True)])
    floor = REGION.spread_floor * spread.repeat_interleave(tries).clamp_min(1e-6)
    everywhere = None if measured is None else measured.repeat_interleave(tries, 0)

    parameters = curves.tensors()
    descent = Descent({name: parameters[name].requires_grad_(True) for name in REGION.rates})
    extent = images.new_tensor(plane.extent)
    reach = own.repeat_interleave(tries)
    largest = (REGION.largest * reach).clamp(max=REGION.largest_radius).log()

    def energy() -> tuple[Tensor, _Reading]:
        reading = _read(smooth, plane, curves, floor, everywhere)
        edge = torch.tanh(sign[:, None] * reading.steps).mean(-1)
        away = (curves.center - centers).square().sum(-1)
        pull = away / torch.maximum(reach, curves.mean_radius.detach()).square()
        growth = curves.size - reach.log()
        size = REGION.grown * growth.clamp_min(0).square()
        size = size + REGION.shrunk * growth.clamp_max(0).square()
        regular = REGION.spectral_weight * curves.spectral_energy()
        regular = regular + REGION.frame_weight * curves.frame.square().sum(-1)
        contrast = REGION.contrast_weight * sign * _saturated(reading.contrast)
        total = against - contrast - REGION.edge_weight * edge
        return total + REGION.pull * pull + size + regular, reading

    for step in range(REGION.steps):
        loss, _reading = energy()
        torch.autograd.backward(loss.sum())
        fallen = (1 + math.cos(math.pi * step / REGION.steps)) / 2
        descent.step(
            {
                name: REGION.last_rate + (rate - REGION.last_rate) * fallen
                for name, rate in REGION.rates.items()
            }
        )
        with torch.no_grad():
            curves.center.clamp_(-extent, extent)
            curves.size.clamp_(min=math.log(plane.pixel)).clamp_(max=largest)
    with torch.no_grad():
        loss, reading = energy()
    ended = []
    for k in range(count * tries):
        contrast = float(reading.contrast[k])
        edge = float((sign[k] * reading.steps[k] > REGION.edge_step).float().mean())
        clear = contrast * float(sign[k]) >= REGION.least_contrast and edge >= REGION.least_edge
        quality = {"contrast": contrast, "edge": edge}
        ended.append(Outline(curves[[k]].detach(), float(loss[k]), clear, quality))
    return [_distinct(ended[n * tries : (n + 1) * tries], most) for n in range(count)]


@torch.no_grad()
def boundary_quality(
    image: Tensor, plane: PlaneGeometry, curve: PlaneShape, measured: Tensor | None = None
) -> dict[str, float]:
    """Contrast and edge of the image along any one curve, as `outline_candidates` says them.

    Parameters
    ----------
    image
        (rows, columns) values on the plane's own pixels.
    plane
        Its plane.
    curve
        One curve, in plane coordinates.
    measured
        (rows, columns) bool: which pixels were measured; by default all.

    Examples
    --------
    >>> import torch
    >>> plane = PlaneGeometry(64, 64)
    >>> disc = (plane.pixel_centres().norm(dim=-1) < 0.3).float()
    >>> def edge(radius):
    ...     circle = FourierContour.circles(torch.zeros(1, 2), torch.tensor([radius]))
    ...     return boundary_quality(disc, plane, circle)["edge"]
    >>> edge(0.3), edge(0.6)
    (1.0, 0.0)
    """
    image = _filled(image.float(), measured)
    floor = REGION.spread_floor * _spread(image, measured).clamp_min(1e-6)
    radius = torch.sqrt(curve.area().float() / math.pi).clamp_min(REGION.least_start * plane.pixel)
    smooth = _smoothed(image, plane, radius)[None]
    everywhere = None if measured is None else measured[None]
    rays = curve.polygon(REGION.angles).float() - curve.center[:, None].float()
    reading = _read_along(
        smooth, plane, curve.center.float(), rays, rays.norm(dim=-1), floor[None], everywhere
    )
    contrast = float(reading.contrast)
    step = reading.steps * math.copysign(1.0, contrast)
    return {"contrast": contrast, "edge": float((step > REGION.edge_step).float().mean())}


def _distinct(outlines: list[Outline], most: int) -> list[Outline]:
    """The best first, without those that ended where a better one did."""
    kept: list[Outline] = []
    areas: list[float] = []
    for outline in sorted(outlines, key=lambda outline: outline.energy):
        area = float(outline.contour.area())
        alike = (
            outline.energy - other.energy <= REGION.alike_energy
            and abs(area / size - 1) <= REGION.alike_area
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
    sigma = REGION.smoothing * float(radius) * plane.unit_mm
    blurred = ndimage.gaussian_filter(image.cpu().numpy(), (sigma / row, sigma / column))
    return torch.from_numpy(blurred).to(image.device)
