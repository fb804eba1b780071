"""What tests do over and over with a server."""

from __future__ import annotations

import time
from typing import Any

import httpx

SECONDS = 1200


def opened(client: httpx.Client, path: str) -> str:
    reply = client.post("/api/studies", json={"path": path})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["study"])


def begun(client: httpx.Client, study: str, kind: str, **more: Any) -> str:
    headers = more.pop("headers", {})
    reply = client.post(f"/api/studies/{study}/jobs", json={"kind": kind, **more}, headers=headers)
    assert reply.status_code == 202, reply.text
    return str(reply.json()["job"])


def ended(client: httpx.Client, job: str, seconds: float = SECONDS) -> dict[str, Any]:
    """A job once it has ended; looked at less often the longer it takes."""
    begin = time.monotonic()
    until = begin + seconds
    while time.monotonic() < until:
        found: dict[str, Any] = client.get(f"/api/jobs/{job}").json()
        if found["state"] in ("done", "failed", "cancelled"):
            return found
        time.sleep(min(2.0, 0.05 + (time.monotonic() - begin) / 10))
    raise AssertionError(f"the job has not ended: {found['state']}, {found['step']}")


def suggested(client: httpx.Client, study: str) -> dict[str, Any]:
    """The suggestion for a study."""
    job = ended(client, begun(client, study, "suggest"))
    assert job["state"] == "done", job
    document: dict[str, Any] = client.get(f"/api/studies/{study}/suggestion").json()
    return document


def outlines(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All outlines of a suggestion, as an edit holds them."""
    return [
        {
            "finding": finding["id"],
            "slice": part["slice"],
            "corners_lps_mm": outline["polygon_lps_mm"],
        }
        for finding in document["findings"]
        for part in finding["slices"]
        for outline in part["outlines"]
    ]


def lease_of(client: httpx.Client, study: str) -> dict[str, str]:
    """The header that a change needs."""
    reply = client.post("/api/leases", json={"study": study})
    assert reply.status_code == 201, reply.text
    return {"Medcontour-Lease": reply.json()["lease"]}
