"""Whether the network agrees with a map: its score as pixels appear or go, best first."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from medcontour.benchmark.metrics.place import flat
from medcontour.benchmark.metrics.score import Baseline, Score, check, filled, parts, scores
from medcontour.errors import MedcontourError

__all__ = ["deletion_auc", "insertion_auc"]


def insertion_auc(
    score: Score,
    images: Tensor,
    maps: Tensor,
    *,
    steps: int = 50,
    baseline: Baseline = 0.0,
    batch: int = 32,
) -> Tensor:
    """Area under the score as pixels appear on the baseline, the most relevant first.

    Petsiuk et al. (2018), who start from a blurred image (``baseline=BACKGROUNDS["blur"]``).
    Higher is better. `deletion_auc` says how steps and ties count.

    Parameters
    ----------
    score
        What the map explains; a probability where values are to lie in 0 to 1. It is run without
        gradients.
    images
        (B, C, *spatial).
    maps
        (B, *spatial), signs included: the lowest value appears last.
    steps
        Parts of the image, of equal size, that appear one after the other.
    baseline
        A number, what broadcasts to the images, or a background: images to images.
    batch
        Changed images scored at once.

    Returns
    -------
    Tensor
        (B,) float64 in units of the score: its mean over the part of the image that is there.

    Raises
    ------
    MedcontourError
        Shapes that do not belong together, no steps, or scores that are not one finite number an
        input.

    Examples
    --------
    >>> score = lambda inputs, which: inputs.mean((1, 2, 3))
    >>> images = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    >>> insertion_auc(score, images, images[:, 0], steps=4)  # 1/4 from the first pixel on
    tensor([0.2188], dtype=torch.float64)
    """
    return _area(score, images, filled(images, baseline), maps, steps, batch)


def deletion_auc(
    score: Score,
    images: Tensor,
    maps: Tensor,
    *,
    steps: int = 50,
    baseline: Baseline = 0.0,
    batch: int = 32,
) -> Tensor:
    """Area under the score as pixels go to the baseline, the most relevant first.

    Petsiuk et al. (2018), who put zero in their place. Lower is better.

    After each step the score is a point of the curve, and the area is that of straight lines
    between the points, over an image of size 1. Pixels with equal values go together: where a step
    would part them, the points before and after all of them are taken in its place. So no order
    among them is invented; for a score that is linear in the image this is the expected curve under
    a random order. (Between the two ends the curve of a network may well bend: a map with few
    levels is judged at few points.) A binary map costs three scores an image whatever the steps.

    Parameters
    ----------
    score
        What the map explains; a probability where values are to lie in 0 to 1. It is run without
        gradients.
    images
        (B, C, *spatial).
    maps
        (B, *spatial), signs included: the lowest value goes last.
    steps
        Parts of the image, of equal size, that go one after the other.
    baseline
        A number, what broadcasts to the images, or a background: images to images.
    batch
        Changed images scored at once.

    Returns
    -------
    Tensor
        (B,) float64 in units of the score: its mean over the part of the image that is gone.

    Raises
    ------
    MedcontourError
        Shapes that do not belong together, no steps, or scores that are not one finite number an
        input.

    Examples
    --------
    >>> score = lambda inputs, which: inputs.mean((1, 2, 3))
    >>> images = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    >>> deletion_auc(score, images, images[:, 0], steps=4)  # 0 from the first pixel on
    tensor([0.0312], dtype=torch.float64)
    """
    return _area(score, filled(images, baseline), images, maps, steps, batch)


def _area(score: Score, top: Tensor, rest: Tensor, maps: Tensor, steps: int, batch: int) -> Tensor:
    """(B,) area under the score of `top` in the most relevant pixels and `rest` in the others."""
    check(rest, maps)
    if steps < 1:
        raise MedcontourError(f"{steps} steps give no curve; give steps of 1 or more.")
    values = flat(maps).to(rest.device)
    count, pixels = values.shape
    # Largest first; equal values have the place of the first of them.
    falling = (-values).sort(1).values
    place = torch.searchsorted(falling, -values)
    wanted = torch.arange(steps + 1, device=values.device) * pixels // steps
    last = falling.gather(1, (wanted - 1).clamp_min(0).expand(count, -1))
    before = torch.searchsorted(falling, last)
    after = torch.where(wanted > 0, torch.searchsorted(falling, last, right=True), 0)
    before = torch.where(after == wanted, after, before)
    points = torch.cat([before, after], 1).sort(1).values

    rows = torch.arange(count, device=values.device).unsqueeze(1)
    states, back = torch.unique(rows * (pixels + 1) + points, return_inverse=True)

    def changed() -> Iterator[tuple[Tensor, Tensor]]:
        for part in parts(states, batch):
            which, taken = part // (pixels + 1), part % (pixels + 1)
            shown = place[which] < taken.unsqueeze(1)
            shown = shown.view(-1, 1, *rest.shape[2:])
            yield torch.where(shown, top[which], rest[which]), which

    curve = scores(score, changed())[back]
    return torch.trapezoid(curve, points.double() / pixels, dim=1)
