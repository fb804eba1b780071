"""Outlines learned from an edit: over HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from server_thread import serving
from small_files import write_bundle, write_spot_pictures
from verbs import ended, lease_of, opened, outlines, suggested

import medcontour as mc
from medcontour.learning import job, training
from medcontour.server import ServerOptions
from medcontour.workspace import Setup


@pytest.mark.slow
def test_outlines_are_learned_from_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "TRAINING", replace(training.TRAINING, steps=10))
    folder = write_spot_pictures(tmp_path, 9, 4) / "images"
    setup = Setup(
        mc.load_classifier(write_bundle(tmp_path / "bundle", scale=(0, 255))), mc.Settings()
    )
    with serving(setup, ServerOptions(tmp_path / "out", folder, port=0)) as client:
        refused = ended(client, client.post("/api/learn").json()["job"])
        assert (refused["state"], "nothing to learn" in refused["error"]) == ("failed", True)
        assert client.get("/api/learned").status_code == 404
        study = opened(client, "spot0.png")
        left = outlines(suggested(client, study))
        headers = lease_of(client, study)
        edit = {"outlines": left}
        reply = client.put(f"/api/studies/{study}/edit", json=edit, headers=headers)
        assert reply.status_code == 200, reply.text
        done = ended(client, client.post("/api/learn").json()["job"])
        assert done["state"] == "done", done
        learned = tmp_path / "learned.safetensors"
        learned.write_bytes(client.get("/api/learned").content)
    found = mc.suggest(folder / "spot1.png", tmp_path / "bundle", outline=f"learned:{learned}")
    assert list(found.contours("outline"))
