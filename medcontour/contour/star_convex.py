"""What curves and surfaces that are star-convex share: their parameters, as one batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from medcontour.contour.link import Parametrisation, mean_radius

__all__ = ["StarConvex"]

Own = TypeVar("Own", bound="StarConvex")


@dataclass(frozen=True)
class StarConvex(ABC):
    """N closed shapes in n dimensions: a center, a radius about it in a series, and a frame.

    Attributes
    ----------
    center
        (N, n) coordinates of their space.
    size
        (N,): the mean radius by the link of the parametrisation.
    harmonics
        (N, ...) coefficients of the series.
    frame
        (N, ...): logarithm of the linear map that the shape is seen through.
    parametrisation
        The radius parametrisation.
    """

    center: Tensor
    size: Tensor
    harmonics: Tensor
    frame: Tensor
    parametrisation: Parametrisation = "log"

    def __len__(self) -> int:
        return len(self.center)

    def __getitem__(self: Own, which: Tensor | slice | list[int]) -> Own:
        """Pick shapes of the batch; an int gives no batch of one, so use ``[k:k + 1]``."""
        return self.with_tensors({name: value[which] for name, value in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """The four parameter tensors by name."""
        return {
            "center": self.center,
            "size": self.size,
            "harmonics": self.harmonics,
            "frame": self.frame,
        }

    def with_tensors(self: Own, tensors: dict[str, Tensor]) -> Own:
        """Shapes of the same parametrisation with these parameters."""
        return type(self)(**tensors, parametrisation=self.parametrisation)

    def detach(self: Own) -> Own:
        """Make a copy outside the graph."""
        return self.with_tensors({n: t.detach().clone() for n, t in self.tensors().items()})

    def to(self: Own, *args: Any) -> Own:
        """Move or convert all tensors, as `torch.Tensor.to`."""
        return self.with_tensors({name: t.to(*args) for name, t in self.tensors().items()})

    @staticmethod
    def cat(shapes: Sequence[Own]) -> Own:
        """Concatenate batches of one kind, parametrisation and number of harmonics."""
        batches = [shape.tensors() for shape in shapes]
        return shapes[0].with_tensors({n: torch.cat([b[n] for b in batches]) for n in batches[0]})

    @property
    def mean_radius(self) -> Tensor:
        """(N,): r0 in coordinates of the space."""
        return mean_radius(self.size, self.parametrisation)

    @abstractmethod
    def gap(self, points: Tensor) -> Tensor:
        """(N, ...): how far inside the boundary points (..., n) lie along their rays."""

    def mask(self, points: Tensor, tau: float | Tensor = 100.0) -> Tensor:
        """Soft masks (Eq. 2 with 1 inside): ``sigmoid(tau * gap)``.

        Parameters
        ----------
        points
            Coordinates of the space: (..., n), the same for all shapes; (H, W, 2) or
            (D, H, W, 3) of an image's or a volume's grid.
        tau
            Sharpness, one value or (N,). A 10-90 % edge is ``4.4 / tau`` wide.

        Returns
        -------
        Tensor
            (N, ...).
        """
        sharpness = tau.view(-1, *(1,) * (points.ndim - 1)) if isinstance(tau, Tensor) else tau
        return torch.sigmoid(sharpness * self.gap(points))

    def contains(self, points: Tensor) -> Tensor:
        """(N, ...) whether points (..., n) lie inside."""
        return self.gap(points) > 0

    def to_dict(self) -> dict[str, Any]:
        """Parameters of a single shape as plain numbers, for JSON.

        Raises
        ------
        ValueError
            For a batch of another size than one.
        """
        if len(self) != 1:
            raise ValueError(f"to_dict wants one shape, this batch holds {len(self)}")
        numbers = {name: tensor[0].double().tolist() for name, tensor in self.tensors().items()}
        return {"parametrisation": self.parametrisation, **numbers}

    @classmethod
    def from_dict(cls: type[Own], parameters: dict[str, Any]) -> Own:
        """Inverse of `to_dict`, in float64."""
        tensors = {
            name: torch.tensor([parameters[name]], dtype=torch.float64)
            for name in ("center", "size", "harmonics", "frame")
        }
        # Documents of the first schema call it the law.
        name = parameters["parametrisation" if "parametrisation" in parameters else "law"]
        return cls(**tensors, parametrisation=name)
