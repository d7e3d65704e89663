"""How a process signs in at NATS servers, and whom it trusts: from environment variables only.

| variable | is |
|---|---|
| WAYBILL_NATS_USER, WAYBILL_NATS_PASSWORD | a user and its password |
| WAYBILL_NATS_TOKEN | a token |
| WAYBILL_NATS_CREDS | a credentials file, as `nsc` writes it |
| WAYBILL_NATS_CA | a file of certificates that servers are checked against, instead of the system's |
| WAYBILL_NATS_CERT, WAYBILL_NATS_KEY | a client's certificate and its private key |
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from engine.errors import UsageError
from engine.records import Secret

PREFIX = "WAYBILL_NATS_"
USER, PASSWORD, TOKEN, CREDS = (PREFIX + name for name in ("USER", "PASSWORD", "TOKEN", "CREDS"))
CA, CERT, KEY = (PREFIX + name for name in ("CA", "CERT", "KEY"))
CREDS_MARK = b"-----BEGIN USER NKEY SEED-----"


class Credentials(NamedTuple):
    """What a process signs in with; secrets are masked wherever they are printed."""

    user: str = ""
    password: Secret = Secret("", "")
    token: Secret = Secret("", "")
    creds: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def used(self) -> str:
        """Return by the names of their variables what is used to sign in, '' if nothing is."""
        if self.creds:
            return CREDS
        if self.token.reveal():
            return TOKEN
        return f"{USER} and {PASSWORD}" if self.user else ""

    def secrets(self) -> list[str]:
        """Return the texts that must not be shown."""
        return [each.reveal() for each in (self.password, self.token) if each.reveal()]

    def ssl_context(self) -> ssl.SSLContext:
        """Return how connections are encrypted; raise UsageError for files that are no certificates."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (ssl.SSLError, ValueError) as error:
            raise UsageError(f"{CA} names {self.ca}, which holds no certificate in PEM format.") from error
        if self.cert:
            try:
                context.load_cert_chain(self.cert, self.key)
            except (ssl.SSLError, ValueError) as error:
                raise UsageError(
                    f"{CERT} names {self.cert} and {KEY} {self.key}: they are no certificate and its private key in "
                    "PEM format."
                ) from error
        return context


def credentials(environ: Mapping[str, str]) -> Credentials:
    """Read the variables; raise UsageError where they contradict each other or name a file that cannot be read."""
    given = {name for name in (USER, TOKEN, CREDS) if environ.get(name)}
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(sorted(given))} are both set, and a server takes one of them: unset the other."
        )
    for one, other in ((USER, PASSWORD), (PASSWORD, USER), (CERT, KEY), (KEY, CERT)):
        if environ.get(one) and not environ.get(other):
            raise UsageError(f"{one} is set, but {other} is not: set both or neither.")
    creds = _file(environ, CREDS)
    if creds and CREDS_MARK not in creds.read_bytes():
        raise UsageError(f"{CREDS} names {creds}, which is no credentials file as `nsc generate creds` writes it.")
    if creds and find_spec("nkeys") is None:
        raise UsageError(f"{CREDS} needs a package that is not installed (nkeys): pip install 'waybill[nats]'.")
    found = Credentials(
        environ.get(USER, ""),
        Secret(environ.get(PASSWORD, "")),
        Secret(environ.get(TOKEN, "")),
        creds,
        _file(environ, CA),
        _file(environ, CERT),
        _file(environ, KEY),
    )
    if found.ca or found.cert:
        found.ssl_context()
    return found


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        with Path(text).open("rb"):
            return Path(text)
    except OSError as error:
        raise UsageError(f"{name} names {text}, which cannot be read: {error.strerror}.") from error
