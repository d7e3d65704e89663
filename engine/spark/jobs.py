"""What travels from the driver to the executors: a mapping's files, settings as they were written, and the clock.

Nothing is resolved on the driver but the mapping's own files: `${env:NAME}` in settings is read where events are
planned, so no credential has to leave the place where it is kept.
"""

from __future__ import annotations

import os
import pickle
import re
import socket
import sys
import time
from collections.abc import Mapping as Table
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from engine.delivery.mapping_versions import MOST_BYTES, pack, unpack
from engine.errors import SettingsError, UsageError
from engine.language.times import read_time
from engine.mapping.settings import complete
from engine.plan import Connection, Destination, load
from engine.records import Json, JsonObject

MOST_CONNECTIONS = 16
"""Connections that an executor's process keeps: one for each mapping with its settings."""

ON_THE_EXECUTOR = (
    "This is the executor {host}, where the environment of the driver does not count: set the variables for executors, "
    "for example with --conf spark.executorEnv.{name}=..., or as your cluster gives secrets to its pods."
)

NOT_SET = re.compile(r"the environment variables? (\w+)")
_connections: dict[bytes, Connection] = {}


class PlanJob(NamedTuple):
    """One mapping with its settings, as it goes to executors; `now` in Unix seconds is the clock of all of them.

    `files` are the mapping and what it extends and includes, packed; `connection` is its name in the result.
    `shows_secrets` leaves the secrets in requests as they are.
    """

    files: bytes
    settings: JsonObject
    connection: str
    received_at: str | None
    now: float
    shows_secrets: bool
    version: str

    def __repr__(self) -> str:
        return f"<PlanJob {self.connection}>"


def new_job(
    mapping: str | Path | Destination,
    settings: Table[str, Json] | None = None,
    *,
    connection: str | None = None,
    received_at: str | None = None,
    secrets: bool = False,
) -> PlanJob:
    """Return the job of a mapping, which is loaded, checked and packed here, on the driver.

    Raises MappingNotFound, MappingError, and SettingsError for what is wrong with settings beside variables of the
    environment, which only executors can read.
    """
    target = mapping if isinstance(mapping, Destination) else load(mapping)
    given = dict(settings or {}) if settings is None or isinstance(settings, Table) else settings
    complete(target.mapping, given, {}, unset=[])
    files = pack(target.loaded)
    if files is None:
        raise UsageError(f"The files of {target.name} have more than {MOST_BYTES:,} bytes together; shorten them.")
    return PlanJob(files, given, connection or target.name, received_at, _clock(received_at), secrets, _version())


def connected(job: PlanJob) -> Connection:
    """Return the connection of a job in this process, made once; raises UsageError where its settings do not fit."""
    if job.version != (own := _version()):
        raise UsageError(
            f"The executor {socket.gethostname()} has waybill {own}, the driver {job.version}; "
            "their results could differ. Install the same version on both."
        )
    digest = blake2b(pickle.dumps((job.files, job.settings))).digest()
    found = _connections.get(digest)
    if found is None:
        if len(_connections) >= MOST_CONNECTIONS:
            _connections.clear()
        found = _connections[digest] = _connect(job)
    return found


def _connect(job: PlanJob) -> Connection:
    target = Destination(unpack(job.files))  # the driver has checked it
    try:
        return target.connect(job.settings, os.environ)
    except SettingsError as error:
        unset = NOT_SET.search(str(error))
        advice = ON_THE_EXECUTOR.format(host=socket.gethostname(), name=unset[1]) if unset else ""
        raise UsageError(f"{error}\n{advice}".rstrip()) from None


def _version() -> str:
    found: str = sys.modules["engine"].__version__  # no import: the package itself stands above its modules
    return found


def _clock(received_at: str | None) -> float:
    if received_at is None:
        return time.time()
    found = read_time(received_at)
    if found is None:
        raise UsageError(f'received_at="{received_at}" is not a time such as 2024-03-05T10:15:30Z.')
    return found
