"""What is kept of discarded events: a few of each second, without secrets, and never at the cost of a request."""

from __future__ import annotations

import asyncio
import base64
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.collector import discard_copies
from engine.collector.concealing import Concealing
from engine.collector.discard_copies import BYTES_A_SECOND, MOST_PENDING, event_bytes
from engine.collector.discards import Discard
from engine.delivery.outbox import looking
from engine.delivery.outbox.base import NewEvent, OutboxError
from engine.delivery.outbox.keeping import DISCARDS_A_SECOND, LARGEST_DISCARD
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import MASK, Json, Secrets, masked
from tests.collector.harness import NOW, Inside
from tests.collector.test_import import folder, run  # noqa: F401  folder is a fixture
from tests.delivery.memory_outbox import MemoryOutbox

KEY = "wk-4f7Qz-hidden/part"
CONCEALING, SECRETS = Concealing([KEY, "k"]), Secrets([KEY, "k"])
TRACK = {"type": "track", "userId": "u", "event": "E"}


def kept(inside: Inside) -> list[tuple[str, str, str, Json]]:
    assert isinstance(inside.outbox, MemoryOutbox)
    assert {each.discarded_at for each in inside.outbox.discards} <= {NOW}
    return [(each.source, each.code, each.message_id, orjson.loads(each.raw)) for each in inside.outbox.discards]


def test_the_event_is_kept_as_it_came() -> None:
    inside = Inside()
    bad = {"type": "track", "userId": "u", "messageId": "m1", "properties": {"a": [1, None, True, "é"]}}
    [answer] = inside.post([TRACK, bad, 7, bad | {"writeKey": "a key of another service"}])
    assert (answer.status, len(inside.events())) == (200, 1)
    assert kept(inside) == [
        ("web", "event_not_defined", "m1", bad),
        ("web", "bad_request", "", 7),
        ("web", "event_not_defined", "m1", bad),
    ]
    assert inside.outbox.discarded == {"web": 3}  # type: ignore[attr-defined]


def test_an_empty_batch_is_kept() -> None:
    inside = Inside()
    inside.post([])
    assert kept(inside) == [("web", "empty_batch", "", {"batch": []})]


def test_twenty_a_second_of_a_source_are_kept_and_all_are_counted() -> None:
    now = [NOW]
    inside = Inside(clock=lambda: now[0])
    inside.outbox.keep_discards = lambda discards, counts, now: seen.append((len(discards), dict(counts)))  # type: ignore[method-assign,assignment]
    seen: list[tuple[int, dict[str, int]]] = []

    async def work() -> None:
        for _ in range(3):
            for key in ("wk", "app-key"):
                for _ in range(2):
                    await inside.asked("/v1/batch", orjson.dumps({"batch": [7] * 15}), key=key)
            now[0] += 1
        await inside.collector.close()

    asyncio.run(work())
    assert seen == [(3 * 2 * DISCARDS_A_SECOND, {"web": 90, "app": 90})]


def test_large_ones_are_kept_up_to_a_number_of_bytes_a_second() -> None:
    inside = Inside()
    large = TRACK | {"properties": {"a": "x" * 40_000}}
    inside.post([large] * 10)
    found = kept(inside)
    assert [code for _, code, _, _ in found] == ["event_too_large"] * (BYTES_A_SECOND // LARGEST_DISCARD)
    assert {len(orjson.dumps(event)) <= LARGEST_DISCARD for *_, event in found} == {True}


def test_it_is_written_soon_without_the_end_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discard_copies, "INTERVAL", 0.01)
    inside = Inside()
    wrote = asyncio.Event()

    async def work() -> None:
        loop = asyncio.get_running_loop()

        def keep(discards, counts, now) -> None:
            loop.call_soon_threadsafe(wrote.set)

        inside.outbox.keep_discards = keep  # type: ignore[method-assign,assignment]
        await inside.asked("/v1/batch", orjson.dumps({"batch": [7]}))
        await asyncio.wait_for(wrote.wait(), 20)
        await inside.collector.close()

    asyncio.run(work())


class Locked(MemoryOutbox):
    """Stores events, but no discards until it is told to."""

    locked = True

    def keep_discards(self, discards, counts, now, *, all_of_them=False):
        if self.locked:
            raise OutboxError("outbox.db is locked.")
        super().keep_discards(discards, counts, now, all_of_them=all_of_them)


def test_an_outbox_that_cannot_be_written_loses_only_the_copies() -> None:
    outbox = Locked()
    inside = Inside(outbox=outbox)

    async def work() -> None:
        for batch in ([7, 8, TRACK], [9]):
            assert (await inside.asked("/v1/batch", orjson.dumps({"batch": batch}))).status == 200
        await inside.collector.discards.close()
        outbox.locked = False
        assert (await inside.asked("/v1/batch", orjson.dumps({"batch": [10]}))).status == 200
        await inside.collector.close()

    asyncio.run(work())
    assert len(inside.events()) == 1
    lost = [line for line in inside.observer.text().decode().splitlines() if "copies_lost_total" in line]
    assert lost[-1] == "waybill_collector_discard_copies_lost_total 3.0"
    assert [each.raw for each in outbox.discards] == [b"10"]
    assert outbox.discarded == {"web": 4}, "they are counted once it can be written"


def test_what_waits_for_a_slow_disk_has_a_bound() -> None:
    inside = Inside()
    copies = inside.collector.discards
    large = Discard("event_too_large", "why", event={"a": "x" * (MOST_PENDING // 2)})
    lost: list[str] = []
    copies._on_loss = lambda count, reason: lost.append(f"{count}: {reason}")

    async def work() -> None:
        copies.add("web", [large] * 3)
        await copies.close()

    asyncio.run(work())
    assert lost == ["1: Too many wait for the disk."] * 2
    assert len(kept(inside)) == 1


FORMS = {
    "as it is": KEY,
    "Basic authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode(),
    "in a URL": "https://x.example/?key=wk-4f7Qz-hidden%2Fpart&a=1",
    "in other text": f"see {KEY}.",
    "cut": f"{KEY[:12]}…",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_write_key_is_in_a_copy(form: str) -> None:
    inside = Inside(secrets=["unrelated-secret", KEY, "", "12345678"])
    event = {"type": form, "messageId": form, "n": 12345678, "context": {"page": {form: [form, {"deep": form}]}}}
    inside.post([event])
    [found] = inside.outbox.discards  # type: ignore[attr-defined]
    text = repr(found)
    assert (KEY[:12] not in text, form not in text, "12345678" not in text) == (True, True, True)
    assert masked(orjson.loads(found.raw), Secrets([KEY])) == orjson.loads(found.raw)
    assert found.raw.count(MASK.encode()) >= 5


def test_a_key_that_is_being_replaced_is_masked_too() -> None:
    inside = Inside(secrets=[KEY])
    inside.collector.discards.mask(["the-new-one"])
    inside.post([{"a": KEY, "b": "the-new-one"}])
    [found] = inside.outbox.discards  # type: ignore[attr-defined]
    assert orjson.loads(found.raw) == {"a": MASK, "b": MASK}


CREDENTIALS = ["Authorization", "authorisation", "Proxy-Authorization", "x-api-key", "apiKey", "api_key", "password"]
CREDENTIALS += ["accessToken", "Cookie", "Set-Cookie", "client_secret", "writeKey", "write_key", "X-Auth-Key"]


@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_are_masked_by_name(name: str) -> None:
    raw = orjson.dumps(
        {"context": {"headers": {name: "s3cret", "Accept": "*/*"}, name: {"scheme": "b", "value": ["v", 1]}}}
    )
    assert orjson.loads(Concealing([]).event(raw)) == {
        "context": {"headers": {name: MASK, "Accept": "*/*"}, name: {"scheme": MASK, "value": [MASK, 1]}}
    }


def deep(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


HOSTILE: dict[str, Json] = {
    "one long text": {"userId": "u", "a": "x" * 500_000, "b": 1},
    "characters of six bytes": {"a": "\x01" * 100_000},
    "a long name": {"n" * 100_000: 1},
    "ten thousand keys": {f"k{n}": n for n in range(10_000)},
    "many numbers": {"a": [1.25] * 50_000},
    "many lists": {"a": [[]] * 50_000},
    "deeper than can be written": {"userId": "u", "a": deep(400)},
    "deep and wide": {"a": deep(60), "b": ["y" * 50] * 5_000},
    "a deep list": [deep(400)],
    "a secret where it is cut": {"a": "x" * 4_000 + KEY * 3_000},
    "nothing but secrets": {f"{KEY}{n}": KEY for n in range(2_000)},
    "terminal": {"a": "\x1b[2J\u202e<script>alert(1)</script>"},
}


@pytest.mark.parametrize("event", HOSTILE.values(), ids=HOSTILE)
def test_hostile_events_are_kept_within_the_bound(event: Json) -> None:
    copy = CONCEALING.event(event_bytes(event))
    assert len(copy) <= LARGEST_DISCARD
    found = orjson.loads(copy)
    text = copy.decode()
    assert all(KEY[start : start + 8] not in text for start in range(len(KEY) - 8))
    if isinstance(event, dict) and "userId" in event:
        assert found["userId"] == "u"


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="sStTaAoO"), max_size=30)
TEXTS |= st.sampled_from([KEY, f"x{KEY}", "k"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
)


@settings(max_examples=20)
@given(VALUES)
def test_a_copy_is_the_event_without_secrets(value: Json) -> None:
    value = {"writeKey": "w", "v": value}
    expected = masked({"v": value["v"]}, SECRETS)
    assert orjson.loads(CONCEALING.event(event_bytes(value))) == orjson.loads(orjson.dumps(expected))


def test_what_an_import_discards_is_kept(folder: Path) -> None:  # noqa: F811
    (folder / "bad.ndjson").write_bytes(b'{"type":"track","messageId":"m1","a":"secret-token-a:b k"}\n7\n' * 600)
    assert run(folder, "bad.ndjson", "--source", "web")[0] == 1
    with closing(SqliteOutbox(folder / "outbox.db")) as outbox:
        groups = outbox.look(looking.discard_groups)
        [(_, newest)] = outbox.look(lambda db: looking.discards(db, "web", 1))
    assert {(each.source, each.code, each.events) for each in groups} == {
        ("web", "no_user_anon_id", 500),
        ("web", "bad_request", 500),
    }
    assert newest.raw == b"7"


def test_discards_do_not_hold_up_events(tmp_path: Path) -> None:
    """Both are in the file, whichever was first."""
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        inside = Inside(outbox=outbox)
        inside.post([TRACK, 7], [8, TRACK])
        assert len(outbox.waiting("shop", 0, 10)) == 2
        assert [each.raw for _, each in outbox.look(looking.discards)] == [b"8", b"7"]
        assert [each[1:] for each in outbox.look(lambda db: looking.slots_arrived(db, NOW, 60))] == [("web", 2, 2)]
        assert outbox.event(1) == NewEvent("web", "id-1", "2026-01-01T00:00:10.000Z", outbox.event(1).raw)  # type: ignore[union-attr]
