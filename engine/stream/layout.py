"""The streams of an outbox address: their names, subjects and settings; made where missing, checked where they exist.

| stream | subjects | holds |
|---|---|---|
| NAME_events | NAME.events.PARTITION | packs of events |
| NAME_results | NAME.results.PARTITION.CONNECTION | outcomes, attempts, take-overs |
| NAME_set_aside | NAME.set_aside.CONNECTION.PARTITION | copies of rejected and invalid events |
| NAME_discards | NAME.discards.SOURCE | copies of what collectors discarded |
| NAME_owners | NAME.owners.PARTITION, NAME.presence | one token a partition, for which workers wait |
| NAME_seen | NAME.seen.PARTITION | segments of ids, for who takes a partition over |
| KV_NAME_state | $KV.NAME_state.KEY | holds, pauses, rates, positions, versions |

The number of partitions is kept with the events stream and never changes: an event's order depends on it.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from engine.delivery.outbox.location import MOST_PARTITIONS, StreamAddress
from engine.errors import UsageError
from engine.records import Json, JsonObject
from engine.stream.errors import ApiRefused, DamagedPack, OutboxUnfit, SequenceConflict, StreamMismatch, StreamMissing

if TYPE_CHECKING:
    from engine.stream.client import StreamClient

DEFAULT_PARTITIONS = 16
DEFAULT_REPLICAS = 1
UNLIMITED = -1
RESULTS_SECONDS = 30 * 24 * 3600
SEEN_SECONDS = 26 * 3600
"""How long segments of ids stay: as long as they may be duplicates, and some more."""
DISCARDS_OF_A_SOURCE = 10_000
DUPLICATE_WINDOW_SECONDS = 120
"""How long the servers remember a `Nats-Msg-Id`: for what is published again after a lost acknowledgement."""
FORMAT = "1"
PARTITIONS_KEY, FORMAT_KEY = "waybill.partitions", "waybill.format"
NANOSECONDS = 10**9
NAME_TAKEN, NO_STREAM, OVERLAP = 10058, 10059, 10065
TOO_MUCH = (10005, 10023, 10028, 10047, 10074)
"""More replicas than servers, or more bytes than their disks have."""
PLAIN = re.compile(r"[^A-Za-z0-9_-]")
ESCAPED = re.compile(rb"=([0-9A-F]{2})")
CHECKED = (
    *("subjects", "retention", "discard", "max_age", "max_msgs", "max_msgs_per_subject", "no_ack", "allow_direct"),
    "storage",
)
"""What makes an outbox of a stream; other settings, such as placement and compression, are the operator's."""
TOKEN = b"token"
LONGEST_NAME = 256
"""Characters of a name in a subject."""


class Layout(NamedTuple):
    """The names and subjects of an outbox address whose streams exist."""

    name: str
    partitions: int = DEFAULT_PARTITIONS
    replicas: int = DEFAULT_REPLICAS
    max_bytes: int = UNLIMITED

    @property
    def events(self) -> str:
        """Return the stream of packs of events."""
        return f"{self.name}_events"

    @property
    def results(self) -> str:
        """Return the stream of outcomes."""
        return f"{self.name}_results"

    @property
    def set_aside(self) -> str:
        """Return the stream of rejected and invalid events."""
        return f"{self.name}_set_aside"

    @property
    def discards(self) -> str:
        """Return the stream of what collectors discarded."""
        return f"{self.name}_discards"

    @property
    def owners(self) -> str:
        """Return the stream of the partitions' tokens."""
        return f"{self.name}_owners"

    @property
    def seen(self) -> str:
        """Return the stream of the segments of ids."""
        return f"{self.name}_seen"

    @property
    def state(self) -> str:
        """Return the stream of the shared state, a key-value bucket."""
        return f"KV_{self.name}_state"

    def events_subject(self, partition: int) -> str:
        """Return the subject of a partition's packs."""
        return f"{self.name}.events.{_digits(partition)}"

    def results_subject(self, partition: int, connection: str) -> str:
        """Return the subject of a connection's results in a partition."""
        return f"{self.name}.results.{_digits(partition)}.{subject_token(connection)}"

    def set_aside_subject(self, connection: str, partition: int) -> str:
        """Return the subject of a connection's rejected and invalid events of a partition."""
        return f"{self.name}.set_aside.{subject_token(connection)}.{_digits(partition)}"

    def discards_subject(self, source: str) -> str:
        """Return the subject of what was discarded of a source."""
        return f"{self.name}.discards.{subject_token(source)}"

    def owners_subject(self, partition: int) -> str:
        """Return the subject of a partition's token."""
        return f"{self.name}.owners.{_digits(partition)}"

    def seen_subject(self, partition: int) -> str:
        """Return the subject of a partition's segments of ids."""
        return f"{self.name}.seen.{_digits(partition)}"

    @property
    def presence_subject(self) -> str:
        """Return the subject that never has a message, at which workers are counted."""
        return f"{self.name}.presence"

    def state_subject(self, kind: str, *names: str) -> str:
        """Return the subject of a key of the shared state: `connection`, `shop` is the key `connection.shop`."""
        return ".".join([f"$KV.{self.name}_state", kind, *map(subject_token, names)])

    def position_subject(self, partition: int, connection: str) -> str:
        """Return the subject of how far a connection is in a partition."""
        return self.state_subject("position", _digits(partition), connection)


def subject_token(name: str) -> str:
    """Return a name as one token of a subject: what is not A-Z a-z 0-9 _ - becomes `=` and two hexadecimal digits."""
    return PLAIN.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), name)


def token_name(token: str) -> str:
    """Return the name of a subject's token; raise DamagedPack for a token that this release writes for no name."""
    plain = ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), token.encode(errors="replace"))
    name = plain.decode(errors="replace")
    if not 1 <= len(name) <= LONGEST_NAME or subject_token(name) != token:
        raise DamagedPack("A message of the stream has a name that waybill does not write.")
    return name


def partition_in(subject: str, count: int, at: int = 2) -> int:
    """Return the partition that a subject names, in its third token or another one; raise DamagedPack without one."""
    tokens = subject.split(".")
    found = tokens[at] if at < len(tokens) else ""
    for partition in range(count):
        if _digits(partition) == found:
            return partition
    raise DamagedPack(f"Its subject names none of the {count} partitions, so no worker reads it.")


def _digits(partition: int) -> str:
    return f"{partition:02d}"


async def create_or_check(client: StreamClient, address: StreamAddress) -> Layout:
    """Return the layout of an address; make its streams where they are missing.

    Raise UsageError for another number of partitions than it has, StreamMismatch for streams with other settings.
    """
    layout = await _asked_for(client, address)
    for wanted in configurations(layout):
        found = await _created(client, wanted) or await _configuration(client, cast("str", wanted["name"]))
        if found is not None:
            check(wanted, found)
    await place_tokens(client, layout)
    return layout


async def existing_layout(client: StreamClient, address: StreamAddress) -> Layout:
    """Return the layout of an address whose streams exist; raise StreamMissing if they were never made."""
    found = await _configuration(client, Layout(address.name).events)
    if found is None:
        raise StreamMissing(
            f"There is no outbox at {address}: its streams are made by `engine serve`, `engine import` "
            "or `engine backfill`. Start one of these with this address, or correct the address."
        )
    return _layout(address, found)


async def place_tokens(client: StreamClient, layout: Layout) -> None:
    """Put a token into every partition that has none."""

    async def place(partition: int) -> None:
        with suppress(SequenceConflict):  # it is there
            await client.publish(layout.owners_subject(partition), TOKEN, expect=0)

    await asyncio.gather(*map(place, range(layout.partitions)))


def configurations(layout: Layout) -> list[JsonObject]:
    """Return the settings of all streams, as JetStream takes them."""
    name = layout.name
    return [
        _settings(layout, layout.events, f"{name}.events.*", discard="new", max_bytes=layout.max_bytes)
        | {"metadata": {PARTITIONS_KEY: str(layout.partitions), FORMAT_KEY: FORMAT}},
        _settings(layout, layout.results, f"{name}.results.*.*", max_age=RESULTS_SECONDS * NANOSECONDS),
        _settings(layout, layout.set_aside, f"{name}.set_aside.*.*", discard="new"),
        _settings(layout, layout.discards, f"{name}.discards.*", max_age=RESULTS_SECONDS * NANOSECONDS)
        | {"max_msgs_per_subject": DISCARDS_OF_A_SOURCE},
        _settings(layout, layout.owners, f"{name}.owners.*", layout.presence_subject) | {"max_msgs_per_subject": 1},
        _settings(layout, layout.seen, f"{name}.seen.*", max_age=SEEN_SECONDS * NANOSECONDS),
        _settings(layout, layout.state, f"$KV.{name}_state.>", discard="new")
        | {"max_msgs_per_subject": 1, "allow_rollup_hdrs": True, "deny_delete": True},
    ]


def _settings(
    layout: Layout, name: str, *subjects: str, discard: str = "old", max_age: int = 0, max_bytes: int = UNLIMITED
) -> JsonObject:
    return {
        "name": name,
        "subjects": cast("list[Json]", list(subjects)),
        "retention": "limits",
        "storage": "file",
        "discard": discard,
        "max_age": max_age,
        "max_bytes": max_bytes,
        "max_msgs": UNLIMITED,
        "max_msgs_per_subject": UNLIMITED,
        "no_ack": False,
        "num_replicas": layout.replicas,
        "allow_direct": True,
        "duplicate_window": DUPLICATE_WINDOW_SECONDS * NANOSECONDS,
    }


def check(wanted: JsonObject, found: JsonObject) -> None:
    """Raise StreamMismatch if a stream is not set up as the outbox needs it."""
    name = cast("str", wanted["name"])
    for setting in CHECKED:
        has = found.get(setting, False if isinstance(wanted[setting], bool) else None)
        if has != wanted[setting]:
            raise _mismatch(name, setting, has, wanted[setting])


def _mismatch(name: str, setting: str, found: Json, wanted: Json) -> StreamMismatch:
    return StreamMismatch(
        f"The stream {name} has {setting} {_shown(found)}, but the outbox needs {_shown(wanted)}. "
        "Choose another name in the address, nats://HOST/NAME; or, if nothing in the stream is needed, remove it "
        f"(nats stream rm {name}) and it is made anew."
    )


def _shown(value: Json) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "missing" if value is None else str(value)


async def _asked_for(client: StreamClient, address: StreamAddress) -> Layout:
    """Return the layout that an address means: what it leaves out is as it is, or the default."""
    found = await _configuration(client, Layout(address.name).events)
    if found is not None:
        return _layout(address, found)
    return Layout(
        address.name,
        address.partitions or DEFAULT_PARTITIONS,
        address.replicas or DEFAULT_REPLICAS,
        address.max_bytes or UNLIMITED,
    )


def _layout(address: StreamAddress, found: JsonObject) -> Layout:
    events = Layout(address.name).events
    metadata = cast("JsonObject", found.get("metadata") or {})
    if metadata.get(FORMAT_KEY) != FORMAT:
        raise _mismatch(events, f"metadata {FORMAT_KEY}", metadata.get(FORMAT_KEY), FORMAT)
    partitions = _partitions(events, metadata.get(PARTITIONS_KEY))
    if address.partitions not in (None, partitions):
        raise UsageError(
            f"The outbox {address.name} has {partitions} partitions, the address says {address.partitions}. Their "
            f"number is fixed when the streams are made: write partitions={partitions} or leave it out. For another "
            "number, begin a new outbox under another name."
        )
    layout = Layout(address.name, partitions, cast("int", found["num_replicas"]), cast("int", found["max_bytes"]))
    for option, given, has, edit in (
        ("replicas", address.replicas, layout.replicas, "--replicas"),
        ("max_bytes", address.max_bytes, layout.max_bytes, "--max-bytes"),
    ):
        if given not in (None, has):
            raise StreamMismatch(
                f"The stream {events} has {option} {has}, the address says {given}. Write {option}={has} or leave it "
                f"out; or change the stream: nats stream edit {events} {edit} {given}"
            )
    return layout


def _partitions(stream: str, value: Json) -> int:
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_PARTITIONS:
        return int(text)
    raise _mismatch(stream, f"metadata {PARTITIONS_KEY}", value, f"a number from 1 to {MOST_PARTITIONS}")


async def _configuration(client: StreamClient, stream: str) -> JsonObject | None:
    try:
        answer = await client.api(f"STREAM.INFO.{stream}")
    except ApiRefused as refused:
        if refused.code == NO_STREAM:
            return None
        raise
    return cast("JsonObject", answer["config"])


async def _created(client: StreamClient, wanted: JsonObject) -> JsonObject | None:
    """Make a stream and return its settings; None if one of this name has other settings."""
    try:
        answer = await client.api(f"STREAM.CREATE.{wanted['name']}", wanted)
    except ApiRefused as refused:
        if refused.code == NAME_TAKEN:
            return None
        if refused.code == OVERLAP:
            raise StreamMismatch(
                f"The stream {wanted['name']} cannot be made: another stream has its subjects "
                f"({_shown(wanted['subjects'])}). Choose another name in the address, nats://HOST/NAME."
            ) from refused
        if refused.code in TOO_MUCH:
            raise _unfit(wanted, refused) from refused
        raise
    return cast("JsonObject", answer["config"])


def _unfit(wanted: JsonObject, refused: ApiRefused) -> OutboxUnfit:
    limit = "replicas" if wanted["num_replicas"] != DEFAULT_REPLICAS else "max_bytes"
    asked = wanted["num_replicas"] if limit == "replicas" else wanted["max_bytes"]
    return OutboxUnfit(
        f"The stream {wanted['name']} cannot be made with {limit}={asked}: {refused.description}. Write what the "
        "servers have into the address, or add servers or disk."
    )
