"""Destinations of many kinds, written by docs/ alone: the requests that a vendor receives, and that dry runs show them.

Adding a vendor is adding NAME.yaml here, a mapping whose examples are its events. What a vendor answers, unless it is
200 with {}, is in answers/NAME.yaml: the first entry whose `path` begins the request's, and whose `when` holds over its
body. `busy` is the status of the first answer when all events are sent together. `pytest --snapshot-update` writes the
requests that are received then.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from engine.delivery.configured_connection import ConfiguredConnection, into_sandbox
from engine.delivery.outbox.base import NewEvent, Outbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.sending.jobs import normalized
from engine.delivery.sending.outgoing import DryRun, dry_run
from engine.delivery.sending.pacing import Clock
from engine.delivery.supervisor import Delivery
from engine.language.paths import holds, search
from engine.mapping.example import MappingExample
from engine.mapping.load import Library
from engine.mapping.yaml import reader
from engine.plan import Destination, destination
from engine.records import Json, Outcome
from engine.testing.examples import NOW, validate
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.test_shown import OnWire, on_wire, shown
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, results

HERE = Path(__file__).parent
LIBRARY = Library([HERE, HERE.parents[1] / "mappings"])
VENDORS = {path.stem: destination(LIBRARY.read(path)) for path in sorted(HERE.glob("*.yaml"))}
CASES = [
    pytest.param(name, example, id=f"{name}-{example.event['messageId']}")
    for name, vendor in VENDORS.items()
    for example in vendor.mapping.examples
]
OF_THE_CLIENT = {"host", "accept-encoding", "connection", "user-agent", "content-length"}


class HttpFile(SingleFileSnapshotExtension):
    """One file a vendor, of requests as they are written in HTTP."""

    _write_mode = WriteMode.TEXT
    file_extension = "http"


@dataclass(slots=True)
class Answers:
    """What a vendor answers."""

    rules: list[dict[str, Any]]
    busy: set[str] = field(default_factory=set)
    """Paths that are busy the first time."""

    def __call__(self, request: Request) -> Answer:
        body = body_of(request)
        for rule in self.rules:
            if request.path.startswith(rule["path"]) and ("when" not in rule or holds(search(rule["when"], body))):
                if rule["path"] in self.busy:
                    self.busy.remove(rule["path"])
                    return Answer(rule["busy"], None, rule.get("headers", {}))
                answer = search(rule["body_from"], body) if "body_from" in rule else rule.get("body")
                return Answer(rule.get("status", 200), b"" if answer is None else answer)
        return Answer(200, {})


def answers(name: str, *, busy: bool = False) -> Answers:
    path = HERE / "answers" / f"{name}.yaml"
    rules: Any = reader.parse(path.read_text(encoding="utf-8"), str(path)).value if path.exists() else []
    return Answers(rules, {rule["path"] for rule in rules if busy and "busy" in rule})


def body_of(request: Request) -> Json:
    """Return a body as an object, of a form too."""
    if "form" in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.raw.decode()))
    value: Json = orjson.loads(request.raw) if request.raw else None
    return value


class Sent(NamedTuple):
    """What delivery made of the events of some examples with the same settings."""

    requests: list[Request]
    runs: list[DryRun]
    outcomes: dict[str, str]
    reasons: dict[str, str]
    configured: ConfiguredConnection
    url: str


def deliver(vendor: Destination, examples: list[MappingExample], outbox: Outbox, answer: Answers) -> Sent:
    """Take the events of examples into the outbox and deliver them, one request at a time, and show them by dry runs."""

    async def story() -> Sent:
        async with Vendor(answer) as listening:
            connection = vendor.connect({**vendor.example_settings(), **examples[0].settings}, {})
            name = vendor.mapping.name
            configured = into_sandbox(ConfiguredConnection(name=name, connection=connection), listening.url)
            outbox.take_in([taken_in(example) for example in examples], [name], NOW)
            runs = []
            for row, example in zip(outbox.waiting(name, 0, len(examples)), examples, strict=True):
                plan = configured.connection.plan_normalized(normalized(row), now=NOW, replies=example.replies)
                runs.append(dry_run(configured, plan, NOW))
            await Delivery(outbox, [configured], replace(QUICK, slots=1), clock=Clock(lambda: NOW)).run()
            return Sent(listening.requests, runs, *results(outbox), configured, listening.url)

    return asyncio.run(story())


def taken_in(example: MappingExample) -> NewEvent:
    return NewEvent("test", str(example.event["messageId"]), "2024-03-05T12:00:00.000Z", orjson.dumps(example.event))


@pytest.mark.parametrize("name", VENDORS)
def test_nothing_is_wrong_with_it(name: str) -> None:
    assert [str(problem) for problem in validate(VENDORS[name].loaded)] == []


@pytest.mark.parametrize(("name", "example"), CASES)
def test_an_event_is_sent_as_it_is_shown(name: str, example: MappingExample) -> None:
    sent = deliver(VENDORS[name], [example], MemoryOutbox(), answers(name))
    [run] = sent.runs
    received = [on_wire(each) for each in sent.requests]
    if sent.configured.connection.compiled.oauth2 is not None:
        received = [without_token(each) for each in received if "authorization" in each.headers]
    assert received == shown(run, sent.configured.connection, sent.url)
    expected = "delivered" if run.plan.outcome is Outcome.PLANNED else run.plan.outcome.value
    assert sent.outcomes == {example.event["messageId"]: expected}


def without_token(request: OnWire) -> OnWire:
    """Mask the access token: a dry run has none."""
    return request._replace(headers={**request.headers, "authorization": "Bearer ***"})


@pytest.mark.parametrize("name", VENDORS)
def test_requests_of_all_events_together(name: str, snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    vendor, answer = VENDORS[name], answers(name, busy=True)
    groups: dict[str, list[MappingExample]] = {}
    for example in vendor.mapping.examples:
        groups.setdefault(json.dumps(example.settings), []).append(example)
    lines = []
    for number, (settings, examples) in enumerate(groups.items()):
        outbox = SqliteOutbox(tmp_path / f"{number}.db")
        try:
            sent = deliver(vendor, examples, outbox, answer)
        finally:
            outbox.close()
        # Different users wait for nothing but a free slot, so the order of their requests is nobody's.
        lines += [f"# Settings: {settings}", *sorted(map(written, sent.requests))]
        lines.append("\n".join(f"# {key}: {outcome}, {sent.reasons[key]}" for key, outcome in sent.outcomes.items()))
    assert "\n\n".join(lines) + "\n" == snapshot(extension_class=HttpFile)


def written(request: Request) -> str:
    """Return a request as text, without what the client adds to each, its body laid out and its query decoded."""
    target = urlsplit(request.path)
    lines = [f"{request.method} {target.path}", *(f"  ?{key}={value}" for key, value in parse_qsl(target.query))]
    lines += [f"{key}: {value}" for key, value in request.headers.items() if key not in OF_THE_CLIENT]
    body = body_of(request)
    return "\n".join([*lines, *([] if body is None else [json.dumps(body, indent=1, ensure_ascii=False)])])
