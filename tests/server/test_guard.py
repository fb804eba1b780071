"""Who comes in, and how much may come: keys, names, origins, versions, bodies, paths."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from verbs import opened

import medcontour as mc
from medcontour.server import Bounds, ServerOptions

KEY = "a key of enough characters"
Serve = Callable[[ServerOptions], httpx.Client]


def test_every_route_but_the_page_wants_the_key(
    serve: Serve, studies: Path, tmp_path: Path
) -> None:
    client = serve(ServerOptions(tmp_path / "out", studies, port=0, key=KEY))
    document = client.get("/api/openapi.json", headers={"Authorization": f"Bearer {KEY}"}).json()
    for path, methods in document["paths"].items():
        for method in methods:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
                reply = client.request(method, path, headers=headers)
                assert reply.status_code == 401, (method, path)
                assert reply.headers["www-authenticate"] == "Bearer"
                assert KEY not in reply.text
    assert client.get("/").status_code == 200
    client.headers["Authorization"] = f"Bearer {KEY}"
    assert client.get("/api/info").status_code == 200
    assert opened(client, "spot.nii.gz")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_other_hosts_demand_a_key(host: str, tmp_path: Path) -> None:
    with pytest.raises(mc.MedcontourError, match="a key is needed"):
        ServerOptions(tmp_path, host=host)
    assert ServerOptions(tmp_path, host=host, key=KEY).known_as >= {host}
    with pytest.raises(mc.MedcontourError, match="too short"):
        ServerOptions(tmp_path, host=host, key="short")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Medcontour-Api": "1"}, 200),
        ({"Medcontour-Api": "2"}, 400),
    ],
)
def test_other_sites_names_and_versions_are_refused(
    client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    reply = client.get("/api/info", headers=headers)
    assert reply.status_code == status
    assert reply.headers["Medcontour-Api"] == "1"  # the client sees what the server speaks
    if status != 200:
        assert reply.json()["error"].endswith(".")


def test_a_page_of_another_site_gets_nothing_by_any_way(client: httpx.Client) -> None:
    reply = client.options("/api/info", headers={"Origin": "https://evil.example"})
    assert reply.status_code == 403
    assert not [name for name in reply.headers if name.startswith("access-control")]
    form = {"Content-Type": "text/plain", "Origin": "https://evil.example"}
    reply = client.post("/api/studies", content='{"path": "spot.nii.gz"}', headers=form)
    assert reply.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "../secret.nii.gz",
        "a/../../secret.nii.gz",
        "/etc/passwd",
        "~/secret.nii.gz",
        "..",
        "link.nii.gz",
        "folder_link/secret.nii.gz",
        "..\\secret.nii.gz",
        "C:\\secret.nii.gz",
        "spot.nii.gz\0.png",
        "file:///etc/passwd",
        "dicomweb+http://127.0.0.1:1#1.2",
        "x" * 900,
    ],
)
def test_no_path_leads_out_of_the_folder(serve: Serve, tmp_path: Path, path: str) -> None:
    inside = tmp_path / "studies"
    inside.mkdir()
    secret = tmp_path / "secret.nii.gz"
    secret.write_bytes(b"secret")
    (inside / "link.nii.gz").symlink_to(secret)
    (inside / "folder_link").symlink_to(tmp_path)
    client = serve(ServerOptions(tmp_path / "out", inside, port=0))
    reply = client.post("/api/studies", json={"path": path})
    assert reply.status_code in (403, 404)
    assert "secret" not in reply.text
    assert str(tmp_path) not in reply.text
    assert client.get("/api/studies").json() == []


def test_no_path_of_the_page_leads_out_of_it(client: httpx.Client) -> None:
    for path in (
        "/../app.py",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/%2e%2e%2fapp.py",
        "//etc/passwd",
    ):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
            host = f"{client.base_url.host}:{client.base_url.port}"
            raw.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            reply = b"".join(iter(lambda: raw.recv(4096), b""))
        assert reply.split()[1] == b"404", path


def test_archives_that_were_not_named_are_not_read_from(serve: Serve, tmp_path: Path) -> None:
    own = "dicomweb+http://localhost:1/dicom-web"
    client = serve(ServerOptions(tmp_path / "out", archives=(own,), port=0))
    for address in ("dicomweb+http://localhost:2/dicom-web#1.2", "dicomweb+http://[::1#1", "x"):
        reply = client.post("/api/studies", json={"address": address})
        assert reply.status_code in (403, 422), address
    assert client.post("/api/studies", json={"address": own}).status_code == 422  # no series
    reply = client.post("/api/studies", json={"address": f"{own}#1.2.3"})
    assert (reply.status_code, reply.json()["error"].endswith(".")) == (422, True)
    assert client.post("/api/studies", json={"path": "spot.nii.gz"}).status_code == 403


@pytest.mark.parametrize(
    ("folder", "name"), [("scans", "1: scans"), ("Mueller_Juergen_19610203", "1: …")]
)
def test_a_folder_that_is_a_series_itself_has_its_name_unless_it_could_be_a_patients(
    serve: Serve, sample_data: Path, tmp_path: Path, folder: str, name: str
) -> None:
    shutil.copytree(sample_data / "ct_study", tmp_path / folder)
    client = serve(ServerOptions(tmp_path / "out", tmp_path / folder, port=0))
    assert [each["name"] for each in client.get("/api/studies").json()] == [name]


@pytest.fixture
def bounded(serve: Serve, studies: Path, tmp_path: Path) -> httpx.Client:
    bounds = Bounds(
        upload_bytes=200_000,
        body_bytes=10_000,
        body_seconds=1.5,
        upload_seconds=2.0,
        silence_seconds=0.5,
        head_seconds=1.0,
    )
    return serve(ServerOptions(tmp_path / "out", studies, port=0, bounds=bounds))


def test_a_huge_body_is_refused_before_it_has_come(bounded: httpx.Client) -> None:
    for path, most in (("/api/studies", 10_000), ("/api/uploads", 200_000)):
        reply = bounded.post(path, content=b"x" * (most + 1))
        assert (reply.status_code, "allowed" in reply.json()["error"]) == (413, True)

        def endless(most: int = most) -> object:
            for _ in range(most // 1000 + 5):
                yield b"x" * 1000

        reply = bounded.post(path, content=endless())  # its length is not said
        assert reply.status_code == 413
    assert bounded.get("/api/info").status_code == 200


def test_a_slow_body_is_not_waited_for(bounded: httpx.Client) -> None:
    base = bounded.base_url

    def trickle(path: str, pause: float, pieces: int) -> bytes:
        """What comes back while the body is on its way; nothing once all pieces were sent."""
        with socket.create_connection((base.host, base.port), timeout=10) as raw:
            raw.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {base.host}:{base.port}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode()
            )
            raw.settimeout(pause)
            for _ in range(pieces):
                try:
                    raw.sendall(b" ")
                    if reply := raw.recv(4096):
                        return reply
                except TimeoutError:
                    continue
        return b""

    assert trickle("/api/studies", 60.0, 1).split()[1] == b"408"  # silent
    assert trickle("/api/studies", 0.2, 300).split()[1] == b"408"  # never silent, never done
    assert bounded.get("/api/info").status_code == 200


@pytest.mark.parametrize("before", ["nothing", "a request"])
def test_a_slow_head_is_not_waited_for(bounded: httpx.Client, before: str) -> None:
    base = bounded.base_url
    head = f"GET /api/info HTTP/1.1\r\nHost: {base.host}:{base.port}\r\n\r\n".encode()
    for trickle in (False, True):
        with socket.create_connection((base.host, base.port), timeout=10) as raw:
            if before == "a request":
                raw.sendall(head)
                assert raw.recv(65536).startswith(b"HTTP/1.1 200")
                raw.sendall(head[:5])
            raw.settimeout(0.1)
            for _ in range(600):
                try:
                    if trickle:
                        raw.sendall(b"G")
                    if raw.recv(65536) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                pytest.fail("the connection stayed open for a minute")
    assert bounded.get("/api/info").status_code == 200


def test_what_does_not_fit_is_said_and_not_repeated(client: httpx.Client) -> None:
    study = opened(client, "spot.nii.gz")
    for path, body in (
        ("/api/studies", {"path": ["Mueller"]}),
        ("/api/studies", {"path": "a", "address": "b"}),
        ("/api/studies", {"path": "spot.nii.gz", "Mueller": 1}),
        (f"/api/studies/{study}/jobs", {"kind": "Mueller"}),
        (f"/api/studies/{study}/jobs", {"kind": "snap", "points": [[1, 2]]}),
        (f"/api/studies/{study}/evidence", {"slice": "1", "corners_lps_mm": []}),
    ):
        reply = client.post(path, json=body)
        assert reply.status_code == 422, body
        assert list(reply.json()) == ["error"]
        assert '"Mueller"' not in reply.text
    for broken in ("{", "NaN", json.dumps({"path": 1})[:-1], "[" * 9000):
        reply = client.post("/api/studies", content=broken)
        assert (reply.status_code // 100, list(reply.json())) == (4, ["error"])


def test_what_can_be_done_at_a_path_is_said(client: httpx.Client) -> None:
    for method, path, allowed in (
        ("GET", "/api/uploads", "POST"),
        ("PUT", "/api/studies", "GET, POST"),
        ("PATCH", f"/api/studies/{'0' * 24}", "DELETE, GET"),
    ):
        reply = client.request(method, path)
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    assert client.get("/api/nothing").status_code == 404


def test_nothing_is_fetched_from_elsewhere(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
