"""Versions of mappings are kept in the outbox, and what is half done under one is finished under it."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from engine.delivery.configured_connection import ConfiguredConnection, into_sandbox
from engine.delivery.intake import iso
from engine.delivery.mapping_versions import MOST_BYTES, pack, unpack
from engine.delivery.observers import DeliveryObserver
from engine.delivery.older_versions import (
    ELSEWHERE,
    MOST_IN_MEMORY,
    NOT_CONNECTED,
    NOT_KEPT,
    NOT_READABLE,
    SIGNED_IN,
    TOO_LARGE,
    OlderVersions,
)
from engine.delivery.outbox.base import Change, Chosen, Outbox, Waiting
from engine.delivery.outbox.reports import MORE, EventReports
from engine.delivery.sending.jobs import Job, ids_of, normalized
from engine.delivery.sending.versions import Version
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import sent_again
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.mapping.problems import Mark
from engine.plan import destination
from engine.records import JsonObject, Outcome, Report
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.test_process import until
from tests.delivery.vendor import BATCHES, MAPPING, QUICK, Answer, Request, Vendor, event, fine, results, shop

NEW = BATCHES.replace("/use/", "/v2/use/").replace("/find/", "/v2/find/").replace("/many", "/v2/many")
IMPATIENT = replace(QUICK, patience=0.02)
SHIPPED = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_unpacked_plans_as_the_mapping_does(name) -> None:
    loaded = Library([]).load(name)
    files = pack(loaded)
    assert files is not None
    again = unpack(files)
    assert (again.raw, again.path, again.problems) == (loaded.raw, loaded.path, loaded.problems)
    first, second = destination(loaded), destination(again)
    settings = first.example_settings()
    connections = first.connect(settings, {}), second.connect(settings, {})
    for example in loaded.mapping.examples:
        old, new = (each.plan(example.event, received_at=iso(1.7e9), now=1.7e9) for each in connections)
        assert old == new
    assert [loaded.mark(place) for place in places(loaded.raw)] == [again.mark(place) for place in places(again.raw)]


def places(value: JsonObject) -> list[tuple[str, ...]]:
    calls = value["calls"]
    assert isinstance(calls, dict)
    return [("calls", each) for each in calls] + [("http", "base_url"), ("name",)]


def test_files_are_found_without_the_disk_and_problems_name_them(tmp_path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    base = (
        'mapping: 1\nname: base\ntitle: B\nhttp: { base_url: "https://v.example" }\nrequests: { add: { path: /add } }\n'
    )
    (tmp_path / "base.yaml").write_text(base + "calls: { track: [{ request: add, fields: { part: parts.a } }] }\n")
    (parts / "common.yaml").write_text("parts:\n  a: { const: 1 }\n")
    own = "mapping: 1\nname: child\ntitle: C\nextends: base\ninclude: [common]\n"
    (tmp_path / "child.yaml").write_text(own)
    first = Library([]).load(str(tmp_path / "child.yaml"))
    assert first.problems == ()
    packed = pack(first)
    assert packed is not None
    for file in (tmp_path / "child.yaml", tmp_path / "base.yaml", parts / "common.yaml"):
        file.write_text("gone: true")
    loaded = unpack(packed)
    assert loaded.problems == ()
    assert loaded.mark(("calls", "track")).file == f"{tmp_path}/base.yaml"
    assert loaded.mark(("parts", "a")) == Mark(f"{tmp_path}/parts/common.yaml", 2, 6)
    assert loaded.resolved.document.text == own


OTHER_JSON = [
    zlib.compress(text)
    for text in (
        b"5",
        b"{}",
        b'{"path":5,"mapping":["","f",""],"extends":null,"include":[]}',
        b'{"path":"f","mapping":["","f",5],"extends":null,"include":[]}',
        b'{"path":"f","mapping":["","f",""],"extends":["a",{},""],"include":[]}',
        b'{"path":"f","mapping":["","f",""],"extends":null,"include":[["a"]]}',
        b" " * (MOST_BYTES + 10),
    )
]


@pytest.mark.parametrize(
    "files", [b"", b"no zlib", b"x\x9c\x03\x00\x00\x00\x00\x01", *OTHER_JSON, pack(Library([]).load("slack"))[:50]]
)  # type: ignore[index]
def test_other_bytes_are_no_version(files) -> None:
    with pytest.raises(ValueError, match=r"^these bytes are not the files of a mapping$"):
        unpack(files)


class Warned(DeliveryObserver):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warned(self, connection: str, warning: str) -> None:
        self.said.append(warning)


def test_a_mapping_that_is_too_large_is_not_kept_and_that_is_said(tmp_path) -> None:
    (tmp_path / "parts").mkdir()
    names = [f"p{number}" for number in range(5)]
    for name in names:
        (tmp_path / "parts" / f"{name}.yaml").write_text(f"parts: {{ {name}: {{ const: 1 }} }}\n" + "#" * 1_000_000)
    warned, outbox = Warned(), MemoryOutbox()

    async def story() -> None:
        async with Vendor() as vendor:
            used = ", ".join(f"{name}: parts.{name}" for name in names)
            more = BATCHES.replace("id: messageId, user: userId", f"id: messageId, {used}")
            configured = shop(tmp_path, vendor.url, more=f"{more}include: [{', '.join(names)}]\n")
            outbox.take_in([event(1)], ["shop"], 1.0)
            await Delivery(outbox, [configured], QUICK, observer=warned).run()
            assert outbox.version_files(configured.digest()) is None

    asyncio.run(story())
    assert MOST_BYTES < 5_000_000
    assert warned.said == [TOO_LARGE]
    assert results(outbox)[0] == {"m1": "delivered"}


def half_done(request: Request) -> Answer:
    """Accept what comes first, and let the second request of an event wait."""
    return Answer(503) if request.path.startswith("/use") else fine(request)


async def half(directory: Path, vendor: Vendor, outbox: Outbox, number: int = 1) -> ConfiguredConnection:
    """Leave an event half done under the old version."""
    vendor.answer = half_done
    old = shop(directory, vendor.url)
    outbox.take_in([event(number, call="group")], ["shop"], 1000.0)
    await Delivery(outbox, [old], IMPATIENT).run()
    vendor.answer = fine
    vendor.requests.clear()
    return old


def only(outbox: Outbox) -> tuple[Waiting, tuple[Report, ...]]:
    [row] = outbox.listed(Chosen(), 0, 9)
    [stored] = outbox.stored_at([row.place])
    return stored, row.reports.mapping


def test_an_event_that_is_half_done_finishes_under_its_version_after_a_restart(tmp_path, outbox) -> None:
    async def story() -> tuple[str, list[str]]:
        async with Vendor() as vendor:
            old = await half(tmp_path, vendor, outbox)
            new = shop(tmp_path, vendor.url, more=NEW)
            outbox.take_in([event(2, "other", call="group")], ["shop"], 1000.0)
            await Delivery(outbox, [new], QUICK).run()
            return old.digest(), sorted(each.path for each in vendor.requests)

    digest, paths = asyncio.run(story())
    assert paths == ["/use/k1", "/v2/find/other", "/v2/use/k1"]
    assert results(outbox) == (
        {"m1": "delivered", "m2": "delivered"},
        dict.fromkeys(["m1", "m2"], "2 requests accepted"),
    )
    first, second = outbox.stored_at([row.place for row in outbox.listed(Chosen(), 0, 9)])
    assert (first.digest, first.kept.mapping) == (digest, ())
    assert second.digest != digest


def test_and_after_a_reload(tmp_path) -> None:
    outbox = MemoryOutbox()

    async def story() -> list[str]:
        async with Vendor(half_done) as vendor:
            old = shop(tmp_path, vendor.url, give_up="1h", more=BATCHES.replace("max_wait: 5ms", "max_wait: 1ms"))
            outbox.take_in([event(1, call="group")], ["shop"], 1000.0)
            delivery = Delivery(outbox, [old], replace(QUICK, until_idle=False))
            running = asyncio.create_task(delivery.run())
            await until(lambda: only(outbox)[0].progress is not None)
            new = shop(tmp_path, vendor.url, more=NEW)
            await delivery.replace([new])
            vendor.requests.clear()
            vendor.answer = fine
            await until(lambda: outbox.unfinished("shop")[0] == 0)
            delivery.stop()
            await running
            return [each.path for each in vendor.requests]

    assert set(asyncio.run(story())) == {"/use/k1"}
    assert results(outbox) == ({"m1": "delivered"}, {"m1": "2 requests accepted"})


def test_one_in_a_batch_is_sent_alone_and_judged_by_its_own_rules(tmp_path) -> None:
    """The old version's batch holds one item at most; that of the new one goes elsewhere, and its rules are others."""
    outbox = MemoryOutbox()
    new = NEW.replace("status: [409], then: stop", "status: [409], then: accept")

    async def story() -> list[tuple[str, int]]:
        count = 0

        def first_only(request: Request) -> Answer:
            nonlocal count
            count += 1
            return fine(request) if count == 1 else Answer(503)

        async with Vendor(first_only) as vendor:
            outbox.take_in([event(1, call="page")], ["shop"], 1000.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url, max_items=1)], IMPATIENT).run()
            vendor.requests.clear()
            vendor.answer = lambda request: Answer(409, {"why": "closed"})
            outbox.take_in([event(2)], ["shop"], 1000.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url, more=new)], replace(QUICK, slots=1)).run()
            return [(each.path, len(each.body)) for each in vendor.requests]

    assert asyncio.run(story()) == [("/many", 1)]
    assert results(outbox)[0] == {"m1": "held", "m2": "held"}
    assert outbox.connections()[0].held == "the vendor answered 409: closed"


def test_a_replay_is_planned_by_the_new_version_and_says_so(tmp_path, outbox) -> None:
    async def story() -> list[str]:
        async with Vendor() as vendor:
            vendor.answer = lambda request: Answer(400) if request.path.startswith("/use") else fine(request)
            outbox.take_in([event(1, call="group")], ["shop"], 1000.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url)], QUICK).run()
            vendor.requests.clear()
            [row] = outbox.listed(Chosen(), 0, 9)
            outbox.replay([row.place], "replayed", 2000.0)
            failing = [Answer(503)]
            vendor.answer = lambda request: failing.pop() if failing else fine(request)
            await Delivery(outbox, [shop(tmp_path, vendor.url, more=NEW)], replace(QUICK, patience=30.0)).run()
            return [each.path for each in vendor.requests]

    assert asyncio.run(story()) == ["/v2/find/u1", "/v2/find/u1", "/v2/use/k1"]
    [report] = only(outbox)[1]
    assert report[:2] == ("sent-again", "event")
    assert report.message.endswith(
        "does not count in a replay, so it was planned anew by the current one; 1 request may arrive twice"
    )


def test_what_cannot_be_finished_is_planned_anew_and_stays_said_after_a_failure(tmp_path) -> None:
    outbox = MemoryOutbox()

    async def story() -> tuple[str, list[str]]:
        async with Vendor() as vendor:
            old = await half(tmp_path, vendor, outbox)
            outbox._versions.clear()
            vendor.answer = lambda request: Answer(503)
            await Delivery(outbox, [shop(tmp_path, vendor.url, more=NEW)], IMPATIENT).run()
            vendor.answer = fine
            vendor.requests.clear()
            await Delivery(outbox, [shop(tmp_path, vendor.url, more=NEW)], QUICK).run()
            return old.digest(), [each.path for each in vendor.requests]

    digest, paths = asyncio.run(story())
    assert paths == ["/v2/find/u1", "/v2/use/k1"]
    assert only(outbox)[1] == (
        Report(
            "sent-again",
            "event",
            f"the version of the mapping under which a part of it was accepted ({digest}) was not kept, so it was planned "
            "anew by the current one; 1 request may arrive twice",
        ),
    )


SIGN_IN = """oauth2:
    { token_url: "https://v.example/token", grant: client_credentials, client_id: settings.key, client_secret: settings.key }
"""


def versions(directory: Path, *texts: str, settings: JsonObject) -> tuple[OlderVersions, str]:
    """Keep a mapping, change it, and return what finds versions for the second one, and the digest of the first."""
    outbox, digests = MemoryOutbox(), []
    for text in texts:
        (directory / "shop.yaml").write_text(text)
        target = destination(Library([]).load(str(directory / "shop.yaml")))
        known = {name: value for name, value in settings.items() if name in target.mapping.settings}
        configured = ConfiguredConnection(name="shop", connection=target.connect(known, {}))
        found = OlderVersions(configured, outbox, lambda: 1.0)
        assert found.keep()
        digests.append(configured.digest())
    return found, digests[0]


BASE = MAPPING.format(more=BATCHES.format(max_items=5, give_up="24h"))
MORE_SETTINGS = BASE.replace("settings:\n", "settings:\n  extra: { title: Extra, type: string }\n")
SETTINGS: JsonObject = {"url": "https://v.example", "key": "top-secret-key", "extra": "x"}
UNFIT = {
    "a setting is gone": (MORE_SETTINGS, BASE, NOT_CONNECTED),
    "another host": (BASE.replace("${settings.url}", "https://old.example"), BASE, ELSEWHERE),
    "another port": (BASE.replace("${settings.url}", "https://v.example:444"), BASE, ELSEWHERE),
    "signed in in another way": (re.sub("headers: .*\n", SIGN_IN, BASE, count=1), BASE, SIGNED_IN),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_version_that_would_be_sent_wrongly_is_not_used(tmp_path, case) -> None:
    old, new, why = UNFIT[case]
    found, digest = versions(tmp_path, old, new, settings=SETTINGS)
    assert found.find(digest) == why
    assert found.find("0" * 16) == NOT_KEPT


def test_a_version_is_connected_with_the_settings_of_today_that_it_knows(tmp_path) -> None:
    found, digest = versions(tmp_path, BASE, MORE_SETTINGS, settings=SETTINGS)
    version = found.find(digest)
    assert isinstance(version, Version)
    assert version.older
    assert version.connection.settings == {"url": "https://v.example", "key": "top-secret-key"}
    assert repr(version.connection.settings["key"]) == "'***'"


def test_in_the_sandbox_an_older_version_goes_to_the_sandbox_too(tmp_path) -> None:
    outbox = MemoryOutbox()
    for text in (BASE, BASE.replace("/use/", "/v2/")):
        (tmp_path / "shop.yaml").write_text(text)
        target = destination(Library([]).load(str(tmp_path / "shop.yaml")))
        configured = ConfiguredConnection(
            name="shop", connection=target.connect({"url": "https://v.example", "key": "k" * 9})
        )
        found = OlderVersions(into_sandbox(configured, "http://127.0.0.1:9"), outbox, lambda: 1.0)
        found.keep()
    digest = next(iter(outbox._versions))
    version = found.find(digest)
    assert isinstance(version, Version)
    request = version.connection.plan({"type": "identify", "userId": "u", "traits": {}}).requests[0]
    assert request.url == "http://127.0.0.1:9/single"


def test_damaged_files_are_said_and_few_versions_are_in_memory(tmp_path) -> None:
    found, digest = versions(tmp_path, BASE, MORE_SETTINGS, settings=SETTINGS)
    name, files = found._outbox.version_files(digest) or ("", b"")
    for number in range(2 * MOST_IN_MEMORY):
        found._outbox.keep_version(f"{number:016}", name, files if number % 2 else b"x", 1.0)
        assert found.find(f"{number:016}") == NOT_READABLE, "the digest of the files is another one"
    assert len(found._found) == MOST_IN_MEMORY


def test_the_report_counts_requests() -> None:
    row = Waiting(1, 1, "m", "", b"", '{"accepted":[[0,null],[1,0],[1,1]],"saved":{}}', "abc", None, 0.0)
    assert sent_again(row, NOT_KEPT).message == (
        "the version of the mapping under which a part of it was accepted (abc) was not kept, so it was planned anew by "
        "the current one; up to 3 requests may arrive twice"
    )


NOTED = Report("not-converted", "batches.many.fields.total", "left out")


def test_reports_that_were_noted_while_a_part_was_sent_are_kept(tmp_path) -> None:
    version = Version.of(shop(tmp_path, "http://127.0.0.1:9"), lambda: 1.0)
    raw = event(1, call="group").raw
    kept = EventReports((), (NOTED, Report(MORE, "event", "1 more report")))
    row = Waiting(
        1, 1, "m1", "2026-01-01T00:00:00Z", raw, '{"accepted":[[0,null]],"saved":{}}', version.digest, None, 0.0
    )
    found = normalized(row)
    assert Job(version, row._replace(kept=kept), 1.0, found, ids_of(found)).reports.mapping == (NOTED,)
    assert Job(version, row._replace(kept=kept, digest="other"), 1.0, found, ids_of(found)).reports.mapping == ()


@pytest.mark.parametrize(("progress", "left"), [(None, ()), ("{}", (NOTED,))])
def test_a_replay_keeps_the_reports_of_what_was_accepted(outbox, progress, left) -> None:
    outbox.take_in([event(1)], ["shop"], 1.0)
    fence = outbox.lease("shop", "w", 1.0, 10.0)
    [row] = outbox.waiting("shop", 0, 1)
    assert not row.replayed
    reports = EventReports((), (NOTED,))
    outbox.write("shop", fence, [Change(row.place, Outcome.REJECTED, "", progress=progress, reports=reports)], 2.0)
    outbox.replay([row.place], "replayed", 3.0)
    [again] = outbox.waiting("shop", 0, 1)
    assert (again.kept.mapping, again.replayed) == (left, progress is not None)
