"""SAM 2 and SAM 2.1 as promptable networks, through transformers, from a folder of weights."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from numpy import float32, float64, uint8
from torch import nn

from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.outline.network_input import on_pixels, resized, scaled_box

__all__ = ["Sam2", "load"]

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of each channel, from 0 to 1, as SAM 2 was trained with."""

KINDS = ("sam2", "sam2_video")
"""What ``config.json`` calls the networks; the published ones are for video and for images."""

FOLDER = "a folder with config.json and model.safetensors of SAM 2, as transformers reads it"


@dataclass(frozen=True)
class Sam2:
    """A `medcontour.outline.PromptableModel` that is prompted by the box.

    Attributes
    ----------
    network
        A ``transformers.Sam2Model``.
    device
        Where it is.
    licence
        As the model card in its folder says.
    """

    network: nn.Module
    device: torch.device
    licence: str
    name: str = "SAM 2"

    @torch.no_grad()
    def __call__(
        self, image: npt.NDArray[uint8], box: npt.NDArray[float64], contour: npt.NDArray[float64]
    ) -> npt.NDArray[float32]:
        """(rows, columns) probabilities."""
        config: Any = self.network.config
        side = int(config.prompt_encoder_config.image_size)
        pixels = resized(image, (side, side)) / 255
        mean, spread = (pixels.new_tensor(each)[:, None, None] for each in (MEAN, SPREAD))
        prompt = scaled_box(box, image.shape, (side, side))
        drawn = self.network(
            pixel_values=((pixels - mean) / spread).to(self.device),
            input_boxes=prompt[None, None].to(self.device),
            multimask_output=False,
        )
        return on_pixels(drawn.pred_masks[0, 0, 0], image.shape)


def load(weights: Path | None, device: torch.device) -> Sam2:
    """Load SAM 2 from a folder on this machine; nothing is fetched.

    Raises
    ------
    MedcontourError
        Where there is no such folder, it holds another network, or transformers is not installed.
    """
    if weights is None:
        raise MedcontourError(f"SAM 2 comes without weights; write prompted:sam2:FOLDER, {FOLDER}.")
    try:
        kind = json.loads(read_text(weights / "config.json"))["model_type"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise MedcontourError(f"{weights} holds no SAM 2; give {FOLDER}.") from error
    if kind not in KINDS:
        raise MedcontourError(f"{weights} holds a network of the kind {kind}; give {FOLDER}.")
    made = _read(_transformers(), weights)
    return Sam2(made.to(device).eval().requires_grad_(False), device, _licence(weights))


def _transformers() -> Any:
    try:
        package = importlib.import_module("transformers")
        return package.Sam2Model and package
    except (ImportError, AttributeError, RuntimeError) as error:
        raise MedcontourError(
            f"SAM 2 needs transformers from 4.57 on, which cannot be imported here ({error}): run "
            'pip install "medcontour[prompted]".'
        ) from error


def _read(package: Any, folder: Path) -> nn.Module:
    shown = package.utils.logging.is_progress_bar_enabled()
    package.utils.logging.disable_progress_bar()
    try:
        network: nn.Module
        network, read = package.Sam2Model.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # whatever that library raises at another file
        raise MedcontourError(
            f"{folder} cannot be read as SAM 2 ({type(error).__name__}); give {FOLDER}."
        ) from error
    finally:
        if shown:
            package.utils.logging.enable_progress_bar()
    if read["missing_keys"] or read["mismatched_keys"]:  # they would be made up at random
        raise MedcontourError(f"{folder} lacks weights of SAM 2; give {FOLDER}.")
    return network


def _licence(folder: Path) -> str:
    """What the head of the folder's model card says."""
    try:
        card = read_text(folder / "README.md")
    except (OSError, ValueError):
        card = ""
    head = card.split("---")[1] if card.startswith("---") and card.count("---") > 1 else ""
    found = re.search(r"^license:\s*(\S+)\s*$", head, flags=re.MULTILINE)
    return found[1] if found else "its licence is not stated in its folder"
