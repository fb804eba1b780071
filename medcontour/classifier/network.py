"""Any PyTorch network as a `Classifier`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medcontour.classifier.preprocessing import Preprocessing
from medcontour.classifier.protocol import Prepared, labels_sentence
from medcontour.errors import MedcontourError

__all__ = ["NetworkClassifier", "Outputs"]

Outputs = Literal["softmax", "sigmoid", "probabilities"]


class NetworkClassifier:
    """A PyTorch network with its labels and its preprocessing.

    `embed` and `score` run the network in evaluation mode and without gradients for its
    parameters, and leave it in the modes in which they found it; gradients flow to the inputs.

    Parameters
    ----------
    network
        Takes (B, channels, height, width), gives (B, classes), or a tuple, list or mapping whose
        first item, "logits" or "out" is that. It must stand on `device`.
    labels
        Names of the classes, in the order of the outputs.
    preprocessing
        MONAI transforms or any callable, see `Preprocessing`.
    outputs
        What the network gives: logits of exclusive classes (``"softmax"``), logits of classes
        that do not exclude each other, or of a single one (``"sigmoid"``), or probabilities of
        either kind. Probabilities saturate: beyond 1e-7 from 0 or 1 they have no gradient, so
        prefer a network without its last softmax.
    name
        What people call it.
    device
        Where the network stands.

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
        preprocessing: Callable[[Any], Any],
        outputs: Outputs = "softmax",
        name: str = "network",
        device: torch.device | str = "cpu",
    ) -> None:
        self._network = network
        self._labels = tuple(str(label) for label in labels)
        self._preprocessing = Preprocessing(preprocessing)
        self._outputs = outputs
        self._name = name
        self._device = torch.device(device)
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

    @property
    def name(self) -> str:
        """What people call it."""
        return self._name

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores."""
        return self._labels

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self._network

    @property
    def outputs(self) -> Outputs:
        """What the network gives."""
        return self._outputs

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the weights as they are now, as hexadecimal digits.

        It is taken over the state dict in the order of its names: name, dtype, shape and bytes of
        each tensor. The file that the weights came from does not matter.
        """
        digest = hashlib.sha256()
        for key, value in sorted(self._network.state_dict().items()):
            if isinstance(value, Tensor):
                tensor = value.detach().cpu().contiguous()
                digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def prepare(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
    ) -> Prepared:
        """Make the network's input of a plane.

        A grey plane is repeated to the channels of the network's first convolution.

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
            not finite, or when the channels do not fit the network.
        """
        prepared = self._preprocessing(plane, pixel_spacing)
        wanted = _first_channels(self._network)
        given = prepared.tensor.shape[0]
        if wanted is None or wanted == given:
            return prepared
        if given == 1:
            return Prepared(prepared.tensor.expand(wanted, -1, -1), prepared.index_from_input)
        raise MedcontourError(
            f"{self._name} takes {wanted} channel(s), but its preprocessing gives {given}; choose "
            "planes or a preprocessing with as many channels as the network takes."
        )

    def embed(self, inputs: Tensor) -> Tensor:
        """Give the features that enter the last linear layer.

        They are the input of the last ``nn.Linear`` that ran, caught by a hook that is there only
        during the call. Where that layer does not give the classes, where there is none (a last
        1 x 1 convolution, say) and for TorchScript, they are the network's flattened output.

        Parameters
        ----------
        inputs
            (B, channels, height, width).

        Returns
        -------
        Tensor
            (B, features), float32, on the device of `inputs`, with gradients to them.
        """
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
        try:
            output = self._run(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        features = entering[0] if entering else output
        return features.flatten(1).float().to(inputs.device)

    def score(self, inputs: Tensor) -> Tensor:
        """Give the log-odds of each class.

        ``z_t - logsumexp(z_others)`` of softmax logits, the logits themselves for "sigmoid",
        ``log(p / (1 - p))`` of probabilities.

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
            there are labels, or gives no finite score.
        """
        given = self._run(inputs).float().to(inputs.device)
        if given.ndim == 4 and given.shape[2:] == (1, 1):
            given = given.flatten(1)
        if given.ndim != 2 or given.shape[1] != len(self._labels):
            raise MedcontourError(
                f"{self._name} gives outputs of shape {tuple(given.shape)} for {len(inputs)} "
                f"plane(s), but has {len(self._labels)} label(s) "
                f"({labels_sentence(self._labels)}); give one label per output of the network."
            )
        if not torch.isfinite(given).all():
            raise MedcontourError(
                f"{self._name} gives no probability for this input: its outputs are not finite; "
                "check its weights and its preprocessing."
            )
        if self._outputs == "softmax":
            return _log_odds(given)
        if self._outputs == "sigmoid":
            return given
        if given.min() < 0 or given.max() > 1:
            raise MedcontourError(
                f"{self._name} gives values outside 0..1, which are no probabilities; load it "
                'with outputs="softmax" or outputs="sigmoid".'
            )
        return torch.logit(given, eps=torch.finfo(torch.float32).eps)

    def _run(self, inputs: Tensor) -> Tensor:
        parameter = next((p for p in self._network.parameters() if p.is_floating_point()), None)
        dtype = torch.float32 if parameter is None else parameter.dtype
        with _frozen(self._network):
            try:
                output = self._network(inputs.to(self._device, dtype))
            except torch.cuda.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
                lines = [line for line in str(error).splitlines() if line.strip()]
                raise MedcontourError(
                    f"{self._name} does not take an input of shape {tuple(inputs.shape)} "
                    f"({lines[-1].strip().rstrip('.') if lines else type(error).__name__}); let "
                    "the preprocessing give the channels and the size that the network was "
                    "trained with."
                ) from error
        return self._first_tensor(output)

    def _first_tensor(self, output: Any) -> Tensor:
        if isinstance(output, Mapping):
            output = next((output[key] for key in ("logits", "out") if key in output), output)
        while isinstance(output, (tuple, list, Mapping)) and output:
            output = next(iter(output.values() if isinstance(output, Mapping) else output))
        if not isinstance(output, Tensor) or output.ndim < 2:
            raise MedcontourError(
                f"{self._name} gives no tensor of (planes, classes); wrap the network so that it "
                "does."
            )
        return output


def _log_odds(logits: Tensor) -> Tensor:
    """Log-odds of each class under a softmax, without cancellation near 0 and 1.

    ``log(1 - p)`` cancels only where p is near 1, that is, for the largest logit: there the
    others are summed without it.
    """
    top = torch.zeros_like(logits, dtype=torch.bool).scatter(
        1, logits.argmax(1, keepdim=True), True
    )
    total = logits.logsumexp(1, keepdim=True)
    probability = (logits - total).exp().masked_fill(top, 0)
    others = total + torch.log1p(-probability)
    others_of_top = logits.masked_fill(top, -torch.inf).logsumexp(1, keepdim=True)
    return logits - torch.where(top, others_of_top, others)


def _first_channels(network: nn.Module) -> int | None:
    """Count the channels that the first 2D convolution takes; None where there is none."""
    for module in network.modules():
        # TorchScript keeps only the name of a module's class.
        if isinstance(module, nn.Conv2d) or getattr(module, "original_name", "") == "Conv2d":
            weight: Any = module.weight
            return int(weight.shape[1]) * int(getattr(module, "groups", 1))
    return None


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Hold the network in evaluation mode without gradients for its parameters."""
    training = [module for module in network.modules() if getattr(module, "training", False)]
    wanting = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        for module in training:
            module.training = False
        for parameter in wanting:
            parameter.requires_grad_(False)
        yield
    finally:
        for module in training:
            module.training = True
        for parameter in wanting:
            parameter.requires_grad_(True)
