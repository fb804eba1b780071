"""Train the bundle ``nodule_volume_classifier``: a thorax with a nodule somewhere, or with none.

The network, its preprocessing and its labels come from the bundle's own configuration. The label of
a volume is all that training sees; where a nodule lies is used afterwards alone, to say whether the
evidence lies there.

    python train_nodule_volume_classifier.py            # train, check, write weights and page
    python train_nodule_volume_classifier.py --check    # only the checks and the page
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from make_sample import STUDY_NODULES
from nodule_volume.card import readme
from nodule_volume.checks import held_out, sample
from nodule_volume.training import train
from nodule_volume.volumes import SLAB, Volumes, collect, preparation, slab, whole
from train_nodule_classifier import configuration

BUNDLE = Path(__file__).resolve().parent / "nodule_volume_classifier"


def volumes(bundle: Path, slabs: int, wholes: int) -> tuple[Volumes, Volumes]:
    """Draw and preprocess what is trained on."""
    prepare = preparation(configuration(bundle).get_parsed_content("preprocessing"))
    return (
        collect(map(slab, range(slabs)), prepare, SLAB),
        collect(map(whole, range(wholes)), prepare),
    )


def fitted(bundle: Path, stages: list[tuple[Volumes, int]]) -> dict[str, Any]:
    """Train the bundle's network, write its weights in float16, and say what was done."""
    torch.manual_seed(0)
    network = configuration(bundle).get_parsed_content("network_def")
    train(network, stages)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    path = bundle / "models" / "model.pt"
    path.parent.mkdir(exist_ok=True)
    torch.save(state, path)
    (slabs, slab_steps), (wholes, whole_steps) = stages
    return {
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "kib": path.stat().st_size // 1024,
        "slabs": len(slabs.image),
        "slab_steps": slab_steps,
        "wholes": len(wholes.image),
        "whole_steps": whole_steps,
    }


def main() -> None:
    """Train, check, write."""
    options = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    options.add_argument("--slabs", type=int, default=120)
    options.add_argument("--wholes", type=int, default=60)
    options.add_argument("--slab-steps", type=int, default=300)
    options.add_argument("--whole-steps", type=int, default=100)
    options.add_argument("--held-out", type=int, default=24)
    options.add_argument("--check", action="store_true", help="keep the weights, redo the checks")
    options.add_argument("--out", type=Path, default=BUNDLE, help="bundle with its configs")
    chosen = options.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the weights, depend on it
    torch.use_deterministic_algorithms(True)
    path, began = chosen.out / "docs" / "evaluation.json", time.monotonic()
    if chosen.check:
        training = json.loads(path.read_text())["training"]
    else:
        slabs, wholes = volumes(chosen.out, chosen.slabs, chosen.wholes)
        print(f"drawn, {time.monotonic() - began:.0f} s", flush=True)
        training = fitted(chosen.out, [(slabs, chosen.slab_steps), (wholes, chosen.whole_steps)])
        print(f"trained, {time.monotonic() - began:.0f} s", flush=True)
    record = {
        "training": training,
        "held_out": held_out(chosen.out, chosen.held_out),
        "sample": sample(chosen.out),
    }
    for row, (diameter, *_) in zip(record["sample"]["nodules"], STUDY_NODULES, strict=True):
        row["diameter_mm"] = diameter
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
    (path.parent / "README.md").write_text(readme(record))
    print(f"checked, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
