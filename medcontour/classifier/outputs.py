"""Which of a network's outputs are the classes'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor

__all__ = ["Place", "at", "columns_at", "places_of"]

Place = tuple[str | int, ...]
"""Keys and indices that lead from what a network gives to one tensor; () for a bare tensor."""

_USUAL = ("logits", "pred", "out", "output", "outputs", "prediction", "predictions", "scores")


@dataclass(frozen=True)
class _Found:
    place: Place
    tensor: Tensor


def places_of(given: Any, planes: int, classes: int | None) -> list[Place]:
    """Say where a network's outputs have a row a plane and a column a class.

    Parameters
    ----------
    given
        A tensor, or tuples, lists, mappings and dataclasses that hold tensors.
    planes
        How many went in.
    classes
        How many columns there must be; None where that is not known: those with the fewest.

    Returns
    -------
    list of Place
        The likeliest first: under one of the usual names, then in the order given.

    Examples
    --------
    >>> import torch
    >>> features, logits = torch.zeros(1, 64), torch.zeros(1, 2)
    >>> places_of((features, {"pred": logits}), 1, 2)
    [(1, 'pred')]
    """
    fitting = [
        (found, columns)
        for found in _tensors(given)
        if (columns := columns_at(found.tensor, planes)) is not None
        and classes in (None, columns.shape[1])
    ]
    if classes is None and fitting:
        fewest = min(columns.shape[1] for _, columns in fitting)
        fitting = [pair for pair in fitting if pair[1].shape[1] == fewest]
    places = [found.place for found, _ in fitting]
    return sorted(places, key=_rank)


def at(given: Any, place: Place) -> Any:
    """Give what stands at a place; None where nothing does."""
    for key in place:
        try:
            given = getattr(given, str(key)) if is_dataclass(given) else given[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            return None
    return given


def columns_at(tensor: Any, planes: int) -> Tensor | None:
    """Give a tensor as (planes, classes); None where it is not one number a plane and class.

    One class may come as (planes,), the classes of one plane as (classes,), and both with axes of
    length 1 after them.
    """
    if not isinstance(tensor, Tensor) or not tensor.numel() or not tensor.is_floating_point():
        return None
    shape = [length for length in tensor.shape if length != 1]
    if len(shape) > 1 + (planes > 1 and tensor.shape[0] == planes) or tensor.ndim > 5:
        return None
    if planes == 1:
        return tensor.reshape(1, -1) if len(shape) <= 1 else None
    if tensor.ndim == 0 or tensor.shape[0] != planes:
        return None
    return tensor.reshape(planes, -1)


def _tensors(given: Any, place: Place = ()) -> Iterator[_Found]:
    if isinstance(given, Tensor):
        yield _Found(place, given)
    elif isinstance(given, Mapping):
        for key, value in given.items():
            yield from _tensors(value, (*place, key))
    elif isinstance(given, (tuple, list)):
        for index, value in enumerate(given):
            yield from _tensors(value, (*place, index))
    elif is_dataclass(given):
        for field in fields(given):
            yield from _tensors(getattr(given, field.name), (*place, field.name))


def _rank(place: Place) -> int:
    ranks = [_USUAL.index(name) for key in place if (name := str(key).casefold()) in _USUAL]
    return min(ranks, default=len(_USUAL))
