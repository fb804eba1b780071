"""What is uploaded: of every kind, and nothing that only looks like a scan."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import medcontour as mc
from medcontour.server import Bounds, ServerOptions


def _zip(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def test_every_kind_of_scan_can_be_uploaded(
    client: httpx.Client, studies: Path, sample_data: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(tmp_path / "a.png")
    slices = sorted((sample_data / "ct_study").iterdir())
    series = {f"../../{n}/{path.name}": path.read_bytes() for n, path in enumerate(slices)}
    series["../README.txt"] = b"no image"
    for content, source in (
        ((studies / "spot.nii.gz").read_bytes(), studies / "spot.nii.gz"),
        ((tmp_path / "a.png").read_bytes(), tmp_path / "a.png"),
        ((sample_data / "radiograph.dcm").read_bytes(), sample_data / "radiograph.dcm"),
        (_zip(series), sample_data / "ct_study"),
    ):
        reply = client.post("/api/uploads", content=content)
        assert reply.status_code == 201, reply.text
        scan = mc.read_scan(source)
        shown = reply.json()
        assert shown["shape"] == list(scan.voxels.shape[:3])
        assert np.array_equal(shown["slice_affines_lps"][-1], scan.slice_affine_lps(-1))
        assert client.delete(f"/api/studies/{shown['study']}").status_code == 204


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ a program",
        b"\x1f\x8b no gzip",
        b"\x89PNG no picture",
        b"PK\x03\x04 no archive",
        _zip({"a.txt": b"no image"}),
        _zip({}),
        _zip({"a": bytes(128) + b"DICM"}),
    ],
    # Named: an archive holds the time at which each process of the tests makes it.
    ids=["nothing", "program", "gzip", "png", "zip", "text", "empty", "header"],
)
def test_what_is_no_scan_leaves_nothing(
    serve: Callable[[ServerOptions], httpx.Client], tmp_path: Path, content: bytes
) -> None:
    client = serve(ServerOptions(tmp_path / "out", port=0))
    before = sorted(path for path in (tmp_path / "out").rglob("*"))
    reply = client.post("/api/uploads", content=content)
    assert reply.status_code == 422, reply.text
    assert reply.json()["error"].endswith(".")
    assert str(tmp_path) not in reply.text
    assert client.get("/api/studies").json() == []
    assert sorted(path for path in (tmp_path / "out").rglob("*")) == before


def test_an_archive_that_unpacks_to_too_much_is_refused(
    serve: Callable[[ServerOptions], httpx.Client], tmp_path: Path
) -> None:
    bounds = Bounds(unpacked_bytes=100_000, files=10, uploads=1)
    client = serve(ServerOptions(tmp_path / "out", port=0, bounds=bounds))
    for files in ({"a": bytes(10_000_000)}, {f"{n}": b"x" for n in range(11)}):
        reply = client.post("/api/uploads", content=_zip(files))
        assert reply.status_code == 413, reply.text
    picture = io.BytesIO()
    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(picture, "png")
    assert client.post("/api/uploads", content=picture.getvalue()).status_code == 201
    assert client.post("/api/uploads", content=picture.getvalue()).status_code == 507
