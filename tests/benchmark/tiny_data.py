"""Made-up data sets in each published layout, small enough to be read by eye."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

WNIDS = [f"n{k:08d}" for k in range(1, 1001)]


def photograph(file: Path, rows: int = 40, columns: int = 60, value: int = 90) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((rows, columns, 3), value, dtype=np.uint8)
    pixels[:, :, 0] += np.arange(columns, dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def class_list(folder: Path) -> None:
    lines = (f"{wnid} thing, number {k}\n" for k, wnid in enumerate(reversed(WNIDS)))
    (folder / "LOC_synset_mapping.txt").write_text("".join(lines))


def official(folder: Path, boxes: dict[str, list[tuple[int, int, int, int]]]) -> None:
    """Images of 60 x 40 with the XML of images twice as large."""
    (folder / "bbox").mkdir(parents=True)
    for k, (name, corners) in enumerate(boxes.items()):
        photograph(folder / "val" / f"{name}.JPEG")
        objects = "".join(
            f"<object><name>{WNIDS[k]}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
            f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for a, b, c, d in corners
        )
        (folder / "bbox" / f"{name}.xml").write_text(
            f"<annotation><size><width>120</width><height>80</height></size>{objects}</annotation>"
        )
    class_list(folder)


def coco(folder: Path) -> None:
    """Two images: one with two cats and a crowd, one with a crowd alone."""
    for number in (7, 8):
        photograph(folder / "val2017" / f"{number:012d}.jpg")
    square = [[10, 5, 20, 5, 20, 15, 10, 15]]
    other = [[30, 20, 40, 20, 40, 30, 30, 30]]
    counts = {"size": [40, 60], "counts": [0, 2400]}
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 17, "segmentation": square, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 18, "segmentation": other, "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 17, "segmentation": counts, "iscrowd": 1},
        {"id": 4, "image_id": 8, "category_id": 17, "segmentation": counts, "iscrowd": 1},
    ]
    content = {
        "images": [
            {"id": n, "file_name": f"{n:012d}.jpg", "width": 60, "height": 40} for n in (7, 8)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": annotations,
    }
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(content))


class Cells(nn.Module):
    """The mean of each 8 x 8 cell is the logit of its class."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.scale * nn.functional.avg_pool2d(inputs.mean(1, keepdim=True), 8).flatten(1)


def planted(folder: Path, images: int = 3) -> None:
    """Grey images of 24 x 32 whose bright cell is the object, with masks and labels."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = ["file,label"]
    for k in range(images):
        row, column = divmod(k + 1, 4)
        pixels = np.full((24, 32), 20, dtype=np.uint8)
        pixels[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 230 - k
        Image.fromarray(pixels).save(folder / "images" / f"scan{k}.png")
        mask = (pixels > 100).astype(np.uint8) * 255
        Image.fromarray(mask).save(folder / "masks" / f"scan{k}_mask.png")
        rows.append(f"scan{k}.png,cell {k + 1}")
    (folder / "labels.csv").write_text("\n".join(rows))


def torchscript(file: Path) -> None:
    names = {str(k): f"cell {k}" for k in range(12)}
    metadata = {"network_data_format": {"outputs": {"pred": {"channel_def": names}}}}
    torch.jit.save(
        torch.jit.trace(Cells().eval(), torch.rand(1, 1, 24, 32)),
        str(file),
        _extra_files={"metadata.json": json.dumps(metadata)},
    )
