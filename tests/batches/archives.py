"""Archives to make, and folders of results to compare."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
from small_files import BIRTH, FAMILY, GIVEN, NUMBER, plane, write_series

import medcontour as mc
from medcontour import batches
from medcontour.batches.source import Study

PICTURES, SPOTS = 3, 1
TIMES = re.compile(r'<tr><th scope="row">(created|seconds|peak memory mb)</th>.*')


class Loud(batches.FolderSource):
    """A folder with a DICOM series whose reading raises an error that says who the patient is."""

    def read(self, study: Study) -> mc.Scan:
        if study.uid is not None:
            raise KeyError(f"{FAMILY}^{GIVEN} {NUMBER} {BIRTH}")
        return super().read(study)


def write_picture(path: Path, *, spot: bool, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.uint8(255 * plane(spot=spot, seed=seed))).save(path)
    return path


def make_archive(root: Path) -> Path:
    for n in range(PICTURES):
        write_picture(root / f"{FAMILY}_{n}" / f"{GIVEN}.png", spot=n < SPOTS, seed=n)
    write_series(root / "ct" / FAMILY, [plane(spot=k == 0, seed=k) for k in range(2)])
    (root / "damaged.png").write_bytes(b"\x89PNG\r\nnothing")
    return root


def results(run: Path) -> dict[str, object]:
    """All that a run's series say, by file, without what differs between any two runs: times."""
    found: dict[str, object] = {}
    for file in sorted(run.glob("*/**/*")):
        name = file.relative_to(run).as_posix()
        if file.suffix == ".dcm":
            dataset = pydicom.dcmread(file)
            for element in list(dataset.iterall()):
                if element.VR in ("DA", "TM", "DT"):
                    element.value = None
            found[name] = (dataset.to_json(), dataset.SOPInstanceUID)
        elif file.name == "suggestion.json":
            document = json.loads(file.read_text())
            found[name] = document | {"run": sorted(document["run"])}
        elif file.name == "study.json":
            document = json.loads(file.read_text())
            found[name] = document["facts"] | {"seconds": None}
        elif file.suffix == ".html":
            found[name] = TIMES.sub("", file.read_text())
        elif file.is_file():
            found[name] = file.read_bytes()
    return found


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file of the results was written, and which it is."""
    return {
        str(file): (file.stat().st_mtime_ns, file.stat().st_ino)
        for file in folder.glob("run-*/*/**/*")
    }
