"""Checked lists for `medcontour calibrate` of images that a bundle's network was not trained on.

A bundle's ``docs/split.csv`` (columns file, split) says which part an image is of; DATA holds
``labels.csv`` (file; label, which is 0 or normal where there is no finding; perhaps group),
``images/`` and ``masks/``. Each part but ``train`` becomes a list, and from there

    python experiments/checked_lists.py --data busi/ --classifier bundle --out lists/
    medcontour calibrate lists/tune.csv --classifier bundle --out lists/calibration.json
    medcontour benchmark trust lists/validation.csv --classifier bundle
        --calibration lists/calibration.json --out trust/
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

WITHOUT = ("0", "normal")


def lists(data: Path, classifier: Path) -> dict[str, list[tuple[str, int, str, str]]]:
    """Rows (scan, finding, group, mask) by part; a mask only where there is a finding."""
    with (data / "labels.csv").open(newline="") as table:
        labels = {row["file"]: row for row in csv.DictReader(table)}
    found: dict[str, list[tuple[str, int, str, str]]] = defaultdict(list)
    with (classifier / "docs" / "split.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            label = labels[row["file"]]
            finding = int(label["label"] not in WITHOUT)
            masks = (data / "masks").glob(f"{Path(row['file']).stem}.*")
            mask = str(next(masks).resolve()) if finding else ""
            scan = str((data / "images" / row["file"]).resolve())
            found[row["split"]].append((scan, finding, label.get("group", ""), mask))
    found.pop("train", None)
    return found


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--classifier", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--out", type=Path, required=True, help="folder for the lists")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for part, rows in lists(args.data, args.classifier).items():
        with (args.out / f"{part}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("scan", "finding", "group", "mask"), *rows])
        print(f"{part}.csv: {len(rows)} scans, {sum(row[1] for row in rows)} with a finding")


if __name__ == "__main__":
    main()
