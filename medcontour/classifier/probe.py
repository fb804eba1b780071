"""What a network takes and gives, found out by asking it once with one and with two planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from medcontour.classifier.outputs import Place, at, columns_at, places_of
from medcontour.classifier.protocol import Gives
from medcontour.errors import MedcontourError
from medcontour.log_odds import recognise

__all__ = ["Behaviour", "probe"]

_DIFFERENCE = 1e-2
"""Of logits, relative to the largest; what an order of additions changes is far below it."""


@dataclass(frozen=True)
class Behaviour:
    """How a network is to be asked.

    Attributes
    ----------
    place
        Where its classes stand in what it gives.
    one_by_one
        Whether planes go through it one by one.
    probabilities
        Whether it gives probabilities rather than logits.
    notes
        Plain sentences that a reader of a result should know.
    """

    place: Place
    one_by_one: bool
    probabilities: bool
    notes: tuple[str, ...]

    def batches(self, planes: Tensor) -> list[Tensor]:
        """Give planes (B, ...) in the batches in which they go through the network."""
        return _batches(planes, self.one_by_one)


def _batches(planes: Tensor, one_by_one: bool) -> list[Tensor]:
    return [planes[k : k + 1] for k in range(len(planes))] if one_by_one else [planes]


def probe(
    run: Callable[[Tensor], Any],
    plane: Tensor,
    classes: int | None,
    name: str,
    *,
    stated: Gives | None = None,
) -> Behaviour | None:
    """Ask a network about a plane, about another one, and about both together.

    Parameters
    ----------
    run
        (B, channels, ...) to whatever the network gives.
    plane
        (channels, ...), as the network takes it.
    classes
        How many columns it must give; None where there are no labels: as many as it gives.
    name
        What people call it.
    stated
        What is known of its outputs; None: found out.

    Returns
    -------
    Behaviour or None
        None where nothing that it gives has that many columns.

    Raises
    ------
    MedcontourError
        When it gives no gradient to its input, so that nothing it says can be explained.
    """
    first = plane.detach()[None]
    second = _another(first)
    alone = run(first)
    places = places_of(alone, 1, classes)
    if not places:
        return None
    notes = []
    if len(places) > 1:
        notes.append(
            f"{name} gives {len(places)} outputs with as many columns as it has classes; the one "
            f"at {_words(places[0])} is taken."
        )
    place = places[0]
    one_by_one, note = _must_go_alone(run, place, first, second)
    if note:
        notes.append(f"{name} {note}")

    def columns(planes: Tensor) -> Tensor:
        batches = _batches(planes, one_by_one)
        found = [columns_at(at(run(batch), place), len(batch)) for batch in batches]
        if any(one is None for one in found):
            raise ValueError("another shape")
        return torch.cat([one for one in found if one is not None])

    _check_gradient(columns, first, name)
    if stated is not None:
        return Behaviour(place, one_by_one, stated == "probabilities", tuple(notes))
    try:
        gives = recognise(columns, [first, second, 30 * second])
    except (MedcontourError, RuntimeError, ValueError):  # it does not take such values
        gives = recognise(columns, [first])
    if gives:
        notes.append(
            f"{name} gives probabilities (whatever it is shown, its outputs lie in 0..1); they "
            "are turned back into log-odds."
        )
    return Behaviour(place, one_by_one, gives, tuple(notes))


def _another(plane: Tensor) -> Tensor:
    """Give planes unlike the first: of both signs, and beyond its range."""
    chance = torch.Generator().manual_seed(0)
    noise = torch.randn(plane.shape, generator=chance).to(plane)
    spread = plane.std() if plane.numel() > 1 else torch.ones_like(plane).mean()
    return 3 * spread.clamp_min(1.0) * noise - plane.flip(-1)


def _must_go_alone(
    run: Callable[[Tensor], Any], place: Place, first: Tensor, second: Tensor
) -> tuple[bool, str]:
    """Whether two planes together give something else than each by itself, and what to say."""
    with torch.no_grad():
        alone = [columns_at(at(run(one), place), 1) for one in (first, second)]
        try:
            together = columns_at(at(run(torch.cat([first, second])), place), 2)
        except MedcontourError:
            together = None
    if together is None or any(one is None for one in alone):
        return True, ""
    apart = torch.cat([one for one in alone if one is not None])
    if together.shape != apart.shape:
        return True, ""
    largest = apart.abs().max().clamp_min(1.0)
    if bool(((together - apart).abs() > _DIFFERENCE * largest).any()):
        return True, (
            "gives a plane other scores when others are beside it; it is asked about one plane at "
            "a time."
        )
    return False, ""


def _check_gradient(columns: Callable[[Tensor], Tensor], plane: Tensor, name: str) -> None:
    with torch.inference_mode(False), torch.enable_grad():
        if columns(plane.clone().requires_grad_()).requires_grad:
            return
    raise MedcontourError(
        f"{name} gives no gradient to its input (it runs under torch.no_grad, or detaches what "
        "it gives), so that its scores cannot be explained; give the network without that."
    )


def _words(place: Place) -> str:
    return " ".join(f'"{key}"' if isinstance(key, str) else f"position {key}" for key in place)
