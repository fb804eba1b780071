"""What a search, an objective and an outline need of a star-convex shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor

from medcontour.contour.link import Parametrisation
from medcontour.contour.plane import PlaneGeometry

__all__ = ["PlaneShape", "Shape"]

Own = TypeVar("Own", bound="Shape")


class Shape(Protocol):
    """N closed shapes, each star-convex about its center, batched and differentiable.

    A curve in a plane (n = 2, `FourierContour`) or a surface in a volume (n = 3,
    `HarmonicSurface`). All coordinates are those of its *space*, a `PlaneGeometry` or a
    `VolumeGeometry`.
    """

    @property
    def center(self) -> Tensor:
        """(N, n): what each shape is star-convex about."""

    @property
    def size(self) -> Tensor:
        """(N,): the radius by its link."""

    @property
    def parametrisation(self) -> Parametrisation:
        """The link."""

    @property
    def mean_radius(self) -> Tensor:
        """(N,): about how far the boundary is from the center."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self: Own, which: Tensor | slice | list[int]) -> Own:
        """Pick shapes of the batch."""

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name: what a search moves."""

    def with_tensors(self: Own, tensors: dict[str, Tensor]) -> Own:
        """Shapes of the same kind with these parameters."""

    def detach(self: Own) -> Own:
        """Make a copy outside the graph."""

    def to(self: Own, *args: Any) -> Own:
        """Move or convert all parameters, as `torch.Tensor.to`."""

    @staticmethod
    def cat(shapes: Sequence[Any], /) -> Any:
        """Concatenate batches of one kind."""

    def gap(self, points: Tensor) -> Tensor:
        """(N, ...): how far inside the boundary points (..., n) lie along their rays."""

    def mask(self, points: Tensor, tau: float | Tensor = 100.0) -> Tensor:
        """(N, ...) soft masks at points (..., n), 1 inside, of sharpness `tau`."""

    def contains(self, points: Tensor) -> Tensor:
        """(N, ...) whether points (..., n) lie inside."""

    def share(self, space: Any, /) -> Tensor:
        """(N,) areas or volumes as shares of the space's, not clipped to it."""

    def share_inside(self, space: Any, /) -> Tensor:
        """(N,) shares of the space within the shapes."""

    def spectral_energy(self) -> Tensor:
        """(N,): Eq. 9, or what it is on the sphere."""

    def to_dict(self) -> dict[str, Any]:
        """Parameters of a single shape as plain numbers, for JSON."""


class PlaneShape(Shape, Protocol):
    """N closed curves in a plane."""

    def area(self) -> Tensor:
        """(N,) areas, not clipped to the plane."""

    def area_inside(self, plane: PlaneGeometry) -> Tensor:
        """(N,) areas within the plane."""

    def polygon(self, vertices: int = 128) -> Tensor:
        """(N, vertices, 2) points on the boundary, in order; the first not repeated."""

    def polygon_inside(self, plane: PlaneGeometry) -> Tensor:
        """`polygon` with what lies outside the plane drawn in to its edge along the ray."""
