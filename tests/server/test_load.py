"""Many clients at once, and requests that no client would send."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest
from server_thread import serving
from verbs import begun, ended, lease_of, opened, outlines, suggested

from medcontour.server import Bounds, ServerOptions
from medcontour.workspace import Setup

CLIENTS, EDITS = 20, 2


@pytest.mark.slow
def test_twenty_clients_at_once_lose_nothing(setup: Setup, studies: Path, tmp_path: Path) -> None:
    """Each uploads, suggests, judges, edits and exports; every edit is what its client sent."""
    content = (studies / "spot.nii.gz").read_bytes()
    failed: list[str] = []
    done: Counter[str] = Counter()

    def story(url: str, number: int) -> None:
        chosen = random.Random(number)
        with httpx.Client(base_url=url, timeout=1200, trust_env=False) as client:
            study = client.post("/api/uploads", content=content).json()["study"]
            left = outlines(suggested(client, study))
            headers = lease_of(client, study)
            for _ in range(EDITS):
                off = chosen.choice((-1, 1)) * chosen.uniform(0.5, 2)  # a reader's, and no rounding
                corners = [[x + off, y, z] for x, y, z in left[0]["corners_lps_mm"]]
                sent = {**left[0], "corners_lps_mm": corners}
                look = {key: sent[key] for key in ("slice", "corners_lps_mm")}
                assert client.post(f"/api/studies/{study}/evidence", json=look).status_code == 200
                reply = client.put(
                    f"/api/studies/{study}/edit", json={"outlines": [sent]}, headers=headers
                )
                assert reply.status_code == 200, reply.text
                kept = client.get(f"/api/studies/{study}/suggestion", params={"edited": True})
                [there] = outlines(kept.json())
                for a, b in zip(there["corners_lps_mm"], corners, strict=True):
                    assert max(abs(p - q) for p, q in zip(a, b, strict=True)) < 1e-6
                assert client.get(f"/api/studies/{study}/export/nrrd").status_code == 200
                done["edits"] += 1
            shared = opened(client, "spot.nii.gz")
            assert ended(client, begun(client, shared, "suggest"))["state"] == "done"
            done["clients"] += 1

    def told(url: str, number: int) -> None:
        try:
            story(url, number)
        except BaseException as error:
            failed.append(f"{number}: {type(error).__name__}: {error}")

    options = ServerOptions(
        tmp_path / "out", studies, port=0, bounds=Bounds(scans=6, patience_seconds=1200)
    )
    with serving(setup, options) as client:
        url = str(client.base_url)
        threads = [threading.Thread(target=told, args=(url, n)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert done == {"edits": EDITS * CLIENTS, "clients": CLIENTS}
        listed = client.get("/api/studies").json()
        assert sum(each["origin"] == "upload" for each in listed) == CLIENTS


@pytest.mark.slow
@pytest.mark.schemathesis
def test_schemathesis_finds_nothing(client: httpx.Client, tmp_path: Path) -> None:
    """Requests made up from the OpenAPI document, right ones and wrong ones."""
    opened(client, "spot.nii.gz")
    # What no schema can say (a curve without an area, a file that is no scan) is 422 as well.
    (tmp_path / "schemathesis.toml").write_text(
        "[checks]\npositive_data_acceptance.expected-statuses = "
        '["2xx", 401, 403, 404, 409, 422, 503, 507]\n'
    )
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{client.base_url}/api/openapi.json",
            "--checks",
            "all",
            "--max-examples",
            "20",
            "--seed",
            "1",
            "--no-color",
            "--request-timeout",
            "120",
            "--generation-database",
            "none",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
