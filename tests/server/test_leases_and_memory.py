"""Who may change a study, for how long; which scans are held in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from verbs import lease_of, opened, outlines, suggested

import medcontour as mc
from medcontour.server import Bounds, ServerOptions
from medcontour.server.held import HeldScans
from medcontour.server.leases import Leases
from medcontour.server.problems import Problem


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_ends_when_nobody_uses_it_and_not_before() -> None:
    clock = Clock()
    leases = Leases(Bounds(idle_seconds=10, leases=2), clock)
    lease = leases.take("a")
    with pytest.raises(Problem, match="Another client"):
        leases.take("a")
    for _ in range(3):
        clock.now += 9
        leases.check(lease, "a")
    with pytest.raises(Problem, match="needs a lease"):
        leases.check(lease, "b")
    leases.take("b")
    with pytest.raises(Problem, match="Too many"):
        leases.take("c")
    clock.now += 11
    with pytest.raises(Problem, match="needs a lease"):
        leases.check(lease, "a")
    assert leases.take("a") != lease


def test_scans_are_read_once_and_let_go_when_idle(studies: Path) -> None:
    clock, read = Clock(), []

    def reading(study: str) -> mc.Scan:
        read.append(study)
        return mc.read_scan(studies / f"{study}.nii.gz")

    held = HeldScans(reading, Bounds(scans=1, idle_seconds=10), clock)
    assert held.scan("spot") is held.scan("spot")
    held.scan("quiet")
    held.scan("spot")
    assert read == ["spot", "quiet", "spot"]
    clock.now += 11
    held.sweep()
    held.scan("spot")
    assert len(read) == 4


def test_only_who_has_the_lease_changes_a_study(client: httpx.Client) -> None:
    study = opened(client, "spot.nii.gz")
    left = outlines(suggested(client, study))
    headers = lease_of(client, study)
    assert client.post("/api/leases", json={"study": study}).status_code == 409
    url = f"/api/studies/{study}/edit"
    for other in ({}, {"Medcontour-Lease": "0" * 32}):
        assert client.put(url, json={"outlines": left}, headers=other).status_code == 409
        reply = client.post(f"/api/studies/{study}/jobs", json={"kind": "refine"}, headers=other)
        assert reply.status_code == 409
    assert client.put(url, json={"outlines": left}, headers=headers).status_code == 200
    lease = headers["Medcontour-Lease"]
    assert client.put(f"/api/leases/{lease}").json()["study"] == study
    assert client.delete(f"/api/leases/{lease}").status_code == 204
    assert client.put(f"/api/leases/{lease}").status_code == 404
    assert client.put(url, json={"outlines": left}, headers=headers).status_code == 409


def test_an_uploaded_study_is_removed_with_all_that_was_made_of_it(
    serve: Callable[[ServerOptions], httpx.Client], studies: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    client = serve(ServerOptions(out, studies, port=0))
    study = client.post("/api/uploads", content=(studies / "spot.nii.gz").read_bytes()).json()
    suggested(client, study["study"])
    before = {path for path in out.rglob("*") if path.is_file()}
    assert [path for path in before if path.name == "suggestion.json"]
    headers = lease_of(client, study["study"])
    assert client.delete(f"/api/studies/{study['study']}").status_code == 409
    assert client.delete(f"/api/studies/{study['study']}", headers=headers).status_code == 204
    assert client.get(f"/api/studies/{study['study']}").status_code == 404
    names = {path.name for path in out.rglob("*") if path.is_file()}
    assert not [name for name in names if name == "suggestion.json" or ".nii" in name]
    own = opened(client, "spot.nii.gz")
    assert client.delete(f"/api/studies/{own}").status_code == 403
    assert (studies / "spot.nii.gz").is_file()
