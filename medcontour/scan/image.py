"""Plain images (PNG, JPEG, TIFF) as one slice without physical size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from medcontour.errors import MedcontourError
from medcontour.scan.claims import opened_picture
from medcontour.scan.proportion import picture_ratio, sides
from medcontour.scan.quiet import muted, quietly
from medcontour.scan.scan import Scan
from medcontour.scan.values import check_values, grey_where_equal, spread_window

__all__ = ["read_image"]

_SAMPLE_FORMAT, _UNSIGNED = 339, 1  # of TIFF 6.0; unsigned is also what is meant by none

# Pillow's modes of one channel whose values are kept as they are.
_GREY = ("L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(path: Path) -> Scan:
    """Read a PNG, JPEG or TIFF of one picture.

    Grey values of 8, 16 and 32 bits stay as they are; colour becomes RGB from 0 to 255, an alpha
    channel is left out, and colour whose three channels are equal becomes grey. An orientation
    noted by a camera (EXIF) is applied, so that pixels are counted on the picture as shown. Of a
    telephone's photograph with a preview or a depth map beside it (MPO), the photograph is read.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Scan
        One slice, `units` ``"pixel"``, `affine_lps` diagonal: the identity, or the sides of its
        pixels where they are not square (`medcontour.scan.proportion`); `grid` None.

    Raises
    ------
    MedcontourError
        When the file is damaged, holds several pictures or has the same value everywhere.
    """
    try:
        with quietly(), muted(), opened_picture(path) as image:
            # Telephones add a preview or a depth map to a photograph (MPO); the first is meant.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if frames == 1:
                image.load()
                ratio = picture_ratio(image)
                upright = ImageOps.exif_transpose(image)
                if upright.mode not in _GREY:
                    upright = upright.convert("L" if upright.mode in ("1", "LA", "La") else "RGB")
                stored = np.asarray(upright)
                if upright.mode == "I" and _unsigned(image):
                    stored = stored.view(np.uint32)
                pixels = stored.astype(np.float32)
    except MedcontourError:
        raise
    except Exception as error:  # Pillow's decoders raise anything at damaged files.
        raise MedcontourError(
            f"{path} cannot be read as an image: it is damaged, truncated or of a kind that is "
            "not supported; export it again as PNG of 8 or 16 bits."
        ) from error
    if frames != 1:
        raise MedcontourError(
            f"{path} holds {frames} pictures; save the one to be read as a PNG of its own."
        )
    voxels = grey_where_equal(pixels[None])
    check_values(voxels, str(path))
    window = (0.0, 255.0) if voxels.max() <= 255 and voxels.min() >= 0 else spread_window(voxels)
    height, width, note = sides(ratio)
    return Scan(
        voxels=voxels,
        affine_lps=np.diag([width, height, 1.0, 1.0]),
        slice_origins_lps=np.zeros((1, 3)),
        units="pixel",
        modality="OT",
        source=str(path.resolve()),
        window=window,
        notes=(note,) if note else (),
    )


def _unsigned(image: Image.Image) -> bool:
    """Whether 32 bits are unsigned, which Pillow takes for signed ones."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED
