"""The status of connections as JSON, and a harmless request that checks whether a vendor accepts the credentials."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine.compiler.runtime import Invalid
from engine.delivery.configured_connection import ConfiguredConnection, PatchedMapping, base_url
from engine.delivery.intake import iso
from engine.delivery.outbox.base import DEFAULT_FILE, ConnectionRow, Outbox, Standing, advice
from engine.delivery.outbox.location import Location
from engine.delivery.sending.http import Refused, Sender, Unsendable, VendorReply
from engine.delivery.sending.oauth2 import access_tokens
from engine.delivery.sending.refresh_tokens import RefreshTokens, SignInFailed, SignInRefused
from engine.delivery.sending.shipping import interpret
from engine.events.normalizing import normalize
from engine.language.times import seconds
from engine.mapping.model import Step
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, PlannedRequest
from engine.responses import ResponseReader

MOST_REASONS = 50


def delivery_status(outbox: Outbox, now: float) -> JsonObject:
    """Return how each connection stands at a time, its events by outcome, and the commonest reasons and reports."""
    standings = {each.row.name: each for each in outbox.standings(now)}
    overview = outbox.overview(MOST_REASONS)
    connections: list[Json] = []
    for row in overview.connections:
        outcomes: JsonObject = {
            outcome.value: count for (name, outcome), count in overview.counts.items() if name == row.name
        }
        unfinished = overview.unfinished.get(row.name, (0, None))
        shown = connection_json(row, outbox.path, *unfinished)
        connections.append(
            {**shown, "outcomes": outcomes, **(_numbers(standings[row.name]) if row.name in standings else {})}
        )
    reasons: list[Json] = [
        {
            "connection": each.connection,
            "outcome": each.outcome.value,
            "reason": each.reason,
            "events": each.events,
            "words": each.error,
        }
        for each in overview.reasons
    ]
    reports: list[Json] = [dict(each._asdict()) for each in overview.reports]
    return {"connections": connections, "reasons": reasons, "reports": reports}


def connection_json(row: ConnectionRow, outbox: Location, unfinished: int, oldest: float | None) -> JsonObject:
    """Return what a connection waits for, with what to do about a hold; `oldest` is in unix seconds."""
    return {
        "name": row.name,
        "unfinished": unfinished,
        "oldest_queued_at": _time(oldest),
        "held": row.held,
        "hint": advice(row.hint, row.name, outbox) if row.held else "",
        "held_at": _time(row.held_at),
        "pause": row.pause,
        "next_try_at": _time(row.due),
        "alarm": row.alarm,
    }


def _numbers(found: Standing) -> JsonObject:
    return {
        "state": found.state,
        "lag_seconds": _rounded(found.lag),
        "events_per_second": _rounded(found.rate),
        "drain_seconds": _rounded(found.drain),
        "last_hour": {outcome.value: count for outcome, count in sorted(found.hour.items())},
        "mapping": found.digest,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


CHECK_EVENT: Json = {"type": "track", "event": "check", "userId": "check", "messageId": "check"}


class CredentialsCheck(NamedTuple):
    """The result of a check; `passed` is None if the mapping has no request to check with."""

    passed: bool | None
    message: str


async def check_credentials(configured: ConfiguredConnection, outbox: Path = DEFAULT_FILE) -> CredentialsCheck:
    """Get an access token, if the mapping has `oauth2`, and send the request that it names under `check`.

    A new refresh token is kept beside `outbox`, where delivery reads it.
    """
    result = await _check(configured, RefreshTokens.beside(outbox, configured.name))
    return result._replace(message=configured.connection.secrets.mask(result.message))


async def _check(configured: ConfiguredConnection, file: Path) -> CredentialsCheck:
    name, connection = configured.mapping.check, configured.connection
    title = configured.mapping.title
    if name is None and configured.mapping.http.oauth2 is None:
        return CredentialsCheck(None, f"settings are valid; {title} has no request to check credentials.")
    try:
        request = None if name is None else _check_request(configured, name)
        tokens = access_tokens(connection, file, now=time.time)
        timeout = seconds(configured.mapping.http.timeout)
        sender = Sender(base_url(connection), timeout=timeout, slots=1, tokens=tokens)
    except (Invalid, SignInRefused) as error:
        return CredentialsCheck(False, str(error))
    try:
        if request is None:
            assert tokens is not None
            await tokens.current()
            return CredentialsCheck(True, f"{title} gives access tokens; it has no request to check them with.")
        encode = configured.mapping.requests[request.request].encode
        reply = await sender.send(request, encode, connection.signers.get(request.request))
    except SignInFailed as error:
        return CredentialsCheck(False, f"no access token: {error}.")
    except (Refused, SignInRefused, Unsendable) as error:
        return CredentialsCheck(False, str(error))
    finally:
        await sender.close()
    return _result(configured, request, reply)


def _result(configured: ConfiguredConnection, request: PlannedRequest, reply: VendorReply) -> CredentialsCheck:
    result = interpret(ResponseReader(configured.connection), None, [request], reply)
    if result.then == "accept":
        return CredentialsCheck(True, f"{configured.mapping.title} accepts the credentials.")
    message = f"{result.description}. {result.hint}" if result.hint else f"{result.description}."
    return CredentialsCheck(False, message)


def _check_request(configured: ConfiguredConnection, name: str) -> PlannedRequest:
    """Plan the request as the only step of a call; it uses nothing of an event.

    It has no request id, because a vendor that remembers those would repeat its first response.
    """
    step = Step(place=("check",), request=name, value=None)
    http = replace(configured.mapping.http, request_id=None)
    calls = {"track": (step,)}
    loaded = PatchedMapping(
        configured.connection.destination.loaded, calls=calls, shared={}, integrations=(), http=http
    )
    plan = Connection(Destination(loaded), configured.connection.settings).plan_normalized(normalize(CHECK_EVENT))
    if not plan.requests:
        raise Invalid("check", plan.reason)
    return plan.requests[0]
