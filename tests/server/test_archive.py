"""A series opened from a real archive over HTTP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from orthanc_server import Orthanc
from server_thread import serving
from small_files import write_bundle, write_series
from verbs import suggested

import medcontour as mc
from medcontour.server import ServerOptions
from medcontour.workspace import Setup


@pytest.mark.orthanc
def test_a_series_is_opened_from_an_archive(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_series(tmp_path / "series")
    for file in sorted(folder.glob("*.dcm")):
        orthanc.store(file)
    here = mc.read_scan(folder)
    setup = Setup(mc.load_classifier(write_bundle(tmp_path / "bundle")), mc.Settings())
    archive = f"dicomweb+{orthanc.dicomweb}"
    options = ServerOptions(tmp_path / "out", port=0, archives=(archive,))
    with serving(setup, options) as client:
        assert client.get("/api/info").json()["archives"]
        address = f"{archive}#{here.series_instance_uid}"
        reply = client.post("/api/studies", json={"address": address})
        assert reply.status_code == 201, reply.text
        study = reply.json()
        assert study["shape"] == list(here.voxels.shape)
        assert np.allclose(study["slice_affines_lps"][1], here.slice_affine_lps(1))
        found = suggested(client, study["study"])
        assert [part["slice"] for finding in found["findings"] for part in finding["slices"]] == [1]
        content = client.get(f"/api/studies/{study['study']}/export/rtstruct").content
        assert content[128:132] == b"DICM"
        assert study["study"] in {each["study"] for each in client.get("/api/studies").json()}
