"""Where an outbox is: a file of this machine, or streams of NATS JetStream that many machines share.

    outbox.db
    nats://10.0.0.1:4222,10.0.0.2:4222/waybill?partitions=16&replicas=3&max_bytes=50GB

The path of an address is the name that all its streams begin with. Credentials are never part of it, because an
address is shown in messages, logs and process lists: they are read from the environment (`engine/stream/client.py`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from engine.errors import UsageError
from engine.language.suggest import closest

SCHEMES = ("nats://", "tls://")
ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/+")
"""Two letters at least: C:/outbox.db is a file."""
SERVER = re.compile(r"[A-Za-z0-9.-]+:[0-9]{2,5}(/[A-Za-z0-9_-]*)?")
DEFAULT_NAME = "waybill"
DEFAULT_PORT = 4222
HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,9}))?")
MOST_PORT = 65535
MOST_SERVERS = 50
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
BYTES = re.compile(r"([1-9][0-9]{0,11})(|KB|MB|GB|TB)")
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
OPTIONS = ("partitions", "replicas", "max_bytes")
MOST_PARTITIONS = 256
MOST_REPLICAS = 5
EXAMPLE = "nats://127.0.0.1:4222/waybill?partitions=16&replicas=3"


class StreamAddress(NamedTuple):
    """Streams of NATS JetStream; `None` leaves a limit as it is, and to its default where the streams are made."""

    servers: tuple[str, ...]
    name: str = DEFAULT_NAME
    partitions: int | None = None
    replicas: int | None = None
    max_bytes: int | None = None

    def __str__(self) -> str:
        """Return the address as commands take it."""
        scheme, _, _ = self.servers[0].partition("://")
        hosts = ",".join(server.partition("://")[2] for server in self.servers)
        given = {"partitions": self.partitions, "replicas": self.replicas, "max_bytes": self.max_bytes}
        query = "&".join(f"{key}={value}" for key, value in given.items() if value is not None)
        return f"{scheme}://{hosts}/{self.name}" + (f"?{query}" if query else "")


Location: TypeAlias = "Path | StreamAddress"


def location_of(text: str) -> Location:
    """Read what `--outbox` names; raise UsageError for an address that is not one, which would be a strange file."""
    if text.lower().startswith(SCHEMES):
        return stream_address(text)
    scheme = ANY_SCHEME.match(text)
    if scheme:
        raise UsageError(f'An outbox address begins with nats:// or tls://, not "{scheme[0]}"; write e.g. {EXAMPLE}.')
    if SERVER.fullmatch(text):
        raise UsageError(f'"{text}" is a server, not a file: write nats://{text}.')
    return Path(text)


def stream_address(text: str) -> StreamAddress:
    """Read an address; raise UsageError that says what is wrong with it, without repeating a credential."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError("An outbox address has only printable ASCII characters: write other hosts as xn--...")
    if "@" in text or "%40" in text:
        raise UsageError(
            "An outbox address has no user and password: it is shown in messages and process lists. Put them into "
            "WAYBILL_NATS_USER and WAYBILL_NATS_PASSWORD, a token into WAYBILL_NATS_TOKEN, or name a credentials file "
            "with WAYBILL_NATS_CREDS."
        )
    scheme, _, rest = text.partition("://")
    place, _, query = rest.partition("?")
    hosts, _, path = place.partition("/")
    if "#" in text:
        raise UsageError(f"An outbox address has no part behind #; write e.g. {EXAMPLE}.")
    servers = tuple(f"{scheme.lower()}://{_host(each)}" for each in hosts.split(",") if each)
    if not servers:
        raise UsageError(f'"{text}" names no server; write e.g. {EXAMPLE}.')
    if len(servers) > MOST_SERVERS:
        raise UsageError(
            f"The address names {len(servers)} servers; up to {MOST_SERVERS} are enough to find the others."
        )
    name = path.strip("/") or DEFAULT_NAME
    if not NAME.fullmatch(name):
        raise UsageError(f'"{name}" cannot be the name of streams: use up to 32 of the characters A-Z a-z 0-9 _ -.')
    given = dict(pairs := parse_qsl(query, keep_blank_values=True))
    if len(given) < len(pairs):
        raise UsageError("An outbox address has each option once.")
    for unknown in given.keys() - set(OPTIONS):
        near = closest(unknown, OPTIONS)
        hint = f'; did you mean "{near}"?' if near else f"; there are {', '.join(OPTIONS)}."
        raise UsageError(f'An outbox address has no option "{unknown}"{hint}')
    return StreamAddress(
        servers,
        name,
        _count("partitions", given, MOST_PARTITIONS),
        _count("replicas", given, MOST_REPLICAS),
        _bytes(given),
    )


def _host(text: str) -> str:
    found = HOST.fullmatch(text)
    if found is None:
        raise UsageError(f'"{text}" is no HOST:PORT; write e.g. 127.0.0.1:4222, or no port for 4222.')
    host, port = found.groups()
    if port and not 0 < int(port) <= MOST_PORT:
        raise UsageError(f'"{text}" has no port that exists: ports end at {MOST_PORT}.')
    return f"{host}:{port or DEFAULT_PORT}"


def _count(name: str, given: dict[str, str], most: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise UsageError(f"{name}={text}: write a number from 1 to {most}.")
    return int(text)


def _bytes(given: dict[str, str]) -> int | None:
    text = given.get("max_bytes")
    if text is None:
        return None
    found = BYTES.fullmatch(text)
    if found is None:
        raise UsageError(f"max_bytes={text}: write bytes, or e.g. 500MB, 50GB or 2TB.")
    return int(found[1]) * UNITS[found[2]]
