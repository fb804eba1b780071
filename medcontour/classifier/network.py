"""Any PyTorch network as a `Classifier`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medcontour.classifier.channels import (
    Way,
    prepared_ways,
    refuse_channels,
    refuse_unbatched_volumes,
    refuse_volumes,
)
from medcontour.classifier.monai_transforms import MonaiTransforms
from medcontour.classifier.outputs import at, columns_at
from medcontour.classifier.photo_input import PhotoInput
from medcontour.classifier.picture_transform import PictureTransform, is_picture_transform
from medcontour.classifier.probe import Behaviour, probe
from medcontour.classifier.protocol import Gives, Prepared, labels_sentence
from medcontour.classifier.weights import state_sha256
from medcontour.errors import MedcontourError
from medcontour.frozen import frozen
from medcontour.log_odds import log_odds

__all__ = ["NetworkClassifier", "preparation_of"]

Preparation = MonaiTransforms | PhotoInput | PictureTransform


def preparation_of(preprocessing: Callable[..., Any]) -> Preparation:
    """Take MONAI transforms, a `PhotoInput`, torchvision's or timm's transforms, or a callable."""
    if isinstance(preprocessing, (MonaiTransforms, PhotoInput, PictureTransform)):
        return preprocessing
    if is_picture_transform(preprocessing):
        return PictureTransform(preprocessing)
    return MonaiTransforms(preprocessing)


class NetworkClassifier:
    """A PyTorch network with its labels and its preprocessing.

    What the network takes and gives is found out when it is first asked: how many channels,
    whether it takes several planes at once, which of its outputs are the classes', whether they
    are logits or probabilities. `embed` and `score` run the network in evaluation mode and
    without gradients for its parameters, and leave it in the modes in which they found it;
    gradients flow to the inputs.

    Parameters
    ----------
    network
        Takes (B, channels, height, width), gives (B, classes), by itself or somewhere in a tuple,
        list, mapping or dataclass. It must stand on `device`.
    labels
        Names of the classes, in the order of the outputs. Empty only for ``"embedding"``.
    preprocessing
        MONAI transforms or any callable (see `MonaiTransforms`), a `PhotoInput`, or transforms
        of torchvision or timm (see `PictureTransform`).
    outputs
        What the network gives: logits of exclusive classes (``"softmax"``), logits of classes
        that do not exclude each other, or of a single one (``"sigmoid"``), probabilities of
        either kind, or an ``"embedding"``, which has no classes. None: found out; what is no
        probability is a logit, of exclusive classes where there are several.
    name
        What people call it.
    device
        Where the network stands.
    notes
        Plain sentences that a reader of a result should know.
    folder
        Where it was loaded from, for a bundle: a calibration may lie there.

    Examples
    --------
    >>> import torch
    >>> from monai.networks.nets import DenseNet
    >>> from monai.transforms import Compose, EnsureChannelFirst, Resize
    >>> network = DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1))
    >>> classifier = NetworkClassifier(
    ...     network,
    ...     labels=["no lesion", "lesion"],
    ...     preprocessing=Compose([EnsureChannelFirst(), Resize((64, 64))]),
    ... )
    >>> plane = torch.rand(50, 80).numpy()
    >>> prepared = classifier.prepare(plane, pixel_spacing=(0.5, 0.5))
    >>> classifier.score(prepared.tensor[None]).shape
    torch.Size([1, 2])
    """

    def __init__(
        self,
        network: nn.Module,
        labels: Sequence[str],
        *,
        preprocessing: Callable[..., Any],
        outputs: Gives | None = None,
        name: str = "network",
        device: torch.device | str = "cpu",
        notes: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        self._network = network
        self._labels = tuple(str(label) for label in labels)
        self._preparation = preparation_of(preprocessing)
        self._stated = outputs
        self._name = name
        self._device = torch.device(device)
        self._notes = tuple(notes)
        self._folder = folder
        self._ways: dict[int, Way] = {}
        self._found: Behaviour | None = None
        if outputs == "embedding":
            return
        if len({label.casefold() for label in self._labels}) < max(1, len(self._labels)):
            raise MedcontourError(
                f"The labels of {name} ({labels_sentence(self._labels) or 'none given'}) must be "
                "at least one and differ from each other; name each class once."
            )
        if outputs == "softmax" and len(self._labels) == 1:
            raise MedcontourError(
                f'{name} has the single label "{self._labels[0]}", which a softmax cannot score; '
                'give outputs="sigmoid", or both labels.'
            )

    def __repr__(self) -> str:
        return f"<Classifier {self._name}: {labels_sentence(self._labels) or 'an embedding'}>"

    @property
    def name(self) -> str:
        """What people call it."""
        return self._name

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores; none of an embedding."""
        return self._labels

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self._network

    @property
    def folder(self) -> Path | None:
        """Where it was loaded from; None where that is no folder."""
        return self._folder

    @property
    def preprocessing(self) -> Preparation:
        """What makes the network's input of a plane, apart from the network's channels."""
        return self._preparation

    @property
    def device(self) -> torch.device:
        """Where the network stands."""
        return self._device

    @property
    def outputs(self) -> Gives:
        """What the network gives; as stated, until it has been asked for the first time."""
        if self._stated is not None:
            return self._stated
        if self._found is not None and self._found.probabilities:
            return "probabilities"
        return "sigmoid" if len(self._labels) == 1 else "softmax"

    @property
    def gives_columns(self) -> bool:
        """Whether the network by itself gives (B, classes) for any number of planes."""
        return self._found is not None and not self._found.place and not self._found.one_by_one

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences that a reader of a result should know."""
        return self._notes + (self._found.notes if self._found else ())

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the weights as they are now, as hexadecimal digits.

        It is taken over the state dict in the order of its names: name, dtype, shape and bytes of
        each tensor. The file that the weights came from does not matter.
        """
        return state_sha256(self._network.state_dict())

    def prepare(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
    ) -> Prepared:
        """Make the network's input of a plane.

        The preprocessing gets the plane as the file holds it. What it gives goes to the network
        as it is; where the network takes three channels for the one of a grey plane, that one is
        repeated, and a preprocessing that takes colour alone gets the grey plane as a file of
        three equal channels. Nothing else is made up.

        Parameters
        ----------
        plane
            (rows, columns) or (rows, columns, 3), in the modality's own values.
        pixel_spacing
            Millimetres between rows, then between columns.

        Raises
        ------
        MedcontourError
            When the preprocessing does not say where the pixels went or gives values that are
            not finite, or when the channels or the size do not fit the network, or the network
            takes volumes.
        """
        way = self._ways.get(plane.ndim)
        if way is not None:
            return way(self._preparation, plane, pixel_spacing)
        refuse_volumes(self._network, self._name)
        refused: MedcontourError | None = None
        offered: Prepared | None = None
        for way, made in prepared_ways(self._preparation, plane, pixel_spacing):
            if isinstance(made, MedcontourError):
                refused = refused or made
                continue
            offered = offered or made
            if self._takes(made.tensor[None]):
                refuse_unbatched_volumes(self._takes, made.tensor, self._name)
                self._ways[plane.ndim] = way
                self._found = self._found or self._probed(made.tensor)
                return made
        if offered is None:
            assert refused is not None
            raise refused
        refuse_channels(self._takes, offered.tensor, plane.ndim == 3, self._name)
        self._ask(offered.tensor[None])  # says what is wrong
        raise AssertionError("a network that refused a plane took it")

    def embed(self, inputs: Tensor) -> Tensor:
        """Give the features that enter the last linear layer.

        They are the input of the last ``nn.Linear`` that ran, caught by a hook that is there only
        during the call. Where that layer does not give the classes, where there is none (a last
        1 x 1 convolution, say) and for TorchScript, they are the network's flattened output; so
        they are for an ``"embedding"``.

        Parameters
        ----------
        inputs
            (B, channels, height, width).

        Returns
        -------
        Tensor
            (B, features), float32, on the device of `inputs`, with gradients to them.
        """
        behaviour = self._behaviour(inputs[0])
        entering: list[Tensor] = []

        def keep(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            if isinstance(module, nn.Linear) and module.out_features == len(self._labels):
                entering[:] = arguments[:1]
            else:
                entering.clear()

        hooks = [
            module.register_forward_pre_hook(keep)
            for module in self._network.modules()
            if isinstance(module, nn.Linear)
        ]
        features = []
        try:
            for planes in behaviour.batches(inputs):
                output = self._columns(planes, behaviour)
                features.append((entering[0] if entering else output).flatten(1))
        finally:
            for hook in hooks:
                hook.remove()
        return torch.cat(features).float().to(inputs.device)

    def score(self, inputs: Tensor) -> Tensor:
        """Give the log-odds of each class against the rest: see `medcontour.log_odds`.

        Parameters
        ----------
        inputs
            (B, channels, height, width).

        Returns
        -------
        Tensor
            (B, classes), float32, on the device of `inputs`, with gradients to them.

        Raises
        ------
        MedcontourError
            When the network does not take such inputs, gives another number of classes than
            there are labels, or gives no finite score; of an embedding, which has no classes.
        """
        behaviour = self._behaviour(inputs[0])
        outputs = self.outputs
        if outputs == "embedding":
            raise MedcontourError(
                f"{self._name} has no classes, only an embedding; give a classifier."
            )
        given = torch.cat([self._columns(b, behaviour) for b in behaviour.batches(inputs)])
        given = given.float().to(inputs.device)
        if not torch.isfinite(given).all():
            raise MedcontourError(
                f"{self._name} gives no probability for this input: its outputs are not finite; "
                "check its weights and its preprocessing."
            )
        if outputs == "probabilities" and (given.min() < -1e-6 or given.max() > 1 + 1e-6):
            raise MedcontourError(
                f"{self._name} gives values outside 0..1, which are no probabilities; load it "
                'with outputs="softmax" or outputs="sigmoid".'
            )
        return log_odds(given, outputs)

    def _takes(self, inputs: Tensor) -> bool:
        try:
            with torch.no_grad():
                self._ask(inputs)
        except MedcontourError:
            return False
        return True

    def _behaviour(self, plane: Tensor) -> Behaviour:
        self._found = self._found or self._probed(plane)
        if self._found is None:
            with torch.no_grad():
                raise self._misfit(self._ask(plane[None]), 1)
        return self._found

    def _probed(self, plane: Tensor) -> Behaviour | None:
        return probe(self._ask, plane, len(self._labels) or None, self._name, stated=self._stated)

    def _columns(self, planes: Tensor, behaviour: Behaviour) -> Tensor:
        given = self._ask(planes)
        columns = columns_at(at(given, behaviour.place), len(planes))
        if columns is None or columns.shape[1] != (len(self._labels) or columns.shape[1]):
            raise self._misfit(given, len(planes))
        return columns

    def _misfit(self, given: Any, planes: int) -> MedcontourError:
        tensor = given if isinstance(given, Tensor) else None
        if tensor is None or tensor.ndim < 2:
            return MedcontourError(
                f"{self._name} gives no tensor of (planes, classes) with {len(self._labels)} "
                "column(s), one for each label; wrap the network so that it does."
            )
        return MedcontourError(
            f"{self._name} gives outputs of shape {tuple(tensor.shape)} for {planes} "
            f"plane(s), but has {len(self._labels)} label(s) "
            f"({labels_sentence(self._labels)}); give one label per output of the network."
        )

    def _ask(self, inputs: Tensor) -> Any:
        """Run the network as it is; whatever it gives."""
        parameter = next((p for p in self._network.parameters() if p.is_floating_point()), None)
        dtype = torch.float32 if parameter is None else parameter.dtype
        with frozen(self._network):
            try:
                return self._network(inputs.to(self._device, dtype))
            except torch.cuda.OutOfMemoryError:
                raise
            except Exception as error:  # a network is anybody's code
                lines = [line for line in str(error).splitlines() if line.strip()]
                raise MedcontourError(
                    f"{self._name} does not take an input of shape {tuple(inputs.shape)} "
                    f"({lines[-1].strip().rstrip('.') if lines else type(error).__name__}); let "
                    "the preprocessing give the channels and the size that the network was "
                    "trained with."
                ) from error
