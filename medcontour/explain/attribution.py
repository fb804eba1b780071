"""Extremal contours of any network on image tensors, in captum's manner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

import torch
from torch import Tensor

from medcontour.errors import MedcontourError
from medcontour.explain.background import AUTOMATIC, BACKGROUNDS, mildest
from medcontour.explain.choices import (
    Background,
    BackgroundName,
    Precision,
    PresetName,
    with_defaults,
)
from medcontour.explain.images import check_fits, check_images, check_spacing
from medcontour.explain.objectives.objective import (
    EmbeddingObjective,
    Objective,
    TargetObjective,
    score_of_target,
)
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.search.optimise import Fit, optimise
from medcontour.explain.search.precision import InBFloat16
from medcontour.explain.search.preset import PRESETS
from medcontour.frozen import frozen
from medcontour.log_odds import Outputs, log_odds, recognise

__all__ = ["ExtremalContours", "ExtremalFit", "ObjectiveFactory", "Target"]

Target = int | Sequence[int] | Tensor
"""One class for all images, or one for each."""

ObjectiveFactory = Callable[[Tensor, Tensor], Objective]
"""From images and their backgrounds (B, C, H, W) to what similarity means."""


@dataclass(frozen=True, kw_only=True)
class ExtremalFit(Fit):
    """A `Fit`, and whether its background had anything to take away.

    Attributes
    ----------
    background
        (B, C, H, W): what replaced removed content.
    background_names
        Of each image; None for a background of one's own.
    original_score, background_score
        (B,) what the objective measures, of the original and of the background alone: cosines (1
        and ``c_b``, the collapse figure) for an embedding, log-odds for a class. Where the two
        are near each other, no contour can show anything: take a stronger background. None for
        an objective of your own that does not give them.
    """

    background: Tensor = field(repr=False)
    background_names: tuple[str, ...] | None
    original_score: Tensor | None
    background_score: Tensor | None


class ExtremalContours:
    """Star-convex extremal contours (Karimzadeh et al., NLDL 2026), and surfaces in volumes.

    Of an image one closed curve (`FourierContour`), of a volume one closed surface
    (`HarmonicSurface`): the same search, the same loss, with volume in the place of area.

    Used as captum's attributions are. What the network is left with is what it came with: modes,
    running statistics, ``requires_grad``, gradients, hooks; torch's random state too, whatever
    the network draws.

    Parameters
    ----------
    model
        (B, C, H, W), or (B, C, D, H, W) of volumes, to (B, classes) where a target class is
        explained, to an embedding (usually the backbone without its last layer) where none is.
    outputs
        What the model gives for its classes: ``"softmax"`` (logits of classes that exclude each
        other), ``"sigmoid"`` (logits of classes that do not, or of a single one) or
        ``"probabilities"``. None: found out by showing it the first image, and noise. What the
        contour keeps is in each case the log-odds of the target (see `medcontour.log_odds`).
    preset
        ``"fast"``, ``"thorough"`` or ``"paper"``.
    background
        The perturbation baseline: one of `BACKGROUNDS` by name, any callable from (B, C, H, W)
        images to their backgrounds, such as `GaussianBackground` with a width in millimetres, or
        ``"auto"``: for each image the mildest that takes the class away (of an embedding, the one
        that it is least alike; for an `objective` of one's own, ``"gaussian"``). None: auto; for
        the preset ``"paper"`` blur.
    area_weight
        What area costs, lambda_a of Eq. 5: with 10 a contour may grow by 1 % of the image for a
        tenth of the score. Of volumes it is the price of the share to the power 2/3. None: 10; the
        preset ``"paper"`` follows Eq. 8 and takes none.
    pixel_spacing
        Millimetres between rows, then between columns; of volumes between slices first. None: 1.
    objective
        Called with the images and their backgrounds to give what is to be kept and taken away,
        instead of a class or an embedding of `model`: a `BoxObjective`, a `RegionObjective`, a
        `CallableObjective`, or your own. `target` is then not asked for.
    precision
        ``"bfloat16"`` lets the search run the network in half precision, which is faster on some
        machines and networks and slower on others; what it finds is judged in float32, for half
        an evaluation more.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    >>> images = torch.zeros(1, 1, 32, 32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> maps = ExtremalContours(model, background="mean").attribute(images, target=6)
    >>> maps.shape, bool(maps[0, 0, 12, 20] > 0.5), bool(maps[0, 0, 28, 4] < 0.5)
    (torch.Size([1, 1, 32, 32]), True, True)

    Whatever gives one number an image can be explained:

    >>> from medcontour.explain import CallableObjective
    >>> brightness = lambda x: model(x)[:, 6]
    >>> explain = ExtremalContours(
    ...     model,
    ...     background="mean",
    ...     objective=lambda images, grounds: CallableObjective(brightness, images, grounds),
    ... )
    >>> bool(explain.attribute(images)[0, 0, 12, 20] > 0.5)
    True
    """

    def __init__(
        self,
        model: Callable[..., Any],
        *,
        outputs: Outputs | None = None,
        preset: PresetName = "fast",
        background: BackgroundName | Background | None = None,
        area_weight: float | None = None,
        pixel_spacing: Sequence[float] | None = None,
        objective: ObjectiveFactory | None = None,
        precision: Precision = "float32",
    ) -> None:
        if preset not in PRESETS:
            raise MedcontourError(f'There is no preset "{preset}"; choose from {list(PRESETS)}.')
        if precision not in get_args(Precision):
            raise MedcontourError(
                f'There is no precision "{precision}"; choose from {list(get_args(Precision))}.'
            )
        area_weight, background = with_defaults(preset, area_weight, background)
        if isinstance(background, str) and background not in get_args(BackgroundName):
            raise MedcontourError(
                f'There is no background "{background}"; choose from '
                f"{list(get_args(BackgroundName))}."
            )
        if pixel_spacing is not None:
            check_spacing(pixel_spacing)
        if outputs not in (None, *get_args(Outputs)):
            raise MedcontourError(
                f'There are no outputs "{outputs}"; choose from {list(get_args(Outputs))}.'
            )
        self._model, self._preset, self._background = model, PRESETS[preset], background
        self._outputs = outputs
        self._pixel_spacing, self._objective = pixel_spacing, objective
        self._precision = precision
        if area_weight is not None:
            self._preset = replace(self._preset, area_weight=area_weight)

    def fit(
        self,
        images: Tensor,
        target: Target | None = None,
        *,
        additional_forward_args: Any = None,
        area: float | None = None,
    ) -> ExtremalFit:
        """Optimise one contour an image.

        Parameters
        ----------
        images
            (B, C, H, W) or volumes (B, C, D, H, W), float32, as the model takes them; neither they
            nor their gradient are changed.
        target
            The class whose log-odds are to be kept and taken away, or one for each image; None for
            the embedding (Eq. 6), or where there is an `objective`.
        additional_forward_args
            What the model takes after the images: one thing or a tuple. Tensors whose first axis
            has the images' length go with their image; the rest is passed on as it is.
        area
            Fraction of the image, or of the volume, to cover (Eq. 10).

        Raises
        ------
        MedcontourError
            For inputs that are neither (B, C, H, W) nor (B, C, D, H, W), not float32 or not
            finite, a target or a pixel spacing that does not fit, or an area out of reach.
        """
        check_images(images)
        if self._pixel_spacing is not None:
            check_fits(self._pixel_spacing, images)
        if self._objective is not None and not (target is None and additional_forward_args is None):
            raise MedcontourError(
                "a target or additional_forward_args say nothing beside an objective; give "
                "them to the objective."
            )
        devices = [images.device] if images.device.type == "cuda" else []
        # The caller may stand under no_grad or inference_mode; the contour needs gradients.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.random.fork_rng(devices),
            frozen(self._model),
        ):
            images = images.detach().clone()
            model = _WithArguments(self._model, additional_forward_args, len(images))
            measured = model if target is None else self._log_odds(model, images)
            background, names, cost = self._backgrounds(images, measured, target)
            objective: Objective
            if self._objective is not None:
                objective = self._objective(images, background)
            elif target is None:
                objective = EmbeddingObjective(
                    model, images, background, normalise=self._preset.normalise
                )
            else:
                objective = TargetObjective(measured, images, background, target)
            perturbation = Perturbation.of_images(images, background, self._pixel_spacing)
            exact: Objective = _Following(objective, model)
            searched = InBFloat16(exact) if self._precision == "bfloat16" else exact
            fit = optimise(perturbation, searched, self._preset, area=area)
            if searched is not exact:
                everyone = torch.arange(len(images), device=images.device)
                preserved, deleted = perturbation.judge(exact, fit.contours, everyone)
                fit = replace(
                    fit, preserved=preserved, deleted=deleted, evaluations=fit.evaluations + 0.5
                )
        return ExtremalFit(
            **{part.name: getattr(fit, part.name) for part in fields(fit)}
            | {"evaluations": fit.evaluations + cost},
            background=background,
            background_names=names,
            original_score=getattr(objective, "original_score", None),
            background_score=getattr(objective, "background_score", None),
        )

    def _log_odds(self, model: _WithArguments, images: Tensor) -> Callable[[Tensor], Tensor]:
        """(M, C, H, W) to (M, classes)."""
        outputs = self._outputs or _outputs_of(model, images)
        return lambda inputs: log_odds(model(inputs), outputs)

    @torch.no_grad()
    def _backgrounds(
        self, images: Tensor, measured: Callable[[Tensor], Tensor], target: Target | None
    ) -> tuple[Tensor, tuple[str, ...] | None, float]:
        """Background of each image, its name, and what choosing it cost in evaluations."""
        chosen = self._background
        if callable(chosen):
            return chosen(images), None, 0.0
        if chosen == "auto" and self._objective is not None:
            chosen = "gaussian"
        if chosen != "auto":
            return BACKGROUNDS[chosen](images), (chosen,) * len(images), 0.0
        if target is None:
            own = measured(images)
            made, names = mildest(images, lambda x: torch.cosine_similarity(measured(x), own))
        else:
            score = score_of_target(measured, images, target)
            everyone = torch.arange(len(images), device=images.device)
            made, names = mildest(images, lambda x: score(x, everyone))
        return made, tuple(names), len(AUTOMATIC) / 4

    def attribute(
        self,
        inputs: Tensor,
        target: Target | None = None,
        additional_forward_args: Any = None,
        *,
        area: float | None = None,
    ) -> Tensor:
        """Masks of the optimised contours at tau = 100; parameters as in `fit`.

        Returns
        -------
        Tensor
            (B, 1, H, W) in 0 to 1, of volumes (B, 1, D, H, W).
        """
        fit = self.fit(inputs, target, additional_forward_args=additional_forward_args, area=area)
        points = Perturbation.of_images(inputs, inputs, self._pixel_spacing).points
        return fit.contours.mask(points, SHARP).unsqueeze(1)


def _outputs_of(model: _WithArguments, images: Tensor) -> Outputs:
    """Find out what a model gives, by the first image and by noise beyond its range."""
    model.which = torch.zeros(1, dtype=torch.long, device=images.device)
    first = images[:1]
    chance = torch.Generator().manual_seed(0)
    noise = torch.randn(first.shape, generator=chance).to(first)
    try:
        if recognise(model, [first, 3 * noise, 100 * noise]):
            return "probabilities"
        with torch.no_grad():
            return "sigmoid" if model(first).shape[1] == 1 else "softmax"
    finally:
        model.which = None


class _WithArguments:
    """A model with its additional arguments, each image's own beside it."""

    def __init__(self, model: Callable[..., Any], arguments: Any, count: int) -> None:
        self._model, self._count = model, count
        self._arguments: tuple[Any, ...] = (
            () if arguments is None else arguments if isinstance(arguments, tuple) else (arguments,)
        )
        # (M,) originals of the next images; None: all, in order, once or several times over.
        self.which: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        times = max(1, len(inputs) // self._count)
        arguments = [self._for_these(argument, times) for argument in self._arguments]
        outputs: Tensor = self._model(inputs, *arguments)
        return outputs.reshape(len(inputs), -1)

    def _for_these(self, argument: Any, times: int) -> Any:
        if not (isinstance(argument, Tensor) and argument.ndim and len(argument) == self._count):
            return argument
        return torch.cat([argument] * times) if self.which is None else argument[self.which]


@dataclass(frozen=True)
class _Following:
    """An objective that tells the model whose images it sees."""

    objective: Objective
    model: _WithArguments

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        self.model.which = which
        return self.objective.similarity(inputs, which)
