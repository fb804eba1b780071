"""Methods by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from medcontour.benchmark.methods.activation import LayerCam, ScoreCam
from medcontour.benchmark.methods.amortised import AmortisedContour
from medcontour.benchmark.methods.attention import AttentionRollout
from medcontour.benchmark.methods.base import Method
from medcontour.benchmark.methods.contours import ExtremalContour, RandomContour
from medcontour.benchmark.methods.covering import Occlusion, Rise
from medcontour.benchmark.methods.extremal import ExtremalPerturbations
from medcontour.benchmark.methods.grad_cam import GradCamPlusPlus
from medcontour.benchmark.methods.gradients import GradientShap, IntegratedGradients
from medcontour.benchmark.methods.iba import Iba
from medcontour.benchmark.methods.implicit import ImplicitMask
from medcontour.benchmark.methods.meaningful import MeaningfulPerturbations
from medcontour.benchmark.methods.names import METHODS
from medcontour.benchmark.methods.neural import NeuralMask
from medcontour.benchmark.methods.relax import Relax
from medcontour.benchmark.methods.smooth_mask import SmoothMask
from medcontour.errors import MedcontourError
from medcontour.log_odds import Outputs

__all__ = ["method_named"]

_MADE: dict[str, Callable[[ExtremalContour], Method]] = {
    "extremal-contour": lambda own: own,
    "extremal-contour-paper": lambda own: ExtremalContour(
        "paper", outputs=own.outputs, seed=own.seed
    ),
    "gradient-shap": lambda own: GradientShap(seed=own.seed),
    "integrated-gradients": lambda own: IntegratedGradients(seed=own.seed),
    "grad-cam++": lambda own: GradCamPlusPlus(seed=own.seed),
    "smooth-mask": lambda own: SmoothMask(seed=own.seed),
    "rise": lambda own: Rise(outputs=own.outputs, seed=own.seed),
    "occlusion": lambda own: Occlusion(seed=own.seed),
    "random": lambda own: RandomContour(seed=own.seed, like=own),
    "layercam": lambda own: LayerCam(seed=own.seed),
    "score-cam": lambda own: ScoreCam(seed=own.seed),
    "meaningful-perturbations": lambda own: MeaningfulPerturbations(
        outputs=own.outputs, seed=own.seed
    ),
    "extremal-perturbations": lambda own: ExtremalPerturbations(seed=own.seed),
    "relax": lambda own: Relax(seed=own.seed),
    "iba": lambda own: Iba(outputs=own.outputs, seed=own.seed),
    "attention-rollout": lambda own: AttentionRollout(seed=own.seed),
    "inr": lambda own: ImplicitMask(seed=own.seed),
    "nem-u": lambda own: NeuralMask(targeted=False, seed=own.seed),
    "nemt": lambda own: NeuralMask(seed=own.seed),
    "amortised-contour": lambda own: AmortisedContour(outputs=own.outputs, seed=own.seed),
}


def method_named(
    name: str,
    *,
    seed: int = 0,
    outputs: Outputs = "softmax",
    contour: ExtremalContour | None = None,
) -> Method:
    """Make a method with the settings it has in the tables.

    Other settings: make the class itself (`Rise(masks=4000)`).

    Parameters
    ----------
    name
        One of `METHODS`.
    seed
        Of what the method draws at random; others do not depend on it.
    outputs
        What the network gives, for the methods that need log-odds or probabilities.
    contour
        The fast preset's background and area weight; None: its defaults. The paper's preset has its
        own (blur, Eq. 8).

    Raises
    ------
    MedcontourError
        For another name.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    >>> images = torch.zeros(1, 1, 32, 32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> found = method_named("rise", seed=1)(model, images, torch.tensor([6]))
    >>> found.maps.shape, found.evaluations
    (torch.Size([1, 1, 32, 32]), tensor([250.]))
    """
    if name not in _MADE:
        raise MedcontourError(f'There is no method "{name}"; choose from {", ".join(METHODS)}.')
    return _MADE[name](replace(contour or ExtremalContour(), outputs=outputs, seed=seed))
