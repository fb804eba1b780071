"""Star-convex closed curves in a truncated Fourier series, batched and differentiable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour.link import (
    Parametrisation,
    radius_and_slope,
    reach,
    size_of,
)
from medcontour.contour.plane import PlaneGeometry
from medcontour.contour.radial import GUARD, radial_gap
from medcontour.contour.star_convex import StarConvex

__all__ = ["FourierContour"]

ANGLES = 128


@dataclass(frozen=True)
class FourierContour(StarConvex):
    r"""N star-convex closed curves in plane coordinates (see `PlaneGeometry`).

    A curve is the image, under an area-preserving linear map A (the *frame*), of
    ``r(theta) (cos theta, sin theta)``, moved to its center:

    * ``bounded`` (Eq. 12): ``r = r0 + s tanh(u)``, ``s = min(r0 - 0.1, 1 - r0)``, with r0 held
      in (0.1, 1) by a sigmoid so that s never turns negative. This is the paper to the letter,
      its ills included: towards either bound s, and so the gradient of the harmonics, vanishes,
      and with it that of the sigmoid;
    * ``log``: ``r = exp(log r0 + u)``, kept within a factor of 10^4 of the unit. Positive, and
      well conditioned at any size: a step in a parameter changes r by a share of r;

    with ``u(theta) = sum_k a_k cos(k theta) + b_k sin(k theta)``, which is Eq. 1's
    ``Re sum w_k exp(i k theta)`` for ``w_k = a_k - i b_k``. The frame is
    ``A = exp([[p, q], [q, -p]])``, a symmetric matrix of determinant 1: it stretches one axis and
    shrinks the other, has no angle singularity at the identity and leaves Eq. 7's area as it is.
    A curve is always closed, simple and star-convex about its center. With no other parameter
    does a curve determine its own: about a circle the second harmonic is the frame, and the
    first the center, to first order.

    Attributes
    ----------
    center
        (N, 2) plane coordinates (x, y).
    size
        (N,): ``log r0``, or for ``bounded`` the logit of ``(r0 - 0.1) / 0.9``.
    harmonics
        (N, K, 2): ``a_k`` and ``b_k``.
    frame
        (N, 2): p and q; zero for the paper's isotropic curve.
    parametrisation
        The radius parametrisation.

    Examples
    --------
    >>> circle = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.5]))
    >>> round(circle.area().item(), 6) == round(math.pi / 4, 6)
    True
    """

    @classmethod
    def circles(
        cls,
        center: Tensor,
        radius: Tensor,
        harmonics: int = 5,
        parametrisation: Parametrisation = "log",
    ) -> FourierContour:
        """Circles about (N, 2) centers with (N,) radii, all in plane coordinates.

        With the ``bounded`` parametrisation radii are brought into what it can hold, (0.1, 1).
        """
        count = len(center)
        zeros = center.new_zeros
        return cls(
            center.clone(),
            size_of(radius, parametrisation),
            zeros(count, harmonics, 2),
            zeros(count, 2),
            parametrisation,
        )

    @property
    def reach(self) -> Tensor:
        """(N,): s of Eq. 12, the most that ``bounded`` radii differ from r0."""
        return reach(self.mean_radius)

    def radius(self, cosine: Tensor, sine: Tensor) -> Tensor:
        """(N, ...) radii in the frame for directions given by their cosine and sine (N, ...).

        The harmonics come from the Chebyshev recurrence: no trigonometry per point.
        """
        return self.radius_and_slope(cosine, sine)[0]

    def radius_and_slope(self, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
        """(N, ...) radii and ``dr / dtheta``, in the frame, as `radius`."""
        rest = (1,) * (cosine.ndim - 1)
        a, b = self.harmonics.unbind(-1)
        cos_k, sin_k = cosine, sine
        cos_before, sin_before = torch.ones_like(cosine), torch.zeros_like(sine)
        total, slope = torch.zeros_like(cosine), torch.zeros_like(cosine)
        for k in range(self.harmonics.shape[1]):
            a_k, b_k = a[:, k].view(-1, *rest), b[:, k].view(-1, *rest)
            total = total + a_k * cos_k + b_k * sin_k
            slope = slope + (k + 1) * (b_k * cos_k - a_k * sin_k)
            cos_k, cos_before = 2 * cosine * cos_k - cos_before, cos_k
            sin_k, sin_before = 2 * cosine * sin_k - sin_before, sin_k
        radius, per_series = radius_and_slope(self.size, total, self.parametrisation)
        return radius, slope * per_series

    def frame_matrix(self, sign: float = 1.0) -> Tensor:
        """(N, 2, 2): the matrix exponential of the frame, or its inverse for ``sign=-1``."""
        p, q = (sign * self.frame).unbind(-1)
        s = torch.sqrt(p * p + q * q + 1e-12)
        cosh, sinh = torch.cosh(s), torch.sinh(s) / s
        row0 = torch.stack([cosh + sinh * p, sinh * q], -1)
        return torch.stack([row0, torch.stack([sinh * q, cosh - sinh * p], -1)], -2)

    def gap(self, points: Tensor) -> Tensor:
        """``r(theta) - rho``, positive inside: Eq. 2's bracket, radial, in the frame.

        Gradients are finite everywhere, the center included. They can be taken once: a
        gradient of the gradient raises a RuntimeError; `distance` has both.

        Parameters
        ----------
        points
            Plane coordinates: (..., 2) the same for all curves.

        Returns
        -------
        Tensor
            (N, ...).
        """
        precision = torch.promote_types(points.dtype, self.center.dtype)
        curves = self.to(precision)
        harmonics = curves.harmonics
        if not harmonics.shape[1]:
            harmonics = harmonics.new_zeros(len(self), 1, 2)
        log = self.parametrisation == "log"
        gap = radial_gap(
            points.reshape(-1, 2).to(precision),
            curves.frame_matrix(-1.0),
            curves.center,
            curves.size if log else curves.mean_radius,
            None if log else curves.reach,
            harmonics,
        )
        return gap.view(len(self), *points.shape[:-1])

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance to the curve, to first order, in plane coordinates, positive inside.

        The gap over the length of its gradient on the curve, along the same ray: without a frame
        ``(r - rho) r / sqrt(r^2 + r'^2)``. A soft edge ``sigmoid(tau * distance)`` is equally
        wide all along the curve, where that of `mask` is narrower in the plane the more the
        curve leans against the ray, or the frame shrinks.

        Parameters
        ----------
        points
            Plane coordinates: (..., 2) the same for all curves.

        Returns
        -------
        Tensor
            (N, ...). Near the curve it errs by the square of the distance.
        """
        rest = (1,) * (points.ndim - 1)
        inverse = self.frame_matrix(-1.0).view(-1, *rest, 2, 2)
        x = points[..., 0] - self.center[:, 0].view(-1, *rest)
        y = points[..., 1] - self.center[:, 1].view(-1, *rest)
        u = inverse[..., 0, 0] * x + inverse[..., 0, 1] * y
        v = inverse[..., 1, 0] * x + inverse[..., 1, 1] * y
        rho = torch.sqrt(u * u + v * v + GUARD)
        # The center lies in no direction; any will do.
        nowhere = u * u + v * v < GUARD
        cosine = torch.where(nowhere, 1.0, u / rho)
        sine = torch.where(nowhere, 0.0, v / rho)
        radius, slope = self.radius_and_slope(cosine, sine)
        lean = slope / radius
        # The gap's gradient on the curve, in the frame, then through it into the plane.
        along_u, along_v = cosine + lean * sine, sine - lean * cosine
        along_x = inverse[..., 0, 0] * along_u + inverse[..., 1, 0] * along_v
        along_y = inverse[..., 0, 1] * along_u + inverse[..., 1, 1] * along_v
        return (radius - rho) / torch.sqrt(along_x * along_x + along_y * along_y)

    def area(self, angles: int = ANGLES) -> Tensor:
        """(N,) areas in plane coordinates, not clipped to the image: ``1/2 int r^2 dtheta``.

        The numerator of Eq. 7. The trapezoidal rule on a periodic function: exact to rounding
        for five harmonics, to about a millionth for twenty large ones.
        """
        cosine, sine = self._directions(angles)
        return 0.5 * self.radius(cosine, sine).square().sum(-1) * (2 * math.pi / angles)

    def spectral_energy(self) -> Tensor:
        """(N,): Eq. 9, ``sum_k k^2 |w_k|^2``."""
        k = torch.arange(1, self.harmonics.shape[1] + 1, device=self.center.device)
        return (k.view(1, -1, 1) ** 2 * self.harmonics.square()).sum((-1, -2))

    def polygon(self, vertices: int = ANGLES) -> Tensor:
        """(N, vertices, 2) points on the curves in plane coordinates; the first not repeated."""
        cosine, sine = self._directions(vertices)
        r = self.radius(cosine, sine)
        unit = torch.stack([r * cosine, r * sine], -1)
        # Not a matrix product, which may be allowed to be less exact than float32.
        offsets = (self.frame_matrix().unsqueeze(1) * unit.unsqueeze(-2)).sum(-1)
        return self.center.unsqueeze(1) + offsets

    def polygon_inside(self, plane: PlaneGeometry, vertices: int = ANGLES) -> Tensor:
        """`polygon` with what lies outside the plane drawn in to its edge along the ray."""
        offsets = self.polygon(vertices) - self.center.unsqueeze(1)
        room = self.center.new_tensor(plane.extent) - self.center.unsqueeze(1) * offsets.sign()
        share = (room / offsets.abs().clamp_min(1e-12)).amin(-1, keepdim=True).clamp(0.0, 1.0)
        return self.center.unsqueeze(1) + offsets * share

    def area_inside(self, plane: PlaneGeometry, vertices: int = 512) -> Tensor:
        """(N,) areas within the plane, in plane coordinates, by the shoelace formula."""
        x, y = self.polygon_inside(plane, vertices).unbind(-1)
        following_x, following_y = x.roll(-1, -1), y.roll(-1, -1)
        return 0.5 * (x * following_y - y * following_x).sum(-1).abs()

    def share(self, plane: PlaneGeometry) -> Tensor:
        """(N,) areas as shares of the plane's, not clipped to it: Eq. 7."""
        return self.area() / plane.area

    def share_inside(self, plane: PlaneGeometry) -> Tensor:
        """(N,) shares of the plane that lie within the curves."""
        return self.area_inside(plane) / plane.area

    def _directions(self, count: int) -> tuple[Tensor, Tensor]:
        theta = torch.arange(count, device=self.center.device, dtype=self.center.dtype)
        theta = (theta * (2 * math.pi / count)).expand(len(self), count)
        return theta.cos(), theta.sin()
