"""Extremal contours of any network on image tensors, in captum's manner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from medcontour.errors import MedcontourError
from medcontour.explain.background import BACKGROUNDS, Background
from medcontour.explain.objective import EmbeddingObjective, Objective, TargetObjective
from medcontour.explain.optimise import PRESETS, Fit, optimise
from medcontour.explain.perturbation import SHARP, Perturbation

__all__ = ["ExtremalContours"]


class ExtremalContours:
    """Star-convex extremal contours (Karimzadeh et al., NLDL 2026).

    Parameters
    ----------
    model
        (B, C, H, W) to (B, features): logits where a target class is asked for, an embedding
        (usually the backbone without its last layer) where none is. A network's modes and
        ``requires_grad`` are left as they were.
    preset
        ``"fast"`` or ``"paper"``.
    background
        One of `BACKGROUNDS` by name, or any callable from (B, C, H, W) images to their
        backgrounds, such as `GaussianBackground` with a width in millimetres.
    area_weight
        lambda_a of Eq. 5 for the fast preset: 1 suits photographs, whose objects fill much of the
        image; small lesions take more. The paper's preset follows Eq. 8 instead.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    >>> images = torch.zeros(1, 1, 32, 32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> maps = ExtremalContours(model, background="mean").attribute(images, target=6)
    >>> maps.shape, bool(maps[0, 0, 12, 20] > 0.5), bool(maps[0, 0, 28, 4] < 0.5)
    (torch.Size([1, 1, 32, 32]), True, True)
    """

    def __init__(
        self,
        model: Callable[[Tensor], Tensor],
        *,
        preset: str = "fast",
        background: str | Background = "gaussian",
        area_weight: float = 1.0,
        pixel_spacing: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        if preset not in PRESETS:
            raise MedcontourError(f'There is no preset "{preset}"; choose from {list(PRESETS)}.')
        if isinstance(background, str):
            if background not in BACKGROUNDS:
                raise MedcontourError(
                    f'There is no background "{background}"; choose from {list(BACKGROUNDS)}.'
                )
            background = BACKGROUNDS[background]
        if min(pixel_spacing) <= 0:
            raise MedcontourError(
                f"a pixel spacing of {pixel_spacing} is not positive; give millimetres between "
                "rows and between columns."
            )
        self._model, self._preset, self._background = model, PRESETS[preset], background
        self._pixel_spacing = pixel_spacing
        if self._preset.area_weight is not None:
            self._preset = replace(self._preset, area_weight=area_weight)

    def fit(self, images: Tensor, target: int | None = None, *, area: float | None = None) -> Fit:
        """Optimise one contour an image.

        Parameters
        ----------
        images
            (B, C, H, W), as the model takes them.
        target
            The class whose logit is to be kept and taken away; None for the embedding (Eq. 6).
        area
            Fraction of the image to cover (Eq. 10).
        """
        images = images.detach()
        background = self._background(images)
        modes = _Frozen(self._model)
        with modes:
            objective: Objective
            if target is None:
                objective = EmbeddingObjective(
                    self._flat, images, background, normalise=self._preset.normalise
                )
            else:
                objective = TargetObjective(self._flat, images, background, target)
            perturbation = Perturbation.of_images(images, background, self._pixel_spacing)
            return optimise(perturbation, objective, self._preset, area=area)

    def attribute(
        self, inputs: Tensor, target: int | None = None, *, area: float | None = None
    ) -> Tensor:
        """Masks of the optimised contours at tau = 100.

        Returns
        -------
        Tensor
            (B, 1, H, W) in 0 to 1.
        """
        fit = self.fit(inputs, target, area=area)
        points = Perturbation.of_images(inputs, inputs, self._pixel_spacing).points
        return fit.contours.mask(points, SHARP).unsqueeze(1)

    def _flat(self, inputs: Tensor) -> Tensor:
        return self._model(inputs).flatten(1)


class _Frozen:
    """Hold a network in evaluation mode, its parameters without gradients, and restore both."""

    def __init__(self, model: Callable[[Tensor], Tensor]) -> None:
        network = model if isinstance(model, torch.nn.Module) else torch.nn.Module()
        self._modes = [(module, module.training) for module in network.modules()]
        self._parameters = [(p, p.requires_grad) for p in network.parameters()]

    def __enter__(self) -> None:
        for module, _ in self._modes:
            module.training = False
        for parameter, _ in self._parameters:
            parameter.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        for module, training in self._modes:
            module.training = training
        for parameter, needed in self._parameters:
            parameter.requires_grad_(needed)
