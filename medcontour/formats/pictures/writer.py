"""Label map of one picture as PNG: the label's value in each pixel, a palette to see it by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medcontour.files import replacing
from medcontour.formats.labels import labels
from medcontour.formats.rasterise import label_volume
from medcontour.results.exporter import Exporter, is_picture
from medcontour.results.model import Suggestion
from medcontour.scan.scan import Scan

__all__ = ["exporter", "write"]


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``labels.png``, 8 bits, with the rows and columns of the picture as it is shown.

    The values are those of the label map, 0 where there is none; the palette has each label's
    colour. Without findings all pixels are 0. The same suggestion gives the same bytes.
    """
    image = Image.fromarray(label_volume(suggestion, scan)[0])
    palette = np.zeros((256, 3), dtype=np.uint8)
    for label in labels(suggestion):
        palette[label.value] = label.colour(suggestion.editable)
    image.putpalette(palette.tobytes())
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")


def _refuses(scan: Scan) -> str | None:
    return f"A PNG holds one slice and this scan has {scan.slices}" if scan.slices > 1 else None


exporter = Exporter("png", "labels.png", write, _refuses, by_default=is_picture)
