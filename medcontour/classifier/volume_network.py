"""Any PyTorch network of volumes as a classifier: a whole stack is one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medcontour.classifier.channels import COLOURS, refuse_channels, volumes_refused
from medcontour.classifier.monai_transforms import MonaiTransforms
from medcontour.classifier.network import NetworkClassifier
from medcontour.classifier.protocol import Prepared
from medcontour.classifier.volume_memory import kept_bytes
from medcontour.errors import MedcontourError
from medcontour.limits import check_memory

__all__ = ["SliceNetwork", "VolumeNetwork"]

_STEP = 24
"""Bytes that a voxel takes while the preprocessing's steps copy it."""

_SEARCH = 800
"""Bytes that a voxel of the input takes while a surface is looked for, the network left out."""


class VolumeNetwork(NetworkClassifier):
    """A PyTorch network of volumes with its labels and its preprocessing.

    As `NetworkClassifier`, of (B, channels, depth, height, width). It takes no planes.

    Examples
    --------
    >>> from monai.networks.nets import DenseNet
    >>> from medcontour.classifier.monai_transforms import default_transforms
    >>> network = DenseNet(3, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1))
    >>> classifier = VolumeNetwork(
    ...     network, labels=["no lesion", "lesion"], preprocessing=default_transforms(3)
    ... )
    >>> prepared = classifier.prepare_volume(np.ones((40, 48, 16), np.float32), np.eye(4))
    >>> prepared.tensor.shape, classifier.score(prepared.tensor[None]).shape
    (torch.Size([1, 16, 48, 40]), torch.Size([1, 2]))
    """

    def prepare(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
    ) -> Prepared:
        """Refuse a plane.

        Raises
        ------
        MedcontourError
            Always.
        """
        raise volumes_refused(self.name)

    def prepare_volume(
        self, voxels: npt.NDArray[np.float32], affine_ras: npt.NDArray[np.float64]
    ) -> Prepared:
        """Make the network's input of a volume.

        The preprocessing gets the volume as ``LoadImage`` gives the file. What it gives goes to
        the network as it is; where the network takes three channels, the one is repeated.

        Parameters
        ----------
        voxels
            (i, j, k), in the modality's own values, on the axes of the file.
        affine_ras
            (4, 4) index (i, j, k) to RAS mm.

        Raises
        ------
        MedcontourError
            When the preprocessing is none of volumes, does not say where the voxels went or gives
            values that are not finite; when the channels or the size do not fit the network; when
            the search for a surface would take more than `medcontour.limits.memory_limit`, which is
            said before the network is run.
        """
        made = self._made(voxels, affine_ras)
        if self._takes_in_memory(made):
            return made
        if len(made.tensor) == 1:
            repeated = Prepared(made.tensor.expand(COLOURS, -1, -1, -1), made.index_from_input)
            if self._takes_in_memory(repeated):
                return repeated
        refuse_channels(self._takes, made.tensor, False, self.name)
        self._ask(made.tensor[None])  # says what is wrong
        raise AssertionError("a network that refused a volume took it")

    def _made(
        self, voxels: npt.NDArray[np.float32], affine_ras: npt.NDArray[np.float64]
    ) -> Prepared:
        preparation = self.preprocessing
        if not isinstance(preparation, MonaiTransforms):
            raise MedcontourError(
                f"{self.name} takes volumes, and its preprocessing is one of pictures; give "
                "MONAI's transforms of volumes, or any callable of (i, j, k) arrays."
            )
        size = " x ".join(map(str, voxels.shape))
        check_memory(
            _STEP * voxels.size,
            f"Preparing a volume of {size} voxels",
            "crop it or make it coarser",
        )
        return preparation.volume(voxels, affine_ras)

    def _takes_in_memory(self, made: Prepared) -> bool:
        """Whether the network takes an input, once it is known that memory holds it."""
        shape = made.tensor.shape
        kept = self._kept(shape) or 0
        size = " x ".join(map(str, shape[1:]))
        check_memory(
            kept + _SEARCH * math.prod(shape[1:]),
            f"Explaining {self.name} on a volume of {size} voxels",
            "let its preprocessing give a smaller one (Spacing, Resize, ResizeWithPadOrCrop)",
        )
        if not self._takes(made.tensor[None]):
            return False
        self._found = self._found or self._probed(made.tensor)
        return True

    def _kept(self, shape: Sequence[int]) -> int | None:
        return kept_bytes(self.network, shape)


class SliceNetwork(VolumeNetwork):
    """A PyTorch network that scores a stack from its slices: multiple instance learning.

    The network takes (B, slices, channels, height, width), as MONAI's ``MILModel`` does, and pools
    over the slices (attention, the maximum, the mean). Everything here speaks of volumes all the
    same: the preprocessing gives (channels, slices, height, width), and so do the inputs of `embed`
    and `score`; what is explained is the pooled score.

    Examples
    --------
    >>> from monai.networks.nets import MILModel
    >>> from torch import nn
    >>> from medcontour.classifier.monai_transforms import default_transforms
    >>> features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> network = MILModel(2, "max", backbone=features, backbone_num_features=4)
    >>> classifier = SliceNetwork(
    ...     network, labels=["no lesion", "lesion"], preprocessing=default_transforms(3)
    ... )
    >>> prepared = classifier.prepare_volume(np.ones((40, 48, 16), np.float32), np.eye(4))
    >>> prepared.tensor.shape, classifier.score(prepared.tensor[None]).shape
    (torch.Size([1, 16, 48, 40]), torch.Size([1, 2]))
    """

    def _ask(self, inputs: Tensor) -> Any:
        return super()._ask(inputs.transpose(1, 2))

    def _kept(self, shape: Sequence[int]) -> int | None:
        channels, slices, *plane = shape
        return kept_bytes(self.network, (slices, channels, *plane))
