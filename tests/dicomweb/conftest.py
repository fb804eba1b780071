"""An archive with a small study, our command line, and results to store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive import Archive
from fault_proxy import fault_proxy
from orthanc_server import Orthanc
from small_files import write_bundle, write_series

import medcontour as mc
from medcontour.dicomweb import faults


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No secrets but those of the test, a cache of its own, and no long waits; gives the cache."""
    for name in [name for name in os.environ if name.startswith("MEDCONTOUR_DICOMWEB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(faults, "WAITS", (0.01, 0.01, 0.01))
    return tmp_path / "cache" / "medcontour" / "dicomweb"


@pytest.fixture
def archive(orthanc: Orthanc) -> Iterator[Archive]:
    """An empty Orthanc behind a proxy that passes everything on until it is told otherwise."""
    with fault_proxy(orthanc.port) as proxy:
        yield Archive(orthanc, proxy)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small CT images; the second has a spot."""
    return write_series(tmp_path_factory.mktemp("dicomweb") / "study")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that finds the spot."""
    return write_bundle(tmp_path_factory.mktemp("dicomweb_bundle") / "bundle")


@pytest.fixture(scope="session")
def result(study: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the main job wrote for the study, read from its files: an RTSTRUCT and a SEG."""
    out = tmp_path_factory.mktemp("dicomweb_result") / "out"
    suggestion = mc.suggest(mc.read_scan(study), mc.load_classifier(bundle))
    saved = suggestion.save(out, formats=["rtstruct", "seg"])
    assert saved.files == ["suggestion.json", "rtstruct.dcm", "seg.dcm"]
    return out
