"""The verbs as requests: what both clients send, and what they make of the reply."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import httpx
import numpy as np
import numpy.typing as npt

from medcontour_client.errors import JobCancelled, JobFailed, ServerError, WrongVersion
from medcontour_client.parts import Info, Job, Listed, Outline, Study

__all__ = ["API", "Call", "as_study", "check", "common", "one_file", "outcome", "unreachable"]

API = "1"
"""The version of the interface that this client speaks."""

API_HEADER = "Medcontour-Api"
LEASE_HEADER = "Medcontour-Lease"
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 1.0
"""How long, and how often, a client that follows a job looks for a server that starts again."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

Given = TypeVar("Given")
Axis = Literal["slice", "row", "column"]
AnyStudy = Study | str


@dataclass(frozen=True)
class Call(Generic[Given]):
    """One request, and what its reply is read as."""

    method: str
    path: str
    read: Callable[[httpx.Response], Given]
    json: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        """What httpx's ``request`` takes, but a body that is no JSON."""
        return {
            "method": self.method,
            "url": self.path,
            "json": self.json,
            "params": self.params,
            "headers": self.headers,
        }


def unreachable(error: httpx.TransportError) -> ServerError:
    """Say that no reply came."""
    return ServerError(
        f"The server cannot be reached ({type(error).__name__}); check its address, and that it "
        "runs."
    )


def common(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    """What both clients of httpx are made with.

    Proxies of the environment are not used: scans go to the server and nowhere else.
    """
    headers = {API_HEADER: API} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    if key is not None and httpx.URL(url).scheme != "https" and _host(url) not in LOOPBACK:
        raise ServerError(
            "The key, and scans, would go over the network unencrypted; give an https address."
        )
    return {"base_url": url, "headers": headers, "timeout": timeout, "trust_env": False}


def check(reply: httpx.Response) -> httpx.Response:
    """Raise what the server says is wrong; its body has been read.

    Raises
    ------
    WrongVersion, ServerError
        See there.
    """
    spoken = reply.headers.get(API_HEADER)
    if spoken is None:
        raise ServerError("There is no medcontour server at this address.", reply.status_code)
    if spoken != API:
        raise WrongVersion(
            f"The server speaks version {spoken} of the interface and this client version {API}; "
            "install both of the same version.",
            reply.status_code,
        )
    if reply.is_success:
        return reply
    try:
        sentence = str(reply.json()["error"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The server replied with status {reply.status_code}."
    raise ServerError(sentence, reply.status_code)


def outcome(job: Job) -> dict[str, Any]:
    """Give the result of a job that has ended.

    Raises
    ------
    JobFailed, JobCancelled
        Where there is none.
    """
    if job.state == "failed":
        raise JobFailed(job.error or "The job failed.")
    if job.state == "cancelled":
        raise JobCancelled("The job was cancelled.")
    return job.result or {}


def as_study(study: AnyStudy) -> str:
    """Give a study's id."""
    return study.id if isinstance(study, Study) else study


@contextmanager
def one_file(scan: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file as it is, and a folder as a ZIP archive whose names say nothing."""
    path = Path(scan)
    if not path.exists():
        raise ServerError("There is no such scan; check the path.")
    if not path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "scan.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            files = sorted(file for file in path.rglob("*") if file.is_file())
            for number, file in enumerate(files):
                archive.writestr(f"{number:06}", file.read_bytes())
        yield packed


def info() -> Call[Info]:
    """What the server is."""
    return Call("GET", "/api/info", lambda reply: Info.read(reply.json()))


def studies() -> Call[list[Listed]]:
    """What can be opened."""

    def read(reply: httpx.Response) -> list[Listed]:
        return [Listed(each["study"], each["origin"], each["name"]) for each in reply.json()]

    return Call("GET", "/api/studies", read)


def open_study(path: str | None, address: str | None) -> Call[Study]:
    """Open a scan."""
    given = {"path": path, "address": address}
    return Call("POST", "/api/studies", _study, {k: v for k, v in given.items() if v is not None})


def study(which: AnyStudy) -> Call[Study]:
    """A scan's geometry."""
    return Call("GET", f"/api/studies/{as_study(which)}", _study)


def remove(which: AnyStudy, lease: str | None) -> Call[None]:
    """Remove an uploaded scan."""
    return Call("DELETE", f"/api/studies/{as_study(which)}", _nothing, headers=_leased(lease))


def voxels(which: AnyStudy) -> Call[npt.NDArray[np.float32]]:
    """All values."""
    return Call("GET", f"/api/studies/{as_study(which)}/voxels", _values)


def plane(which: AnyStudy, axis: Axis, index: int) -> Call[npt.NDArray[np.float32]]:
    """The values of one plane."""
    return Call("GET", f"/api/studies/{as_study(which)}/planes/{axis}/{index}", _values)


def begin(which: AnyStudy, kind: str, lease: str | None = None, **more: Any) -> Call[Job]:
    """Begin a job."""
    path = f"/api/studies/{as_study(which)}/jobs"
    return Call("POST", path, _job, {"kind": kind, **more}, headers=_leased(lease))


def learn() -> Call[Job]:
    """Begin to learn from edits."""
    return Call("POST", "/api/learn", _job)


def job(id: str) -> Call[Job]:
    """How far a job is."""
    return Call("GET", f"/api/jobs/{id}", _job)


def cancel(id: str) -> Call[Job]:
    """Cancel a job."""
    return Call("POST", f"/api/jobs/{id}/cancel", _job)


def suggestion(which: AnyStudy, edited: bool) -> Call[dict[str, Any]]:
    """suggestion.json."""
    path = f"/api/studies/{as_study(which)}/suggestion"
    return Call("GET", path, _document, params={"edited": edited})


def evidence(which: AnyStudy, slice: int, corners: npt.ArrayLike) -> Call[dict[str, Any]]:
    """Judge a curve."""
    sent = {"slice": int(slice), "corners_lps_mm": np.asarray(corners, np.float64).tolist()}
    return Call("POST", f"/api/studies/{as_study(which)}/evidence", _document, sent)


def edit(which: AnyStudy, outlines: Sequence[Outline], lease: str | None) -> Call[dict[str, Any]]:
    """Take an edit over."""
    sent = {"outlines": [outline.to_json() for outline in outlines]}
    path = f"/api/studies/{as_study(which)}/edit"
    return Call("PUT", path, _document, sent, headers=_leased(lease))


def edit_file(which: AnyStudy, names: Sequence[str], lease: str | None) -> Call[dict[str, Any]]:
    """Take an edited file over; its content is sent beside this."""
    path = f"/api/studies/{as_study(which)}/edit/file"
    params = {"names": ",".join(names)} if names else {}
    return Call("PUT", path, _document, params=params, headers=_leased(lease))


def upload() -> Call[Study]:
    """Upload a scan; its content is sent beside this."""
    return Call("POST", "/api/uploads", _study)


def edit_report(which: AnyStudy) -> Call[dict[str, Any]]:
    """The report of the latest edit."""
    return Call("GET", f"/api/studies/{as_study(which)}/edit", _document)


def export(
    which: AnyStudy, format: str, edited: bool, include_weak: bool, merge_findings: bool
) -> Call[bytes]:
    """A file of a format."""
    params = {"edited": edited, "include_weak": include_weak, "merge_findings": merge_findings}
    path = f"/api/studies/{as_study(which)}/export/{format}"
    return Call("GET", path, _content, params=params)


def learned() -> Call[bytes]:
    """The latest learned outlines."""
    return Call("GET", "/api/learned", _content)


def take_lease(which: AnyStudy) -> Call[str]:
    """Take a lease of a study."""
    return Call("POST", "/api/leases", _lease, {"study": as_study(which)})


def renew_lease(lease: str) -> Call[str]:
    """Say that the client is still there."""
    return Call("PUT", f"/api/leases/{lease}", _lease)


def give_back_lease(lease: str) -> Call[None]:
    """Give a study back."""
    return Call("DELETE", f"/api/leases/{lease}", _nothing)


def _study(reply: httpx.Response) -> Study:
    return Study.read(reply.json())


def _job(reply: httpx.Response) -> Job:
    return Job.read(reply.json())


def _document(reply: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = reply.json()
    return document


def _content(reply: httpx.Response) -> bytes:
    return reply.content


def _lease(reply: httpx.Response) -> str:
    return str(reply.json()["lease"])


def _nothing(reply: httpx.Response) -> None:
    return None


def _values(reply: httpx.Response) -> npt.NDArray[np.float32]:
    shape = [int(length) for length in reply.headers["Medcontour-Shape"].split(",")]
    return np.frombuffer(reply.content, dtype="<f4").reshape(shape).astype(np.float32)


def _leased(lease: str | None) -> dict[str, str]:
    return {} if lease is None else {LEASE_HEADER: lease}


def _host(url: str) -> str:
    return httpx.URL(url).host
