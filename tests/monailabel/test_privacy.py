"""Group 14: nothing that the app keeps or answers tells who a patient is; no server is needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from small_files import CENTRE, RADIUS, plane, write_bundle

import medcontour as mc

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins" / "monailabel"))

from lib.answer import answer
from lib.options import read_options
from lib.studies import Studies

NAMES = ("mueller_juergen_1961-02-03", "47110815")


class FilesOfPatients:
    """A folder of images, as the app's own store gives it."""

    archive = None
    final: dict[str, Path]

    def __init__(self, root: Path) -> None:
        self.root, self.final = root, {}

    def list_images(self) -> list[str]:
        return sorted(path.name.removesuffix(".nii.gz") for path in self.root.glob("*.nii.gz"))

    def series(self, image: str) -> Path:
        return self.root / f"{image}.nii.gz"

    def get_labels_by_image_id(self, image: str) -> dict[str, str]:
        return {"final": str(self.final[image])} if image in self.final else {}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    root = tmp_path_factory.mktemp("studies")
    voxels = np.stack([plane(spot=k == 1, seed=k).T * 1000 for k in range(3)], axis=-1)
    image = nibabel.Nifti1Image(voxels.astype(np.int16), np.diag([-0.9, -1.2, 3, 1]))
    for name in NAMES:
        nibabel.save(image, root / f"{name}.nii.gz")
    bundle = write_bundle(tmp_path_factory.mktemp("bundle") / "bundle")
    return Studies(FilesOfPatients(root), read_options({"classifier": str(bundle)}))


@pytest.mark.parametrize("name", NAMES)
def test_group_14_what_the_app_keeps_and_answers_names_nobody(
    name: str, studies: Studies, tmp_path: Path
) -> None:
    suggestion = studies.suggestion(name)
    assert suggestion.findings
    said = [json.dumps(answer(suggestion))]
    again = studies.suggestion(name)
    assert again.run == suggestion.run  # taken up, not made again
    painted = np.zeros((*suggestion.source.voxels.shape[:0:-1], 3), np.uint8)
    column, row = np.mgrid[: painted.shape[0], : painted.shape[1]]
    inside = np.hypot(column - CENTRE[0], row - CENTRE[1]) < RADIUS + 3
    painted[..., 1] = inside
    affine = nibabel.load(studies.store.series(name)).affine
    nibabel.save(nibabel.Nifti1Image(painted, affine), tmp_path / f"{name}.nii.gz")
    label = tmp_path / f"{name}.nii.gz"
    studies.take_over(name, label, {"label_info": [{"name": "spot"}]})
    studies.store.final[name] = label
    said.append(json.dumps(studies.last_report(name)))
    said.append(json.dumps(answer(studies.after_edit(name))))
    label.write_bytes(b"\x1f\x8bno volume")
    with pytest.raises(mc.MedcontourError) as refused:
        studies.take_over(name, label, {})
    said.append(str(refused.value))
    kept = studies.store.root / "medcontour"
    for path in kept.rglob("*"):
        said.append(str(path.relative_to(kept)))
        if path.is_file() and path.name != "salt":
            said.append(path.read_bytes().decode("latin-1"))
    assert not [word for word in name.split("_") for text in said if word in text]


def test_group_14_the_same_image_has_another_digest_elsewhere(tmp_path: Path) -> None:
    from lib.names import folder_of

    here, there = (folder_of("Li", tmp_path / root) for root in ("a", "b"))
    assert here == folder_of("Li", tmp_path / "a")
    assert here.name != there.name
