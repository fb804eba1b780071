"""What the rest of the package needs of a classifier: the one protocol for all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor, device, nn

__all__ = [
    "Classifier",
    "Gives",
    "Prepared",
    "VolumeClassifier",
    "labels_sentence",
    "takes_volumes",
]

MOST_NAMED = 20

Gives = Literal["softmax", "sigmoid", "probabilities", "embedding"]
"""What a network gives: `medcontour.log_odds.Outputs`, or an embedding, which has no classes."""


@dataclass(frozen=True)
class Prepared:
    """A plane or volume as the network takes it, and where each of its pixels lies in the source.

    Attributes
    ----------
    tensor
        (channels, height, width) float32; of a volume (channels, depth, height, width).
    index_from_input
        (3, 3) float64: homogeneous ``(row, column)`` index of `tensor`'s last two axes to
        ``(column, row)`` index of the source plane. Of a volume (4, 4): index of `tensor`'s last
        three axes to index (i, j, k) of the source. Exact for every resize, crop, pad, flip and
        transposition; pixel centres are integers on both sides. Points outside the source are
        padding.
    """

    tensor: Tensor
    index_from_input: npt.NDArray[np.float64]


class Classifier(Protocol):
    """A trained image classifier, ready for planes.

    ``score`` gives the log-odds of each class against the rest, whatever the network's last layer
    is: the probability is ``sigmoid(score)``. For a softmax network that is
    ``z_t - logsumexp(z_others)``, so that a saturated probability still has a gradient.
    """

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores; none of an embedding."""
        ...

    @property
    def outputs(self) -> Gives:
        """What the network gives."""
        ...

    @property
    def network(self) -> nn.Module:
        """The network itself, for methods that look inside it."""
        ...

    @property
    def device(self) -> device:
        """Where the network stands."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences that a reader of a result should know."""
        ...

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the weights, as hexadecimal digits."""
        ...

    def prepare(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
    ) -> Prepared:
        """Make the network's input of a plane.

        Parameters
        ----------
        plane
            (rows, columns) or (rows, columns, 3), in the modality's own values.
        pixel_spacing
            Millimetres between rows, then between columns.
        """
        ...

    def embed(self, inputs: Tensor) -> Tensor:
        """(B, channels, height, width) to (B, features): what enters the last linear layer."""
        ...

    def score(self, inputs: Tensor) -> Tensor:
        """(B, channels, height, width) to (B, classes): log-odds of each class."""
        ...


class VolumeClassifier(Classifier, Protocol):
    """A trained classifier of volumes: a whole stack is one input.

    Its inputs are (B, channels, depth, height, width). It takes no planes: `prepare` says so in a
    sentence.
    """

    def prepare_volume(
        self, voxels: npt.NDArray[np.float32], affine_ras: npt.NDArray[np.float64]
    ) -> Prepared:
        """Make the network's input of a volume.

        Parameters
        ----------
        voxels
            (i, j, k), in the modality's own values, on the axes of the file.
        affine_ras
            (4, 4) index (i, j, k) to RAS mm.
        """
        ...


def takes_volumes(classifier: Classifier) -> TypeGuard[VolumeClassifier]:
    """Whether a classifier is one of volumes."""
    return hasattr(classifier, "prepare_volume")


def labels_sentence(labels: Sequence[str]) -> str:
    """List labels for an error message; of many the first ones, and how many more."""
    listed = ", ".join(f'"{label}"' for label in labels[:MOST_NAMED])
    more = len(labels) - MOST_NAMED
    return f"{listed} and {more} more" if more > 0 else listed
