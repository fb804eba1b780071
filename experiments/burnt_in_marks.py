"""Burnt-in marks: how many that Pillow drew are found, and how many unmarked images are flagged.

Marks of random kind, size and place, white (255), on speckle made here and on
folders of images that are taken for unmarked. Sharp marks were drawn on the image's own pixels;
resized ones on an image 1.7 times as large that was then made smaller.

    python experiments/burnt_in_marks.py --data "brain MRI=DIR" --out results/
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

import medcontour as mc
from medcontour.shortcuts import find_marks

SOLID = ("text", "calipers", "arrow")
KINDS = (*SOLID, "dotted line")
RESIZED, WHITE = 1.7, 255.0


def speckle(seed: int, side: int = 256) -> np.ndarray:
    """(side, side) of an ultrasound's grain: amplitudes of smoothed complex noise, up to 150."""
    chance = np.random.default_rng(seed)
    parts = [ndimage.gaussian_filter(chance.normal(size=(side, side)), (1.0, 1.8)) for _ in "ri"]
    amplitude = np.log1p(30 * np.hypot(*parts))
    return (150 * amplitude / amplitude.max()).astype(np.float32)


def ink(kind: str, seed: int, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) bool: one mark of a kind at a random place, in a random size."""
    chance = np.random.default_rng(seed)
    rows, columns = shape
    picture = Image.new("1", (columns, rows))
    pen = ImageDraw.Draw(picture)
    side = min(shape)
    if kind == "text":
        letters = "".join(chance.choice(list("ABCDEFGHKLMNRSTVX2345678"), chance.integers(3, 9)))
        font = ImageFont.load_default(int(chance.integers(12, max(13, side // 16) + 1)))
        box = pen.textbbox((0, 0), letters, font=font)
        place = [
            int(chance.integers(2, max(3, n - size)))
            for n, size in ((columns, box[2]), (rows, box[3]))
        ]
        pen.text(tuple(place), letters, fill=1, font=font)
    elif kind == "calipers":
        arm, width = int(chance.integers(4, 7)), int(chance.integers(1, 3))
        for _ in range(2):
            x, y = (int(chance.integers(2 * arm, n - 2 * arm)) for n in (columns, rows))
            pen.line([x - arm, y, x + arm, y], fill=1, width=width)
            pen.line([x, y - arm, x, y + arm], fill=1, width=width)
    else:
        angle, reach = chance.uniform(0, 2 * np.pi), side * chance.uniform(0.15, 0.3)
        middle = np.array([chance.uniform(0.35, 0.65) * columns, chance.uniform(0.35, 0.65) * rows])
        along = np.array([np.cos(angle), np.sin(angle)])
        if kind == "dotted line":
            for step in np.arange(-reach, reach, chance.integers(4, 7)):
                pen.point([int(n) for n in np.round(middle + step * along)], fill=1)
        else:
            across, tip = np.array([-along[1], along[0]]), middle + along * reach / 3
            pen.line([*(middle - along * reach / 3), *tip], fill=1, width=2)
            for turn in (1, -1):
                barb = tip - reach * (0.2 * along + turn * 0.15 * across)
                pen.line([*tip, *barb], fill=1, width=2)
    return np.asarray(picture, dtype=bool)


def marked(plane: np.ndarray, mark: np.ndarray, value: float) -> np.ndarray:
    """The plane with a mark burnt in."""
    return np.where(mark, np.float32(value), plane)


def resized(kind: str, seed: int, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) from 0 to 1: a mark drawn larger and made smaller with the image."""
    rows, columns = shape
    large = ink(kind, seed, (round(rows * RESIZED), round(columns * RESIZED)))
    picture = Image.fromarray(np.where(large, 255, 0).astype(np.uint8))
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BOX)) / 255


def rows_of(name: str, planes: list[np.ndarray]) -> list[str]:
    """Lines of the table for one set of images."""
    flagged = [find_marks(plane).pixels for plane in planes]
    lines = [f"| {name} | none |  | {len(planes)} |  | {np.mean([f.any() for f in flagged]):.2f} |"]
    for kind in KINDS:
        for how in ("sharp", "resized"):
            shares = []
            for seed, plane in enumerate(planes):
                alpha = (ink if how == "sharp" else resized)(kind, seed, plane.shape).astype(float)
                drawn = plane * (1 - alpha) + WHITE * alpha
                found = find_marks(drawn.astype(np.float32)).pixels
                shares.append(found[alpha >= 0.4].mean() if (alpha >= 0.4).any() else np.nan)
            some = np.nanmean(shares), np.nanmean(np.array(shares) > 0.3)
            lines.append(
                f"| {name} | {kind} | {how} | {len(planes)} | {some[0]:.2f} | {some[1]:.2f} |"
            )
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Draw, look, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", action="append", default=[], help="NAME=FOLDER of images")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    lines = [
        "| images | mark | drawn | n | pixels found | images flagged |",
        "|---|---|---|---|---|---|",
        *rows_of("speckle", [speckle(seed) for seed in range(chosen.images)]),
    ]
    for name, folder in (given.split("=", 1) for given in chosen.data):
        files = sorted(file for file in Path(folder).iterdir() if file.is_file())
        chosen = files[:: max(1, len(files) // chosen.images)][: chosen.images]
        planes = [mc.read_scan(file).voxels[0] for file in chosen]
        lines += rows_of(name, [p if p.ndim == 2 else p.mean(-1) for p in planes])
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "table.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
