"""What a promptable network is: from an image and a prompt to a mask."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from medcontour.errors import MedcontourError
from medcontour.plugins import PROMPTABLE, find
from medcontour.privacy import keep_private

if TYPE_CHECKING:  # settings name these, and help is to be fast
    import numpy as np
    import numpy.typing as npt
    import torch

    Picture = npt.NDArray[np.uint8]
    FloatArray = npt.NDArray[np.float64]

__all__ = [
    "Draw",
    "PromptableLoader",
    "PromptableModel",
    "licence_note",
    "load_promptable",
    "named_model",
]

Draw = Callable[[Any, Any, Any], Any]
"""A promptable network as a bare function, from image, box and contour: see `PromptableModel`."""

UNSTATED = "its licence is not stated"


@runtime_checkable
class PromptableModel(Protocol):
    """A network that draws what a prompt points to, on one image at a time.

    Any callable of these arguments is taken where Python takes a promptable network
    (``mc.suggest(..., outline=draw)``); `name` and `licence` are for what others are to read.
    """

    @property
    def name(self) -> str:
        """What it is called in ``suggestion.json``: no path, nothing of a patient."""

    @property
    def licence(self) -> str:
        """That of its weights, as SPDX has it (``Apache-2.0``), for the notes.

        They say of one with ``NC`` that it is not for commercial use.
        """

    def __call__(self, image: Picture, box: FloatArray, contour: FloatArray) -> npt.ArrayLike:
        """Draw one object.

        Parameters
        ----------
        image
            (rows, columns), or (rows, columns, 3) for colour, uint8: a slice on its own pixels, as
            the scan's display window shows it.
        box
            (4,) left, top, right, bottom: a box around the object. In index coordinates: columns
            and rows, pixel centres are integers. It lies on the image.
        contour
            (V, 2) corners of a closed contour on the object, as (column, row) in index
            coordinates; the first is not repeated. It may leave the image.

        Returns
        -------
        (rows, columns) bool, or probabilities from 0 to 1; a pixel belongs to the object above 0.5.
        """


@runtime_checkable
class PromptableLoader(Protocol):
    """Loads a promptable network.

    A package adds one by an entry point in the group ``medcontour.promptable`` that leads to such a
    function; with the entry point's name it is ``--outline prompted:NAME``. Weights are never
    fetched: they come with a package, or lie where the user says.
    """

    def __call__(self, weights: Path | None, device: torch.device) -> PromptableModel:
        """Load it.

        Parameters
        ----------
        weights
            The file or folder of ``--outline prompted:NAME:PATH``; None where there is none.
        device
            Where it is to run.

        Raises
        ------
        MedcontourError
            Where it cannot be loaded, with the remedy.
        """


@dataclass(frozen=True)
class _Named:
    """A bare function as a promptable network."""

    draw: Draw
    name: str
    licence: str = UNSTATED

    def __call__(self, image: Picture, box: FloatArray, contour: FloatArray) -> npt.ArrayLike:
        drawn: npt.ArrayLike = self.draw(image, box, contour)
        return drawn


def named_model(draw: Draw | PromptableModel) -> PromptableModel:
    """Give a promptable network; a bare function is called what Python calls it.

    Examples
    --------
    >>> named_model(lambda image, box, contour: image > 127).name
    '<lambda>'
    """
    if isinstance(draw, PromptableModel):
        return draw
    return _Named(draw, getattr(draw, "__name__", type(draw).__name__))


def load_promptable(name: str, weights: Path | None, device: torch.device) -> PromptableModel:
    """Load a promptable network by its name.

    Raises
    ------
    MedcontourError
        When there is none of that name, which lists those there are, or it cannot be loaded.
    """
    if weights is not None:
        keep_private(weights)
    what = "promptable network"
    loader = find(PROMPTABLE, name, PromptableLoader, what)  # type: ignore[type-abstract]
    model: Any = loader(weights, device)
    if not isinstance(model, PromptableModel):
        raise MedcontourError(
            f'The promptable network "{name}" has no name or licence; update or uninstall its '
            "package."
        )
    return model


def licence_note(model: PromptableModel) -> str:
    """Say which network took part, under which licence.

    Examples
    --------
    >>> licence_note(_Named(lambda *_: [], "SomeSAM", "CC-BY-NC-4.0"))
    'The promptable network SomeSAM (CC-BY-NC-4.0: not for commercial use) took part in drawing \
the outlines.'
    """
    limited = re.search(r"(?<![A-Z])NC(?![A-Z])|non-?commercial", model.licence)
    terms = model.licence + (": not for commercial use" if limited else "")
    return f"The promptable network {model.name} ({terms}) took part in drawing the outlines."
