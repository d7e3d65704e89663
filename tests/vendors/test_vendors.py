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
from functools import cache
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
VENDORS = sorted(path.stem for path in HERE.glob("*.yaml"))
OF_THE_CLIENT = {"host", "accept-encoding", "connection", "user-agent", "content-length"}


@cache
def vendor_of(name: str) -> Destination:
    """Return a vendor's mapping, read when a test asks for it and not when tests are collected."""
    return destination(LIBRARY.read(HERE / f"{name}.yaml"))


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


def answers(name: str) -> Answers:
    path = HERE / "answers" / f"{name}.yaml"
    rules: Any = reader.parse(path.read_text(encoding="utf-8"), str(path)).value if path.exists() else []
    return Answers(rules)


def body_of(request: Request) -> Json:
    """Return a body as an object, of a form too."""
    if "form" in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.raw.decode()))
    value: Json = orjson.loads(request.raw) if request.raw else None
    return value


class Sent(NamedTuple):
    """What delivery made of some events; `runs` are the dry runs of each."""

    requests: list[Request]
    runs: list[DryRun]
    outcomes: dict[str, str]
    reasons: dict[str, str]


class Group(NamedTuple):
    """What was sent for examples with the same settings, one by one and together."""

    configured: ConfiguredConnection
    url: str
    alone: list[Sent]
    together: Sent


def deliver_group(name: str, examples: list[MappingExample], file: Path) -> Group:
    """Deliver the events of examples with the same settings to a vendor on this machine."""

    async def story() -> Group:
        answer, vendor = answers(name), vendor_of(name)
        async with Vendor(answer) as listening:
            connection = vendor.connect({**vendor.example_settings(), **examples[0].settings}, {})
            configured = into_sandbox(ConfiguredConnection(name=name, connection=connection), listening.url)
            alone = [await deliver(configured, [each], MemoryOutbox(), listening) for each in examples]
            answer.busy = {rule["path"] for rule in answer.rules if "busy" in rule}
            outbox = SqliteOutbox(file)
            try:
                return Group(configured, listening.url, alone, await deliver(configured, examples, outbox, listening))
            finally:
                outbox.close()

    return asyncio.run(story())


async def deliver(
    configured: ConfiguredConnection, examples: list[MappingExample], outbox: Outbox, vendor: Vendor
) -> Sent:
    """Take events into an outbox, show them by dry runs, and deliver them, one request at a time."""
    vendor.requests = []
    outbox.take_in([taken_in(example) for example in examples], [configured.name], NOW)
    runs = []
    for row, example in zip(outbox.waiting(configured.name, 0, len(examples)), examples, strict=True):
        plan = configured.connection.plan_normalized(normalized(row), now=NOW, replies=example.replies)
        runs.append(dry_run(configured, plan, NOW))
    await Delivery(outbox, [configured], replace(QUICK, slots=1), clock=Clock(lambda: NOW)).run()
    return Sent(vendor.requests, runs, *results(outbox))


def taken_in(example: MappingExample) -> NewEvent:
    return NewEvent("test", str(example.event["messageId"]), "2024-03-05T12:00:00.000Z", orjson.dumps(example.event))


def same_settings(name: str) -> list[list[MappingExample]]:
    """Return the examples of a vendor, those with the same settings together."""
    groups: dict[str, list[MappingExample]] = {}
    for example in vendor_of(name).mapping.examples:
        groups.setdefault(json.dumps(example.settings), []).append(example)
    return list(groups.values())


@pytest.mark.parametrize("name", VENDORS)
def test_nothing_is_wrong_with_it(name: str) -> None:
    assert [str(problem) for problem in validate(vendor_of(name).loaded)] == []


@pytest.mark.parametrize("name", VENDORS)
def test_each_event_is_sent_as_shown_and_all_together_as_pinned(
    name: str, snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    texts = []
    for number, examples in enumerate(same_settings(name)):
        group = deliver_group(name, examples, tmp_path / f"{number}.db")
        for example, sent in zip(examples, group.alone, strict=True):
            assert_as_shown(example, sent, group)
        together = group.together
        # Different users wait for nothing but a free slot, so the order of their requests is nobody's.
        texts += [f"# Settings: {json.dumps(examples[0].settings)}", *sorted(map(written, together.requests))]
        texts.append("\n".join(f"# {key}: {each}, {together.reasons[key]}" for key, each in together.outcomes.items()))
    assert "\n\n".join(texts) + "\n" == snapshot(extension_class=HttpFile)


def assert_as_shown(example: MappingExample, sent: Sent, group: Group) -> None:
    """The requests of one event are those of its dry run, to the byte."""
    [run] = sent.runs
    received = [on_wire(each) for each in sent.requests]
    if group.configured.connection.compiled.oauth2 is not None:
        received = [without_token(each) for each in received if "authorization" in each.headers]
    assert received == shown(run, group.configured.connection, group.url), example.title
    expected = {"delivered", "rejected"} if run.plan.outcome is Outcome.PLANNED else {run.plan.outcome.value}
    assert sent.outcomes[str(example.event["messageId"])] in expected


def without_token(request: OnWire) -> OnWire:
    """Mask the access token: a dry run has none."""
    return request._replace(headers={**request.headers, "authorization": "Bearer ***"})


def written(request: Request) -> str:
    """Return a request as text, without what the client adds to each, its body laid out and its query decoded."""
    target = urlsplit(request.path)
    lines = [f"{request.method} {target.path}", *(f"  ?{key}={value}" for key, value in parse_qsl(target.query))]
    lines += [f"{key}: {value}" for key, value in request.headers.items() if key not in OF_THE_CLIENT]
    body = body_of(request)
    return "\n".join([*lines, *([] if body is None else [json.dumps(body, indent=1, ensure_ascii=False)])])
