"""Star-convex closed surfaces in spherical harmonics, batched and differentiable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour.link import Parametrisation, radius_and_slope, size_of
from medcontour.contour.radial import GUARD
from medcontour.contour.sphere import icosphere, quadrature
from medcontour.contour.spherical import degree_of, degrees, series, series_and_gradient
from medcontour.contour.star_convex import StarConvex
from medcontour.contour.volume import VolumeGeometry

__all__ = ["HarmonicSurface"]

Components = tuple[Tensor, Tensor, Tensor]

POLAR = 32
POLAR_CLIPPED = 48
HALVINGS, TERMS = 3, 14


@dataclass(frozen=True)
class HarmonicSurface(StarConvex):
    r"""N star-convex closed surfaces in volume coordinates (see `VolumeGeometry`).

    `FourierContour` one dimension up. A surface is the image, under a volume-preserving linear
    map A (the *frame*), of ``r(n) n`` for all unit directions n, moved to its center:

    * ``log``: ``r = exp(log r0 + u)``, kept within a factor of 10^4 of the unit;
    * ``bounded`` (Eq. 12): ``r = r0 + s tanh(u)``, ``s = min(r0 - 0.1, 1 - r0)``, with r0 held
      in (0.1, 1) by a sigmoid;

    with ``u(n) = sum_lm c_lm Y_lm(n)`` in real spherical harmonics of degrees 1 to L, each of mean
    square one half over the sphere as a cosine is over the circle. The constant one is the size.
    The frame is ``A = exp(M)`` for the symmetric trace-free ``M = [[p, a, b], [a, q, c], [b, c,
    -p - q]]``, of determinant 1. A surface is always closed, simple and star-convex about its
    center. With no other parameter does a surface determine its own: about a sphere the second
    degree is the frame, and the first the center, to first order. For L = 5 there are 44 numbers.

    Attributes
    ----------
    center
        (N, 3) volume coordinates (x, y, z).
    size
        (N,): ``log r0``, or for ``bounded`` the logit of ``(r0 - 0.1) / 0.9``.
    harmonics
        (N, (L + 1)^2 - 1): ``c_lm``, orders -l to l of degree 1, then of degree 2, and so on;
        negative orders are the sines.
    frame
        (N, 5): p, q, a, b, c; zero for an isotropic surface.
    parametrisation
        The radius parametrisation.

    Examples
    --------
    >>> import math
    >>> ball = HarmonicSurface.spheres(torch.zeros(1, 3), torch.tensor([0.5]))
    >>> round(ball.volume().item() / (4 / 3 * math.pi * 0.5**3), 5)
    1.0
    """

    @classmethod
    def spheres(
        cls,
        center: Tensor,
        radius: Tensor,
        degree: int = 5,
        parametrisation: Parametrisation = "log",
    ) -> HarmonicSurface:
        """Spheres about (N, 3) centers with (N,) radii, all in volume coordinates.

        With the ``bounded`` parametrisation radii are brought into what it can hold, (0.1, 1).
        """
        zeros, count = center.new_zeros, len(center)
        return cls(
            center.clone(),
            size_of(radius, parametrisation),
            zeros(count, (degree + 1) ** 2 - 1),
            zeros(count, 5),
            parametrisation,
        )

    @property
    def degree(self) -> int:
        """L."""
        return degree_of(self.harmonics.shape[1])

    def radius(self, directions: Tensor) -> Tensor:
        """(N, P) radii in the frame at unit directions (P, 3), the same for all surfaces."""
        x, y, z = directions.to(self.center).expand(len(self), *directions.shape).unbind(-1)
        return self._radius((x, y, z))

    def frame_matrix(self, sign: float = 1.0) -> Tensor:
        """(N, 3, 3): the matrix exponential of the frame, or its inverse for ``sign=-1``."""
        p, q, a, b, c = (sign * self.frame).unbind(-1)
        rows = ((p, a, b), (a, q, c), (b, c, -p - q))
        small = torch.stack([torch.stack(row, -1) for row in rows], -2) / 2**HALVINGS
        unit = torch.eye(3, dtype=small.dtype, device=small.device)
        total = term = unit.expand_as(small)
        for order in range(1, TERMS + 1):
            term = _product(term, small) / order
            total = total + term
        for _ in range(HALVINGS):
            total = _product(total, total)
        return total

    def gap(self, points: Tensor) -> Tensor:
        """``r(n) - rho``, positive inside: Eq. 2's bracket, radial, in the frame.

        Gradients are finite everywhere, the center included. They can be taken once; `distance`
        has second ones.

        Parameters
        ----------
        points
            Volume coordinates: (..., 3) the same for all surfaces.

        Returns
        -------
        Tensor
            (N, ...).
        """
        surfaces = self.to(torch.promote_types(points.dtype, self.center.dtype))
        rho, directions = surfaces._polar(points.reshape(-1, 3))
        return (surfaces._radius(directions) - rho).view(len(self), *points.shape[:-1])

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance to the surface, to first order, in volume coordinates, positive inside.

        The gap over the length of its gradient on the surface, along the same ray, as
        `FourierContour.distance`. Near the surface it errs by the square of the distance. Points
        and result are those of `gap`.
        """
        inverse = self.frame_matrix(-1.0).unsqueeze(-1)
        rho, n = self._polar(points.reshape(-1, 3))
        total, along = series_and_gradient(n, self.harmonics)
        radius, per_series = radius_and_slope(self.size, total, self.parametrisation)
        lean = per_series / radius
        outward = along[0] * n[0] + along[1] * n[1] + along[2] * n[2]
        # The gap's gradient on the surface, in the frame, then through it into the volume.
        steep = [lean * (a - outward * b) - b for a, b in zip(along, n, strict=True)]
        a, b, c = _turned(inverse, steep)
        length = torch.sqrt(a * a + b * b + c * c)
        distance: Tensor = (radius - rho) / length
        return distance.view(len(self), *points.shape[:-1])

    def volume(self) -> Tensor:
        """(N,) volumes in volume coordinates, not clipped: ``1/3 int r^3 dn``.

        Gauss and Legendre's rule on 32 circles of latitude times the trapezoidal rule on each:
        exact where r^3 is a polynomial of the direction up to degree 63, so for spheres and
        ellipsoids; to a millionth for five degrees that make r vary by a factor of ten.
        """
        directions, weights = quadrature(POLAR)
        return (self.radius(directions) ** 3 * weights.to(self.center)).sum(-1) / 3

    def volume_inside(self, grid: VolumeGeometry) -> Tensor:
        """(N,) volumes within a grid that holds the centers, in volume coordinates.

        Each ray ends where it leaves the grid; 48 circles of latitude.
        """
        directions, weights = quadrature(POLAR_CLIPPED)
        offsets = self._offsets(directions)
        room = self.center.new_tensor(grid.extent) - self.center.unsqueeze(1) * offsets.sign()
        share = (room / offsets.abs().clamp_min(1e-12)).amin(-1).clamp(0.0, 1.0)
        return ((self.radius(directions) * share) ** 3 * weights.to(self.center)).sum(-1) / 3

    def share(self, grid: VolumeGeometry) -> Tensor:
        """(N,) volumes as shares of the grid's, not clipped to it: Eq. 7 in three dimensions."""
        return self.volume() / grid.content

    def share_inside(self, grid: VolumeGeometry) -> Tensor:
        """(N,) shares of the grid that lie within the surfaces."""
        return self.volume_inside(grid) / grid.content

    def spectral_energy(self) -> Tensor:
        """(N,): ``sum l (l + 1) c_lm^2``, as Eq. 9's ``k^2``: twice u's mean squared slope."""
        order = torch.tensor(degrees(self.degree), device=self.center.device)
        return (order * (order + 1) * self.harmonics.square()).sum(-1)

    def mesh(self, detail: int = 4) -> tuple[Tensor, Tensor]:
        """Closed triangle meshes with their vertices on the surfaces.

        Parameters
        ----------
        detail
            How often the triangles of an icosahedron are cut in four.

        Returns
        -------
        tuple
            (N, V, 3) vertices in volume coordinates, ``V = 10 * 4^detail + 2``, and (T, 3)
            triangles, ``T = 20 * 4^detail``, counter-clockwise seen from outside.
        """
        directions, triangles = icosphere(detail)
        vertices = self.center.unsqueeze(1) + self._offsets(directions)
        return vertices, triangles.to(self.center.device)

    def _radius(self, directions: Components) -> Tensor:
        total = series(directions, self.harmonics)
        return radius_and_slope(self.size, total, self.parametrisation)[0]

    def _polar(self, points: Tensor) -> tuple[Tensor, Components]:
        """(N, P) distances of points (P, 3) from the centers, in the frame, and directions."""
        offsets = [points[:, axis] - self.center[:, axis, None] for axis in range(3)]
        inverse = self.frame_matrix(-1.0).unsqueeze(-1)
        u, v, w = _turned(inverse, offsets)
        squared = u * u + v * v + w * w
        rho = torch.sqrt(squared + GUARD)
        # The center lies in no direction; any will do.
        nowhere = squared < GUARD
        x, y = (torch.where(nowhere, 0.0, part / rho) for part in (u, v))
        return rho, (x, y, torch.where(nowhere, 1.0, w / rho))

    def _offsets(self, directions: Tensor) -> Tensor:
        """(N, P, 3): from the centers to the surfaces, for directions (P, 3) in the frame."""
        along = self.radius(directions).unsqueeze(-1) * directions.to(self.center)
        return _product(along, self.frame_matrix())  # which is symmetric


def _turned(matrix: Tensor, parts: list[Tensor]) -> list[Tensor]:
    """Matrices (N, 3, 3, 1) times vectors given by their three parts (N, P)."""
    x, y, z = parts
    return [matrix[:, i, 0] * x + matrix[:, i, 1] * y + matrix[:, i, 2] * z for i in range(3)]


def _product(one: Tensor, other: Tensor) -> Tensor:
    """Matrix products, not by a routine that may be allowed to be less exact than float32."""
    return (one.unsqueeze(-1) * other.unsqueeze(-3)).sum(-2)
