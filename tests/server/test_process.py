"""The command itself: a real process, killed and started again, and what it says of patients."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from server_process import running
from small_files import Answer
from verbs import begun, ended, opened, suggested

ONE_SLICE = ("--slices", "13")
PATIENT = ("Mueller", "Juergen", "19610203")


def test_a_key_is_demanded_before_anything_is_loaded(
    medcontour: Callable[..., Answer], tmp_path: Path
) -> None:
    done = medcontour(
        "serve", "--classifier", "nowhere", "--out", tmp_path / "out", "--host", "0.0.0.0"
    )
    assert (done.code, "--key-file" in done.err) == (1, True)
    done = medcontour(
        "serve", "--classifier", "nowhere", "--out", tmp_path / "out", "--studies", tmp_path / "no"
    )
    assert (done.code, "--studies" in done.err) == (1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_killed_server_goes_on_where_it_was(sample_data: Path, tmp_path: Path) -> None:
    out, arguments = tmp_path / "out", ("--studies", str(sample_data), *ONE_SLICE)
    with running(out, *arguments) as server, server.client() as client:
        study = opened(client, "ct_study")
        jobs = [begun(client, study, "suggest") for _ in range(3)]
        while client.get(f"/api/jobs/{jobs[0]}").json()["state"] == "waiting":
            pass
        server.stop(signal.SIGKILL)
    with running(out, *arguments) as server, server.client() as client:
        for job in jobs:
            assert ended(client, job)["state"] == "done"
        assert client.get(f"/api/studies/{study}/suggestion").json()["findings"]
        assert server.stop().count("\n") <= 2  # it ends by itself, and without a word


@pytest.mark.slow
def test_nothing_that_is_said_or_logged_names_a_patient(sample_data: Path, tmp_path: Path) -> None:
    name = "Mueller_Juergen_19610203"
    studies = tmp_path / "studies" / name
    shutil.copytree(sample_data / "ct_study", studies / "ct")
    shutil.copy(sample_data / "volume.nii.gz", studies / f"{name}.nii.gz")
    (studies / f"{name}.png").write_bytes(b"\x89PNG nothing")
    said = []
    out = tmp_path / "out"
    with running(out, "--studies", str(tmp_path / "studies"), *ONE_SLICE) as server:
        with server.client() as client:
            listed = client.get("/api/studies")
            said.append(listed.text)
            assert len(listed.json()) == 3
            study = opened(client, f"{name}/ct")
            said.append(json.dumps(suggested(client, study)))
            bad = client.post("/api/studies", json={"path": f"{name}/{name}.png"})
            assert bad.status_code == 422
            said.append(bad.text)
            for each in listed.json():
                said.append(client.get(f"/api/studies/{each['study']}").text)
                said.append(json.dumps(ended(client, begun(client, each["study"], "suggest"))))
                said.append(client.get(f"/api/studies/{each['study']}/export/report").text)
            said.append(client.post("/api/learn").text)
        said.append(server.stop())
    kept = [path for path in out.rglob("*") if path.is_file() and path.name != "salt"]
    said += [str(path.relative_to(out)) for path in kept]
    said += [path.read_bytes().decode("latin-1") for path in kept]
    assert not [word for word in PATIENT for text in said if word.lower() in text.lower()]
    assert not [text for text in said if str(tmp_path) in text]
