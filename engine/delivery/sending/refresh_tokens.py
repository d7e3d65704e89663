"""The refresh token of a connection, in a file beside the outbox, because vendors replace it each time it is used.

A replaced token is worthless, and the settings have only the first one: so the new one is on disk before it is used,
and a file that cannot be written is found before the vendor is asked.  The file says which first token its own comes
from: a person who gives the connection another one starts over.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from engine.files import sync_to_disk
from engine.records import Secrets

OWNER_ONLY = 0o600
LONGEST_FILE = 1024 * 1024


class SignInFailed(Exception):  # noqa: N818  reads as what happened
    """No access token for now; the message says why, without a secret. `retry_after` is the header of that name."""

    def __init__(self, message: str, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SignInRefused(Exception):  # noqa: N818  reads as what happened
    """No access token until a person has corrected something; the message says what, without a secret."""


class RefreshTokens:
    """The refresh token in use; `first` is that of the settings, `path` None keeps later ones only in memory."""

    def __init__(self, path: Path | None, first: str, secrets: Secrets) -> None:
        self._path = path
        self._first = first
        self._secrets = secrets
        self._latest = ""
        self._unsaved = False

    @staticmethod
    def beside(outbox: Path, connection: str) -> Path:
        """Return the file of a connection's refresh token."""
        return outbox.with_name(f"{outbox.name}.{connection}.refresh-token")

    def current(self) -> str:
        """Return the token to use; raises SignInFailed where its successor could not be kept, and SignInRefused."""
        if self._unsaved:
            self._save()
        kept = self._read()
        self._latest = kept or self._latest or self._first
        if self._path is not None:
            self._try_to_write()
        return self._latest

    def replace(self, token: str) -> None:
        """Keep the token that takes the place of the current one; raises SignInFailed where that is impossible."""
        if token != self._latest:
            self._latest, self._unsaved = token, self._path is not None
            if self._unsaved:
                self._save()

    def _read(self) -> str:
        """Return the token in the file, '' if there is none or it comes from another first one."""
        if self._path is None:
            return ""
        try:
            with self._path.open("rb") as file:
                raw = file.read(LONGEST_FILE)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise SignInFailed(f"{self._path} cannot be read: {error.strerror}") from error
        try:
            found = json.loads(raw)
            first, token = found["first"], found["refresh_token"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SignInRefused(self._damage()) from error
        if not isinstance(token, str) or not token:
            raise SignInRefused(self._damage())
        self._secrets.learn(token)
        return token if first == self._origin() else ""

    def _damage(self) -> str:
        return (
            f"{self._path} is damaged, and held the only copy of the refresh token. "
            "Put a new refresh token into the settings, remove the file, and resume the connection"
        )

    def _origin(self) -> str:
        return sha256(self._first.encode()).hexdigest()

    def _new(self) -> Path:
        assert self._path is not None
        return self._path.with_name(f"{self._path.name}.new")

    def _try_to_write(self) -> None:
        """Find out whether a token could be kept, before the vendor replaces the current one."""
        try:
            os.close(os.open(self._new(), os.O_WRONLY | os.O_CREAT, OWNER_ONLY))
        except OSError as error:
            self._cannot_write(error)
        with suppress(OSError):
            self._new().unlink()

    def _save(self) -> None:
        """Write the file whole or not at all, so that others can read neither it nor a half of it."""
        assert self._path is not None
        content = json.dumps({"first": self._origin(), "refresh_token": self._latest}).encode()
        try:
            with open(os.open(self._new(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._new().replace(self._path)
            sync_to_disk(self._path.parent)
        except OSError as error:
            self._cannot_write(error)
        self._unsaved = False

    def _cannot_write(self, error: OSError) -> NoReturn:
        raise SignInFailed(f"the refresh token cannot be kept in {self._path}: {error.strerror}") from error
