"""RELAX: what an embedding depends on, and how sure that is (Wickstrøm et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcontour.benchmark.methods.base import FORWARD, Attribution, Method, held
from medcontour.benchmark.methods.covering import random_masks
from medcontour.benchmark.methods.feature_layer import check_layer
from medcontour.errors import MedcontourError

__all__ = ["Relax", "embedding"]

Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Relax(Method):
    """Importance for the image's embedding: random masks weighted by the likeness they leave.

    The masks are RISE's, and what they cover is set to zero; the likeness s of a mask is the
    cosine between the embeddings of the masked and of the whole image. The importance of a pixel
    is the mean of s over the masks M that show it, ``sum(s M) / sum(M)``, and its uncertainty the
    variance of s over them, ``sum((s - importance)^2 M) / sum(M)`` (the published one-pass
    estimates). The map is the importance. No class has a part in it. Each mask, and the image
    itself, is one image forward: a quarter of an evaluation.

    Attributes
    ----------
    masks
        How many. The publication takes 3000; fewer leave more noise in the map.
    cells, heads
        Cells of the coarse grid along each side, and the share of them that is kept.
    layer
        Name of the module whose input is the embedding; None chooses it (see `embedding`).
    seed
        Of the masks, which are the same for all images.
    """

    masks: int = 1000
    cells: int = 8
    heads: float = 0.5
    layer: str | None = None
    seed: int = 0

    name = "relax"

    def importance_and_uncertainty(self, model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give both maps.

        Parameters
        ----------
        model
            Left as it came (see `held`).
        images
            (B, C, H, W), as the network takes them.

        Returns
        -------
        tuple of Tensor
            (B, 1, H, W) each: a mean cosine in -1 to 1, and its variance over the masks.

        Raises
        ------
        MedcontourError
            For a network without an embedding.

        Examples
        --------
        >>> network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16, 2))
        >>> relax = Relax(masks=10)
        >>> importance, uncertainty = relax.importance_and_uncertainty(
        ...     network, torch.ones(1, 1, 32, 32)
        ... )
        >>> importance.shape, bool((uncertainty >= 0).all())
        (torch.Size([1, 1, 32, 32]), True)
        """
        with held(model, images), torch.no_grad():
            embed = embedding(model, images, self.layer)
            own = embed(images)
            shown = images.new_zeros(1, 1, *images.shape[2:])
            total = images.new_zeros(len(images), 1, *images.shape[2:])
            drawn: list[Tensor] = []  # likenesses (B, some) by the masks of one go
            for mask in self._masks(images):
                left = [
                    torch.cosine_similarity(embed(image * mask), one.unsqueeze(0))
                    for image, one in zip(images, own, strict=True)
                ]
                drawn.append(torch.stack(left))
                shown += mask.sum(0)
                total += torch.einsum("bn,nchw->bchw", drawn[-1], mask)
            shown = shown.clamp_min(torch.finfo(shown.dtype).tiny)
            importance = total / shown
            spread = torch.zeros_like(total)
            for mask, left_of in zip(self._masks(images), drawn, strict=True):
                for like, where in zip(left_of.T, mask, strict=True):
                    spread += (like.view(-1, 1, 1, 1) - importance).square() * where
            return importance, spread / shown

    def _masks(self, images: Tensor) -> Iterator[Tensor]:
        extent = (images.shape[-2], images.shape[-1])
        for mask in random_masks(self.masks, extent, self.cells, self.heads, self.seed):
            yield mask.to(images)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        importance, _ = self.importance_and_uncertainty(model, images)
        spent = FORWARD * (self.masks + 1)
        return Attribution(
            importance.float(), torch.full((len(images),), spent, device=images.device)
        )


def embedding(model: nn.Module, images: Tensor, layer: str | None = None) -> Embed:
    """Find what of a network is the embedding of an image.

    A network's own ``image_embedding`` where it has one, as embeddings have in the tables;
    otherwise the input of the last linear layer that takes one vector an image, in the order in
    which they run (of a classifier, its features before the head); without such a layer what the
    network gives.

    Parameters
    ----------
    model
        Held (see `held`).
    images
        (B, C, H, W); the first is looked at.
    layer
        Name of the module whose input is to be taken instead.

    Returns
    -------
    callable
        From (B, C, H, W) to (B, features).

    Raises
    ------
    MedcontourError
        For no layer of that name, one that takes anything but one vector an image, or a network
        whose embedding would be a single number.
    """
    own = getattr(model, "image_embedding", None)
    if layer is None and callable(own):
        return lambda inputs: own(inputs).reshape(len(inputs), -1)
    check_layer(layer, model)
    modules = dict(model.named_modules())
    heads = {
        name: module
        for name, module in modules.items()
        if (name == layer if layer is not None else isinstance(module, nn.Linear))
    }
    met: list[str] = []
    with _inputs_of(heads, lambda name, given: met.append(name) if given.ndim == 2 else None):
        outputs = model(images[:1]).reshape(1, -1)
    if layer is not None and not met:
        raise MedcontourError(
            f'The layer "{layer}" does not take one vector an image; name another layer.'
        )
    if not met:
        if outputs.shape[1] < 2:
            raise MedcontourError(
                "RELAX finds no embedding in the network, which shows none of its layers and gives "
                "a single number; give a network of PyTorch modules."
            )
        return lambda inputs: model(inputs).reshape(len(inputs), -1)
    head = met[-1]

    def embed(inputs: Tensor) -> Tensor:
        given: list[Tensor] = []
        with _inputs_of({head: modules[head]}, lambda name, one: given.append(one)):
            model(inputs)
        return given[-1]

    return embed


@contextmanager
def _inputs_of(
    modules: dict[str, nn.Module], seen: Callable[[str, Tensor], object]
) -> Iterator[None]:
    """Have modules tell by their names the tensors that they take."""

    def hook(name: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
        def tell(module: nn.Module, inputs: tuple[object, ...]) -> None:
            if inputs and isinstance(inputs[0], Tensor):
                seen(name, inputs[0])

        return tell

    handles = [one.register_forward_pre_hook(hook(name)) for name, one in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
