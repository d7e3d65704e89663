"""Packs: what one message of the events stream holds, up to 50 events of one partition. Pure.

    headers  Waybill-Format: 1
             Waybill-Ids: base64 of 8 bytes an event, a digest of source and messageId
             Waybill-Connections: their names, as tokens of a subject, with commas between them
             Waybill-Again: 1, where a person queued the events again: no duplicate is looked for
    body     one line of JSON {connections, again, replayed, progress, events: [{source, message_id, received_at,
             length, reports}]}, then the raw events one after another

The digests and connections stand in the headers, so that the window of duplicates is built from headers alone. The
*number* of an event is that of its message * 64 + its place in the pack, which is the same for everybody who reads the
stream.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, cast

import orjson

from engine.delivery.outbox.attempts import AttemptNumbers
from engine.delivery.outbox.base import Discarded, NewEvent, OutboxError
from engine.records import Json, JsonObject, Report
from engine.stream.errors import DamagedPack, UnknownFormat
from engine.stream.layout import subject_token, token_name

FORMAT = "1"
FORMAT_HEADER, IDS_HEADER, AGAIN_HEADER = "Waybill-Format", "Waybill-Ids", "Waybill-Again"
CONNECTIONS_HEADER = "Waybill-Connections"
PACK_EVENTS = 50
PACK_BYTES = 256 * 1024
"""Bytes of raw events in a pack; a larger event goes alone."""
NUMBERS_A_PACK = 64
MOST_NUMBER = 2**53 - 1
"""The highest number: a view has 10 bits more for the connection. 2**47 messages are not reached."""
MOST_CONNECTIONS = 1000
"""Connections of one pack."""
LONGEST_CONNECTIONS = 64 * 1024
"""Characters of the header that names them."""
DISCARD_BYTES = 64 * 1024
"""Characters of discarded events in a message, from which on the next one begins."""
DIGEST_BYTES = 8
MOST_SECONDS = 2**34
NEWER_RELEASE = (
    'A message of the stream has the format "{found}", this release reads "{known}": it was written by a newer '
    "release. Upgrade this worker; until then nothing of it is skipped."
)


class Pack(NamedTuple):
    """Events of one partition, in order, for some connections.

    `again` is whether a person queued them again; `replayed` are then the numbers that they had before, and
    `progress` the progress, digest and attempts of each, so that nothing is sent again that was accepted. `keys` of
    the events are not kept: whoever needs them reads them from `raw`.
    """

    connections: tuple[str, ...]
    events: list[NewEvent]
    again: bool = False
    replayed: tuple[int, ...] = ()
    progress: tuple[tuple[str | None, str | None, str | None], ...] = ()


def number_of(sequence: int, index: int) -> int:
    """Return the number of an event: the message's sequence in the stream, and the event's place in the pack."""
    return sequence * NUMBERS_A_PACK + index


def place_of(number: int) -> tuple[int, int]:
    """Return the sequence and the place in the pack of an event's number."""
    return divmod(number, NUMBERS_A_PACK)


def event_digest(source: str, message_id: str) -> bytes:
    """Return what identifies an event of a source within the window: 8 bytes."""
    text = f"{source}\0{message_id}".encode(errors="surrogatepass")
    return blake2b(text, digest_size=DIGEST_BYTES).digest()


def packs_of(
    events: Sequence[NewEvent], connections: Sequence[str], *, again: bool = False, most_bytes: int = PACK_BYTES
) -> Iterator[Pack]:
    """Divide events of one partition into packs, in their order, with at most `most_bytes` of raw events each."""
    chosen: list[NewEvent] = []
    size = 0
    for event in events:
        if chosen and (len(chosen) == PACK_EVENTS or size + len(event.raw) > most_bytes):
            yield Pack(tuple(connections), chosen, again)
            chosen, size = [], 0
        chosen.append(event)
        size += len(event.raw)
    if chosen:
        yield Pack(tuple(connections), chosen, again)


def encode(pack: Pack) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a pack's message."""
    ids = b"".join(event_digest(event.source, event.message_id) for event in pack.events)
    tokens = _tokens(pack.connections)
    if len(pack.connections) > MOST_CONNECTIONS or len(tokens) > LONGEST_CONNECTIONS:
        raise OutboxError(
            f"An event is for {len(pack.connections):,} connections, more than streams can name with it: at most "
            f"{MOST_CONNECTIONS:,}, with {LONGEST_CONNECTIONS:,} characters. Divide them over several sources."
        )
    headers = {FORMAT_HEADER: FORMAT, IDS_HEADER: b64encode(ids).decode(), CONNECTIONS_HEADER: tokens}
    if pack.again:
        headers[AGAIN_HEADER] = "1"
    line = {
        "connections": pack.connections,
        "again": pack.again,
        "replayed": pack.replayed,
        "progress": pack.progress,
        "events": [
            {
                "source": event.source,
                "message_id": event.message_id,
                "received_at": event.received_at,
                "length": len(event.raw),
                "reports": [list(report) for report in event.reports],
            }
            for event in pack.events
        ],
    }
    return headers, b"\n".join([orjson.dumps(line), b"".join(event.raw for event in pack.events)])


def decode(headers: Mapping[str, str], body: bytes) -> Pack:
    """Return the pack of a message; raise UnknownFormat for a newer release's, DamagedPack for what is none."""
    check_format(headers)
    line, _, raw = body.partition(b"\n")
    try:
        pack = _pack(orjson.loads(line), raw, len(digests(headers)))
        _check_headers(headers, pack)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedPack("A message of the stream is no pack of events.") from error
    return pack


def _check_headers(headers: Mapping[str, str], pack: Pack) -> None:
    """Raise ValueError if headers say another thing than the body, so that duplicates would be looked for in others."""
    ids = [event_digest(each.source, each.message_id) for each in pack.events]
    again = headers.get(AGAIN_HEADER) is not None
    if ids != digests(headers) or again != pack.again or headers.get(CONNECTIONS_HEADER) != _tokens(pack.connections):
        raise ValueError("headers and body differ")
    if len(set(connections_of(headers))) != len(pack.connections):
        raise ValueError("a connection is named twice")


def _tokens(connections: Sequence[str]) -> str:
    return ",".join(map(subject_token, connections))


def check_format(headers: Mapping[str, str]) -> None:
    """Raise UnknownFormat for a message of a newer release, DamagedPack for one without a format that exists."""
    found = headers.get(FORMAT_HEADER)
    if found is None:
        raise DamagedPack("A message of the stream was not written by waybill: it has no header Waybill-Format.")
    if found != FORMAT and not (found.isascii() and found.isdigit() and 0 < len(found) < 5 and int(found)):
        raise DamagedPack("A message of the stream was not written by waybill: its Waybill-Format is no number.")
    if found != FORMAT:
        raise UnknownFormat(NEWER_RELEASE.format(found=found[:20], known=FORMAT))


def connections_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the connections of a pack, from its headers alone; raise DamagedPack for what are no names."""
    text = headers.get(CONNECTIONS_HEADER, "")
    tokens = text.split(",") if text and len(text) <= LONGEST_CONNECTIONS else []
    if (text and not tokens) or len(tokens) > MOST_CONNECTIONS:
        raise DamagedPack(
            f"A message of the stream is no pack of events: it names more than {MOST_CONNECTIONS:,} connections, or "
            f"with more than {LONGEST_CONNECTIONS:,} characters."
        )
    return tuple(map(token_name, tokens))


def digests(headers: Mapping[str, str]) -> list[bytes]:
    """Return the digests of a pack's events, from its headers alone; raise DamagedPack if they are none."""
    try:
        ids = b64decode(headers.get(IDS_HEADER, "")[: 2 * NUMBERS_A_PACK * DIGEST_BYTES], validate=True)
    except ValueError as error:
        raise DamagedPack("A message of the stream is no pack of events: its Waybill-Ids are not base64.") from error
    if len(ids) % DIGEST_BYTES or not 0 < len(ids) <= NUMBERS_A_PACK * DIGEST_BYTES:
        raise DamagedPack(
            f"A message of the stream is no pack of events: its Waybill-Ids have {len(ids)} bytes, "
            f"not {DIGEST_BYTES} for each of 1 to {NUMBERS_A_PACK} events."
        )
    return [ids[at : at + DIGEST_BYTES] for at in range(0, len(ids), DIGEST_BYTES)]


def _pack(line: Json, raw: bytes, count: int) -> Pack:
    given = cast("JsonObject", line)
    events, at = [], 0
    for each in cast("list[JsonObject]", given["events"]):
        end = at + cast("int", each["length"])
        events.append(_event(each, raw[at:end]))
        at = end
    connections = tuple(_text(each) for each in cast("list[Json]", given["connections"]))
    replayed = tuple(whole(each) for each in cast("list[Json]", given["replayed"]))
    progress = tuple(_progress(cast("list[Json]", each)) for each in cast("list[Json]", given["progress"]))
    if at != len(raw) or len(events) != count or not {len(replayed), len(progress)} <= {0, count}:
        raise ValueError("lengths do not fit")
    return Pack(connections, events, given["again"] is True, replayed, progress)


def _progress(given: list[Json]) -> tuple[str | None, str | None, str | None]:
    progress, digest, attempts = (None if each is None else _text(each) for each in given)
    AttemptNumbers.of(attempts)
    return progress, digest, attempts


def _event(given: JsonObject, raw: bytes) -> NewEvent:
    if whole(given["length"]) != len(raw):
        raise ValueError("the raw bytes end too soon")
    reports = tuple(Report(*map(_text, cast("list[Json]", each))) for each in cast("list[Json]", given["reports"]))
    return NewEvent(_text(given["source"]), _text(given["message_id"]), _text(given["received_at"]), raw, reports)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def whole(value: Any) -> int:
    """Return a number of the kind that events have; raise TypeError for anything else."""
    if type(value) is not int or not 0 <= value <= MOST_NUMBER:
        raise TypeError("not a number")
    return value


def moment(value: Any) -> float:
    """Return a time in unix seconds, up to the year 2514; raise TypeError for anything else."""
    if type(value) not in (int, float) or not 0 <= value < MOST_SECONDS:
        raise TypeError("not a time")
    return float(value)


def encode_discards(discards: Sequence[Discarded], count: int, now: float) -> Iterator[bytes]:
    """Yield the bodies of messages with copies of what a collector discarded of a source at a time, `count` in all."""
    left: list[Json] = [
        [each.discarded_at, each.code, each.reason, each.message_id, each.raw.decode(errors="replace")]
        for each in discards
    ]
    while True:
        taken, size = 0, 0
        while taken < len(left) and (not taken or size < DISCARD_BYTES):
            size += len(cast("list[str]", left[taken])[-1])
            taken += 1
        yield orjson.dumps({"at": now, "count": count, "discards": left[:taken]})
        left, count = left[taken:], 0
        if not left:
            return


def decode_discards(source: str, headers: Mapping[str, str], body: bytes) -> tuple[list[Discarded], int, float]:
    """Return the copies in a message, how many events of the source they stand for, and when they were counted."""
    check_format(headers)
    try:
        value = orjson.loads(body)
        found = [
            Discarded(source, moment(at), _text(code), _text(reason), _text(message_id), _text(raw).encode())
            for at, code, reason, message_id, raw in value["discards"]
        ]
        return found, whole(value["count"]), moment(value["at"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedPack("A message of the stream is no list of discarded events.") from error
