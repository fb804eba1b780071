"""The kinds of files that are damaged, and what is done with each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import damage
import numpy as np

import medcontour as mc
from medcontour.cli import main as command_line
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion


@dataclass(frozen=True)
class Given:
    """One damaged file in its place: what is given to medcontour, and where results go."""

    path: Path
    out: Path
    world: World


@dataclass(frozen=True)
class World:
    """Where the whole files are, and what goes with them."""

    root: Path
    scan: mc.Scan = field(repr=False)
    suggestion: Suggestion = field(repr=False)


Action = Callable[[Given], object]


def _command(*arguments: str) -> Action:
    def run(given: Given) -> None:
        places = {"path": given.path, "out": given.out, "root": given.world.root}
        sys.argv = ["medcontour", *(argument.format(**places) for argument in arguments)]
        command_line()

    return run


SCAN, EDIT = (lambda g: mc.read_scan(g.path)), (lambda g: read_edited(g.path, g.world.scan))
REFINE: Action = lambda g: mc.refine(g.world.suggestion, g.path, g.world.scan)  # noqa: E731
JSON, LOAD = (lambda g: Suggestion.read_json(g.path)), (lambda g: mc.load_classifier(g.path))
INFO, INFO_JSON = _command("info", "{path}"), _command("info", "{path}", "--json")
REFINED = _command("refine", "{root}/out", "{path}", "--out", "{out}", "--export", "rtstruct,seg")
OF_SCAN = _command(
    "refine", "{root}/out", "{root}/out/coco.json", "--scan", "{path}", "--out", "{out}"
)
OF_SUGGESTION = _command(
    "refine", "{path}", "{root}/out/rtstruct.dcm", "--out", "{out}", "--scan", "{root}/series"
)
CONVERTED = [
    _command("convert", "{path}", "--to", name, "--out", "{out}", "--scan", "{root}/series")
    for name in ("rtstruct", "seg", "labelmap", "nrrd", "markups", "coco", "report", "overlay")
]
SUGGESTED = _command("suggest", "{root}/spots", "--classifier", "{path}", "--out", "{out}")
ON_SCAN = _command("suggest", "{path}", "--classifier", "{root}/spot_bundle", "--out", "{out}")
SCANS = [*[SCAN] * 12, INFO, INFO_JSON]
EDITS = [*[EDIT] * 10, *[REFINE] * 5, REFINED]


@dataclass(frozen=True)
class Kind:
    """A kind of file: the whole ones, how it is damaged beside its bytes, what is done with it."""

    originals: Sequence[str]
    by_meaning: Callable[[bytes, np.random.Generator], bytes]
    actions: Sequence[Action]


def _tame(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a bundle's JSON without huge numbers: what it says is done, a huge network too."""
    values = tuple(v for v in damage.VALUES if v not in damage.HUGE and v != 10**400)
    return damage.damage_json(data, rng, values=values)


PICTURES = ("grey.png", "deep.png", "colour.jpg", "progressive.jpg", "raw.tiff", "packed.tiff")
OTHER = "bundle/models/model.safetensors", "model.pt", "spot_bundle/models/model.pt", "model.ts"
CONFIGS = "bundle/configs/inference.json", "bundle/configs/metadata.json"
KINDS = {
    "dicom": Kind(
        ["series/001.dcm", "series/003.dcm", "enhanced.dcm", "compressed*.dcm", "spots/001.dcm"],
        damage.damage_dicom,
        [*SCANS * 2, OF_SCAN, ON_SCAN],
    ),
    "rtstruct": Kind(["out/rtstruct.dcm"], damage.damage_dicom, EDITS),
    "sr": Kind(["out/sr.dcm"], damage.damage_dicom, EDITS),
    "seg": Kind(["out/seg.dcm"], damage.damage_dicom, EDITS),
    "seg-labelmap": Kind(["out/seg_labelmap.dcm"], damage.damage_dicom, EDITS),
    "seg-fractional": Kind(["out/seg_fractional.dcm"], damage.damage_dicom, EDITS),
    "nifti": Kind(["volume.nii", "volume.nii.gz"], damage.damage_nifti, SCANS),
    "nifti-labels": Kind(["labelmap.nii", "out/labelmap.nii.gz"], damage.damage_nifti, EDITS),
    "nrrd": Kind(["out/segmentation.seg.nrrd"], damage.damage_nrrd, EDITS),
    "suggestion": Kind(
        ["out/suggestion.json"],
        damage.damage_json,
        [*[JSON] * 16, *[EDIT] * 4, INFO, INFO_JSON, OF_SUGGESTION, *CONVERTED],
    ),
    "coco": Kind(["out/coco.json"], damage.damage_json, EDITS),
    "markups": Kind(["out/markups/*.mrk.json"], damage.damage_json, EDITS),
    "picture": Kind(
        [f"pictures/{name}" for name in (*PICTURES, "lzw.tiff")], damage.damage_picture, SCANS
    ),
    "label-picture": Kind(["pictures/labels.png"], damage.damage_picture, [EDIT]),
    "weights": Kind(OTHER, damage.damage_bytes, [*[LOAD] * 12, INFO, SUGGESTED]),
    "bundle-config": Kind(CONFIGS, _tame, [*[LOAD] * 12, INFO, SUGGESTED]),
    "bomb": Kind(
        [],
        damage.damage_bytes,
        [*[SCAN] * 4, *[EDIT] * 8, *[LOAD] * 8, INFO, INFO_JSON, REFINED, OF_SCAN, SUGGESTED],
    ),
}
