"""A session with a DICOMweb service: who asks, whom to trust, how long to wait.

Secrets come from the environment, from a file that it names, or from a netrc file; they are never
an argument, and no message or log of ours holds one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from requests.auth import AuthBase, HTTPBasicAuth

from medcontour.dicomweb.address import Address
from medcontour.errors import MedcontourError
from medcontour.limits import check_file, read_text

__all__ = ["Session", "open_session"]

_NAME = "MEDCONTOUR_DICOMWEB_"
_SECONDS = 30.0


class Session:
    """What requests go through.

    Attributes
    ----------
    address
        The service.
    http
        Signs every request, checks the server's certificate, follows no redirection.
    client
        dicomweb-client's, over `http`; it tries nothing twice.
    timeout
        Seconds to wait for a connection, and for the next bytes of an answer.
    """

    def __init__(self, address: Address, http: requests.Session, timeout: float) -> None:
        self.address = address
        self.http = http
        self.timeout = timeout
        self.client = DICOMwebClient(address.root, session=http, timeout=timeout)
        self.client.set_http_retry_params(retry=False)


def open_session(address: Address) -> Session:
    """Prepare a session, without a request yet.

    Raises
    ------
    MedcontourError
        When what the environment says of secrets and certificates cannot be used.
    """
    http = requests.Session()
    http.trust_env = False  # it would let a netrc entry replace a token, and a CA of its own ours
    http.auth = _authentication(address)
    http.verify = _file("CA") or True
    http.cert = _certificate()
    if not address.loopback:
        http.proxies = requests.utils.get_environ_proxies(address.root)
    http.hooks["response"].append(_refuse_redirection)
    return Session(address, http, _seconds())


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NoAuthentication(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _authentication(address: Address) -> AuthBase:
    token, user, password = _token(), _variable("USER"), _variable("PASSWORD")
    found: AuthBase
    if token and (user or password):
        raise MedcontourError(
            f"The environment holds a token and a password for DICOMweb; unset {_NAME}TOKEN and "
            f"{_NAME}TOKEN_FILE, or {_NAME}USER and {_NAME}PASSWORD."
        )
    if token:
        found = _Bearer(token)
    elif user and password:
        found = HTTPBasicAuth(user.encode(), password.encode())
    elif user or password:
        raise MedcontourError(f"Set {_NAME}USER and {_NAME}PASSWORD together, or neither.")
    else:
        pair = requests.utils.get_netrc_auth(address.root)
        if pair is None:
            return _NoAuthentication()
        found = HTTPBasicAuth(*pair)
        _only_encrypted(address)
        return found
    host = _variable("HOST")
    if host not in (address.host, address.host.rpartition(":")[0] or address.host):
        raise MedcontourError(
            f"The environment holds a secret for DICOMweb that is not for {address.host}; set "
            f"{_NAME}HOST={address.host} if it is."
        )
    _only_encrypted(address)
    return found


def _only_encrypted(address: Address) -> None:
    if not address.encrypted:
        raise MedcontourError(
            f"A password or token is not sent to {address.host} over http, where others can read "
            "it; write dicomweb+https://."
        )


def _token() -> str | None:
    token, path = _variable("TOKEN"), _file("TOKEN_FILE")
    if path is not None:
        try:
            token = read_text(Path(path)).strip()
        except (OSError, UnicodeError) as error:
            raise MedcontourError(
                f"The file that {_NAME}TOKEN_FILE names cannot be read as a token: {path}."
            ) from error
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise MedcontourError(
            "The token for DICOMweb holds letters that no token has (blanks, line breaks); set it "
            "again."
        )
    return token or None


def _certificate() -> tuple[str, str] | str | None:
    """Our own certificate and its key, for servers that ask for one."""
    certificate, key = _file("CERTIFICATE"), _file("KEY")
    if certificate is None:
        return None
    for path in filter(None, (certificate, key)):
        # OpenSSL would ask for the passphrase on the terminal.
        check_file(Path(path))
        if b"ENCRYPTED" in Path(path).read_bytes():
            raise MedcontourError(
                f"The key in {path} is encrypted; give one without a passphrase that only you can "
                "read."
            )
    return (certificate, key) if key else certificate


def _variable(name: str) -> str | None:
    return os.environ.get(_NAME + name) or None


def _file(name: str) -> str | None:
    path = _variable(name)
    if path is not None and not (Path(path).is_file() and os.access(path, os.R_OK)):
        raise MedcontourError(f"{_NAME}{name} names no file that can be read: {path}.")
    return path


def _seconds() -> float:
    text = _variable("TIMEOUT")
    try:
        seconds = float(text) if text else _SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise MedcontourError(f"{_NAME}TIMEOUT is no number of seconds from 1 to 3600.")
    return seconds


def _refuse_redirection(response: requests.Response, **_: Any) -> None:
    """Send neither secrets nor patients to an address that nobody wrote down."""
    if response.is_redirect:
        raise MedcontourError(
            f"The server at {response.url.split('?')[0]} sends us on to another address; ask its "
            "administrator for the right one."
        )
