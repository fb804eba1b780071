"""Train the bundle ``breast_us_classifier``: breast ultrasound, lesion or no lesion.

The network is a narrow MONAI ResNet trained from scratch, and it learns from image labels alone.
The lesion masks of the data set are read only afterwards, to ask whether the evidence lies in the
lesion and not in calipers, text, gain or the edge of the image.

    python train_breast_us_classifier.py --data busi             # train, check, write the bundle
    python train_breast_us_classifier.py --data busi --compare   # try every recipe on "tune"
    python train_breast_us_classifier.py --data busi --check     # only the checks and the README

The data folder holds ``labels.csv`` (columns ``file``, ``label``), ``images/`` and ``masks/``.
Arrays are in MONAI's order for plain images: axis 1 is the column x, axis 2 the row y.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from breast_us.bundle import build, write_bundle
from breast_us.checks import evaluate
from breast_us.images import make_split, read_images
from breast_us.recipe import CHOSEN, RECIPES, SEED, SPLITS
from breast_us.training import calibrate, train

HERE = Path(__file__).resolve().parent
BUNDLE = HERE / "breast_us_classifier"


def main() -> None:
    """Train and check, or only check, or compare recipes."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--out", type=Path, default=BUNDLE, help="the bundle folder")
    parser.add_argument("--check", action="store_true", help="keep the weights, redo the checks")
    parser.add_argument("--compare", action="store_true", help="try every recipe on 'tune' first")
    options = parser.parse_args()
    torch.set_num_threads(1)

    recipe = RECIPES[CHOSEN]
    network, preprocessing = build()
    images = read_images(options.data, preprocessing)
    part, near = make_split(options.data, images)
    parts = {name: images.part(np.array(part) == name) for name in SPLITS}

    record = options.out / "docs" / "evaluation.json"
    former = json.loads(record.read_text()) if record.exists() else {}
    tried, minutes = former.get("tried", {}), former.get("training_minutes", 0.0)
    if options.compare:
        tried = {}
        for name, other in RECIPES.items():
            print(f"recipe {name}", flush=True)
            network = train(parts["train"], other)
            calibrate(network, parts["tune"])
            tried[name] = evaluate(network, parts["tune"])
    if options.check:
        weights = torch.load(options.out / "models" / "model.pt", weights_only=True)
        network.load_state_dict(weights)
        network.eval()
    else:
        start = time.time()
        network = train(parts["train"], recipe)
        calibrate(network, parts["tune"])
        minutes = (time.time() - start) / 60

    evaluation = {
        "chosen": CHOSEN,
        "recipes": [asdict(r) for r in (RECIPES.get(recipe.after), recipe) if r],
        "training_minutes": minutes,
        "weights": {"parameters": sum(p.numel() for p in network.parameters())},
        "split": {
            "seed": SEED,
            "near_duplicates": near,
            "parts": {
                name: {
                    "lesion": int(held.lesion.sum()),
                    "no lesion": int((~held.lesion).sum()),
                }
                for name, held in parts.items()
            },
        },
        "validation": evaluate(network, parts["validation"]),
        "tried": tried,
    }
    rows = "".join(f"{file},{name}\n" for file, name in zip(images.files, part, strict=True))
    write_bundle(options.out, network, evaluation, "file,split\n" + rows)
    print(json.dumps(evaluation["validation"], indent=2))


if __name__ == "__main__":
    main()
