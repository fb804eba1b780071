"""Who asks: names, passwords, tokens and certificates, and that none of them is seen anywhere."""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
import requests
import trustme
from archive import Archive
from dicomweb_client.api import DICOMwebClient
from fault_proxy import Answer, Request, fault_proxy
from orthanc_server import Orthanc, running_orthanc

import medcontour as mc

pytestmark = pytest.mark.orthanc

PASSWORD = "kein-Geheimnis-47"


@contextmanager
def _guarded(folder: Path, study: Path) -> Iterator[tuple[Archive, str]]:
    """An Orthanc that asks for a password, with the study in it."""
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"anna": PASSWORD}}
    with running_orthanc(folder, **users) as orthanc, fault_proxy(orthanc.port) as proxy:
        archive = Archive(orthanc, proxy)
        yield archive, _put(study, orthanc, auth=("anna", PASSWORD))


def _put(study: Path, orthanc: Orthanc, **how: object) -> str:
    """Store the study with another client, and give its series."""
    images = [pydicom.dcmread(path) for path in sorted(study.glob("*.dcm"))]
    session = requests.Session()
    session.trust_env = False  # or a CA of the environment would take the place of the given one
    for name, value in how.items():
        setattr(session, name, value)
    DICOMwebClient(orthanc.dicomweb, session=session).store_instances(images)
    return str(images[0].SeriesInstanceUID)


def _use(monkeypatch: pytest.MonkeyPatch, **variables: object) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MEDCONTOUR_DICOMWEB_{name}", str(value))


@pytest.mark.slow
def test_a_password_is_used_and_seen_nowhere(
    study: Path,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    medcontour: Callable[..., object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    packed = base64.b64encode(f"anna:{PASSWORD}".encode()).decode()
    with _guarded(tmp_path / "orthanc", study) as (archive, series):
        address = f"{archive.address()}#{series}"
        host = archive.proxy.dicomweb.split("/")[2]
        out = tmp_path / "out"
        command = ("suggest", address, "--classifier", bundle, "--out", out, "--push")

        without = medcontour(*command)
        assert without.code == 1
        assert "asks who you are" in without.err
        assert not out.exists()

        _use(monkeypatch, USER="anna", PASSWORD=f"{PASSWORD}-wrong", HOST=host)
        wrong = medcontour(*command)
        assert wrong.code == 1
        assert "asks who you are" in wrong.err
        assert len(archive.proxy.seen) == 2  # nothing locks an account like trying again

        _use(monkeypatch, PASSWORD=PASSWORD)
        right = medcontour(*command)
        assert right.code == 0, right.err
        assert "Stored" in right.out
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    said = "".join(a.out + a.err for a in (without, wrong, right)) + caplog.text
    for secret in (PASSWORD, packed):
        assert secret not in said
        assert secret.encode() not in written


def test_a_password_of_a_netrc_file(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login anna password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with _guarded(tmp_path / "orthanc", study) as (archive, series):
        assert mc.read_scan(f"{archive.address()}#{series}").slices == 4


@pytest.mark.parametrize("source", ["TOKEN", "TOKEN_FILE"])
def test_a_token_is_sent_with_every_request(
    source: str,
    archive: Archive,
    study: Path,
    result: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gateway before the archive asks for it, as hospitals have them."""
    image, *_ = archive.put(study)

    def rule(request: Request) -> Answer | None:
        known = request.headers.get("Authorization") == f"Bearer {PASSWORD}"
        return None if known else Answer(401)

    archive.proxy.rule = rule
    (tmp_path / "token").write_text(f"{PASSWORD}\n")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login anna password another\n")
    monkeypatch.setenv("NETRC", str(netrc))
    value = PASSWORD if source == "TOKEN" else tmp_path / "token"
    _use(monkeypatch, **{source: value, "HOST": "127.0.0.1"})
    assert mc.read_scan(archive.address(image)).slices == 4
    mc.push(result, archive.address())
    assert archive.modalities() == {"CT": 4, "SEG": 1, "RTSTRUCT": 1}


def test_a_suggestion_of_somebody_else_does_not_draw_a_token_out(
    archive: Archive, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `scan` may name any host: a secret goes to its own alone."""
    document = json.loads((result / "suggestion.json").read_text())
    series = document["scan"]["series_instance_uid"]
    document["settings"]["scan"] = f"{archive.address()}#{series}"
    (tmp_path / "suggestion.json").write_text(json.dumps(document))
    _use(monkeypatch, TOKEN=PASSWORD, HOST="pacs.example")
    with pytest.raises(mc.MedcontourError, match="not for 127"):
        mc.refine(tmp_path, result / "rtstruct.dcm")
    assert archive.proxy.seen == []


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files: an authority's certificate, and the server's and a client's with their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    for name, whose in (("server", "127.0.0.1"), ("client", "reader@hospital.example")):
        issued = authority.issue_cert(whose)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    return folder


@pytest.fixture
def gateway(certificates: Path) -> ssl.SSLContext:
    """TLS as a gateway before the archive speaks it: Orthanc 1.10's own gives empty answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    return context


def test_the_servers_certificate_is_verified(
    gateway: ssl.SSLContext,
    certificates: Path,
    archive: Archive,
    study: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, *_ = archive.put(study)
    with fault_proxy(archive.orthanc.port, gateway) as proxy:
        address = f"{proxy.dicomweb}#{image.SeriesInstanceUID}"
        assert address.startswith("dicomweb+https://127.0.0.1")
        with pytest.raises(mc.MedcontourError, match="is not trusted") as refused:
            mc.read_scan(address)
        assert "MEDCONTOUR_DICOMWEB_CA" in str(refused.value)
        assert proxy.seen == []
        _use(monkeypatch, CA=certificates / "authority.pem")
        assert mc.read_scan(address).slices == 4
        with pytest.raises(mc.MedcontourError, match="is not trusted"):  # not its name
            mc.read_scan(address.replace("127.0.0.1", "localhost"))


def test_a_certificate_of_ours_where_the_server_asks_for_one(
    gateway: ssl.SSLContext,
    certificates: Path,
    archive: Archive,
    study: Path,
    result: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, *_ = archive.put(study)
    gateway.verify_mode = ssl.CERT_REQUIRED
    gateway.load_verify_locations(certificates / "authority.pem")
    with fault_proxy(archive.orthanc.port, gateway) as proxy:
        address = f"{proxy.dicomweb}#{image.SeriesInstanceUID}"
        _use(monkeypatch, CA=certificates / "authority.pem")
        with pytest.raises(mc.MedcontourError, match="MEDCONTOUR_DICOMWEB_CERTIFICATE"):
            mc.read_scan(address)
        assert proxy.seen == []
        _use(
            monkeypatch,
            CERTIFICATE=certificates / "client.pem",
            KEY=certificates / "client.key",
        )
        assert mc.read_scan(address).slices == 4
        assert len(mc.push(result, proxy.dicomweb)) == 2
    assert archive.modalities() == {"CT": 4, "SEG": 1, "RTSTRUCT": 1}


def test_an_encrypted_key_is_refused_and_no_passphrase_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "client.pem"
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    _use(monkeypatch, CERTIFICATE=key)
    with pytest.raises(mc.MedcontourError, match="without a passphrase"):
        mc.read_scan("dicomweb+https://pacs.example/rs#1.2")
