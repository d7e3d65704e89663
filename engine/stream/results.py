"""Results: what one message of the results stream holds: what became of events, and the requests that led to it. Pure.

    headers  Waybill-Format: 1
    body     JSON {fence, at, takeover, stream, changes: [[numbers, outcome, ...]], attempts: [[number, ...]]}

Changes in a row that differ in nothing but their event are written once with all its numbers. A message with a
`takeover` is a worker's first in a connection and partition: its sequence is the fence of all that follow.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, cast

import orjson

from engine.delivery.outbox.attempts import Attempt, AttemptNumbers
from engine.delivery.outbox.base import Change
from engine.delivery.outbox.reports import NO_REPORTS, as_text, from_text
from engine.records import Outcome, Report
from engine.stream import packs
from engine.stream.errors import DamagedPack
from engine.stream.packs import FORMAT, FORMAT_HEADER, Pack, check_format, moment, whole

RESULT_HEADER = "Waybill-Result"
SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID)
ASIDE_BYTES = 8 * 1024
"""Bytes of what became of an event, in the header of its copy."""
RESULT_BYTES = 512 * 1024
"""Bytes of a results message; what is larger by itself goes alone."""

NOT_KEPT = "progress-not-kept"
TOO_LARGE = (
    "what was saved of answers is too large to be kept with the event; if another worker takes it over, its requests "
    "that were accepted are sent again"
)
NO_RESULTS = "A message of the stream is no results of a worker."


class ResultBatch(NamedTuple):
    """What a worker wrote at once, at `at` (unix seconds of its clock); `Change.place` is the number of an event.

    `fence` is that of the worker, 0 in the message that takes over. That one names its owner in `takeover`, and in
    `stream` when the stream of events was made, to which all numbers up to the next take-over refer.
    """

    fence: int = 0
    at: float = 0.0
    changes: tuple[Change, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    takeover: str = ""
    stream: str = ""


def encode(batch: ResultBatch) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of one message."""
    alike = [(list(run), key) for key, run in groupby(batch.changes, _all_but_place)]
    return _message(batch, [_line([each.place for each in run], run[0]) for run, _ in alike], batch.attempts)


def encode_aside(pack: Pack, change: Change) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a copy that is set aside: a pack of one event, and what became of it.

    Of a change that is larger than `ASIDE_BYTES`, progress and reports are left out.
    """
    headers, body = packs.encode(pack)
    _, result = encode(ResultBatch(changes=(change,)))
    if len(result) > ASIDE_BYTES:
        _, result = encode(ResultBatch(changes=(change._replace(progress=None, reports=NO_REPORTS),)))
    return {**headers, RESULT_HEADER: b64encode(result).decode()}, body


def fitting(change: Change, most: int = RESULT_BYTES) -> Change:
    """Return a change that fits into a message: where what an event has saved is too large, without its progress."""
    if change.progress is None or len(change.progress) < most // 4:
        return change
    reports = change.reports._replace(mapping=(*change.reports.mapping, Report(NOT_KEPT, "event", TOO_LARGE)))
    return change._replace(progress=None, reports=reports)


def decode_aside(headers: Mapping[str, str], body: bytes) -> tuple[Pack, Change]:
    """Return the pack and the change of a copy; raise UnknownFormat or DamagedPack."""
    pack = packs.decode(headers, body)
    try:
        result = b64decode(headers.get(RESULT_HEADER, ""), validate=True)
    except ValueError as error:
        raise DamagedPack(NO_RESULTS) from error
    if len(result) > 2 * ASIDE_BYTES:
        raise DamagedPack(NO_RESULTS)
    changes = decode(headers, result).changes
    if not len(changes) == len(pack.events) == len(pack.connections) == len(pack.replayed) == 1:
        raise DamagedPack(NO_RESULTS)
    if changes[0].outcome not in SET_ASIDE:
        raise DamagedPack(NO_RESULTS)
    return pack, changes[0]


def split(batch: ResultBatch, most: int = RESULT_BYTES) -> Iterator[ResultBatch]:
    """Divide a batch into ones of at most `most` bytes each, requests before the changes that name them."""
    attempts: list[Attempt] = []
    changes: list[Change] = []
    size = 0
    every: list[Attempt | Change] = [*batch.attempts, *batch.changes]
    for each in every:
        more = _size(each)
        if size and size + more > most:
            yield batch._replace(attempts=tuple(attempts), changes=tuple(changes))
            attempts, changes, size = [], [], 0
        if isinstance(each, Attempt):
            attempts.append(each)
        else:
            changes.append(each)
        size += more
    if size:
        yield batch._replace(attempts=tuple(attempts), changes=tuple(changes))


def decode(headers: Mapping[str, str], body: bytes) -> ResultBatch:
    """Return the results of a message; raise UnknownFormat for a newer release's, DamagedPack for what is none."""
    check_format(headers)
    try:
        given: dict[str, Any] = orjson.loads(body)
        changes = tuple(change for line in given["changes"] for change in _changes(line))
        attempts = tuple(_attempt(line) for line in given["attempts"])
        names = [_of(given[key], str) or "" for key in ("takeover", "stream")]
        return ResultBatch(whole(given["fence"]), moment(given["at"]), changes, attempts, *names)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedPack(NO_RESULTS) from error


def _message(
    batch: ResultBatch, changes: Sequence[Sequence[Any]], attempts: Sequence[Attempt]
) -> tuple[dict[str, str], bytes]:
    body = {
        "fence": batch.fence,
        "at": batch.at,
        "takeover": batch.takeover,
        "stream": batch.stream,
        "changes": changes,
        "attempts": [list(each) for each in attempts],
    }
    return {FORMAT_HEADER: FORMAT}, orjson.dumps(body)


def _all_but_place(change: Change) -> tuple[Any, ...]:
    return change[1:]


def _line(numbers: Sequence[int], change: Change) -> list[Any]:
    _, outcome, reason, error, digest, progress, tried_at, reports, attempts = change
    return [numbers, outcome.value, reason, error, digest, progress, tried_at, as_text(reports), attempts]


def _size(each: Attempt | Change) -> int:
    line = list(each) if isinstance(each, Attempt) else _line([each.place], each)
    return len(orjson.dumps(line)) + 1


def _changes(line: Sequence[Any]) -> Iterator[Change]:
    numbers, outcome, reason, error, digest, progress, tried_at, reports, attempts = line
    AttemptNumbers.of(_of(attempts, str))
    found = Change(
        0,
        Outcome(outcome),
        str(reason),
        str(error),
        _of(digest, str),
        _of(progress, str),
        None if tried_at is None else moment(tried_at),
        from_text(_of(reports, str)),
        attempts,
    )
    return (found._replace(place=whole(number)) for number in numbers)


def _attempt(line: Sequence[Any]) -> Attempt:
    found = Attempt(*line)
    for value, default in zip(found, Attempt(0, 0, "", "", "", 0, 0), strict=True):
        if type(value) is not type(default):
            raise TypeError("another kind")
        if isinstance(default, int) and not isinstance(default, bool):
            whole(value)
    return found


def _of(value: Any, kind: type) -> Any:
    if value is not None and type(value) is not kind:
        raise TypeError("another kind")
    return cast("Any", value)
