"""The data set: read as the network sees it, parted so that near duplicates stay together."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from breast_us.recipe import SAME_PATIENT, SEED, SIZE, SPLITS


@dataclass
class Images:
    """Images as the network sees them.

    Attributes
    ----------
    files : names in ``images/``.
    pixels : (N, 1, x, y) float32 in [0, 1].
    lesion : (N,) bool, the image label.
    masks : (N, 1, x, y) bool, the lesion; used by the checks only.
    """

    files: list[str]
    pixels: Tensor
    lesion: Tensor
    masks: Tensor

    def part(self, keep: NDArray[np.bool_] | Tensor) -> Images:
        """Take the images where ``keep`` is true."""
        index = torch.as_tensor(keep)
        files = [f for f, k in zip(self.files, index.tolist(), strict=True) if k]
        return Images(files, self.pixels[index], self.lesion[index], self.masks[index])


def read_images(data: Path, preprocessing: Compose) -> Images:
    """Read ``labels.csv`` and its images through the bundle's preprocessing."""
    with (data / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    pixels, masks = [], []
    for row in rows:
        loaded = preprocessing({"image": str(data / "images" / row["file"])})["image"]
        pixels.append(loaded.as_tensor().float())
        mask = Image.open(data / "masks" / row["file"]).convert("L").resize((SIZE, SIZE), 0)
        masks.append(torch.from_numpy(np.array(mask).T > 127)[None])
    lesion = torch.tensor([row["label"] != "normal" for row in rows])
    return Images([row["file"] for row in rows], torch.stack(pixels), lesion, torch.stack(masks))


def near_duplicates(data: Path, files: list[str]) -> NDArray[np.int_]:
    """Group images that look like one patient's: (N,) group number of each file.

    Thumbnails of 32 x 32 without their slow shading are correlated with each other at shifts of
    up to 2 pixels, also mirrored. Pairs at ``SAME_PATIENT`` or more are joined, and chains too.
    """
    thumbs = []
    for file in files:
        image = (
            Image.open(data / "images" / file).convert("L").resize((32, 32), Image.Resampling.BOX)
        )
        thumb = np.asarray(image, float)
        thumbs.append(thumb - ndimage.gaussian_filter(thumb, 5))
    stack = np.stack(thumbs)

    def unit(array: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = array.reshape(len(array), -1)
        flat = flat - flat.mean(1, keepdims=True)
        return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))

    center = unit(stack[:, 2:30, 2:30])
    best = np.full((len(files), len(files)), -1.0)
    for other in (stack, stack[:, :, ::-1]):
        for y in range(5):
            for x in range(5):
                best = np.maximum(best, center @ unit(other[:, y : y + 28, x : x + 28]).T)
    alike = np.maximum(best, best.T) >= SAME_PATIENT
    _, group = connected_components(sparse.csr_array(alike))
    return np.asarray(group)


def make_split(data: Path, images: Images) -> tuple[list[str], dict[str, int]]:
    """Give every near-duplicate group to one part, the parts alike in labels.

    Returns
    -------
    The part of each file, and counts of the groups for the record.
    """
    group = near_duplicates(data, images.files)
    label = np.array([file.split("_")[0] for file in images.files])
    rng = np.random.default_rng(SEED)
    part = np.full(len(label), "", dtype=object)
    total = {name: int((label == name).sum()) for name in np.unique(label)}
    held = {(name, split): 0 for name in total for split in SPLITS}
    order = sorted(rng.permutation(np.unique(group)), key=lambda g: -int((group == g).sum()))
    for g in order:
        members = np.flatnonzero(group == g)
        name = label[members[0]]
        lacking = {s: share - held[name, s] / total[name] for s, share in SPLITS.items()}
        # Single images fill what the larger groups have left open, in proportion.
        split = max(lacking, key=lambda s: lacking[s] / SPLITS[s])
        part[members] = split
        for m in members:
            held[label[m], split] += 1
    sizes = np.bincount(group)
    counts = {
        "images": len(label),
        "groups_of_two_or_more": int((sizes > 1).sum()),
        "images_in_them": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
    }
    return [str(p) for p in part], counts
