"""A partition's queue against a real server: what is finished stays so, whoever takes over, and nobody else writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from zlib import compress

import orjson
import pytest

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import DUPLICATE, Change, LeaseLost, NewEvent, OutboxError
from engine.delivery.sending.pacing import Clock
from engine.records import Json, JsonObject, Outcome
from engine.stream import pack_reader, partition_queue, results, window_filling
from engine.stream.client import StreamClient
from engine.stream.errors import DamagedPack, NoLeader, UnknownFormat
from engine.stream.forgetting import forget_connection
from engine.stream.intake import StreamIntake
from engine.stream.layout import Layout, create_or_check
from engine.stream.pack_reader import PackReader
from engine.stream.packs import Pack, encode
from engine.stream.partition_queue import LEASE, PartitionQueue
from engine.stream.positions import StreamPosition
from engine.stream.segments import PackIds
from engine.stream.shared_state import SharedState
from tests.stream.servers import NatsServer

FOREVER = 10.0**12


class Owned:
    """An ownership that a test decides on: whether a partition is owned, and since when."""

    def __init__(self) -> None:
        self.until, self.since = FOREVER, 1.0

    async def extended(self, partition: int, until: float) -> bool:
        assert partition == 0
        return until <= self.until

    def owned_until(self, partition: int) -> float:
        assert partition == 0
        return self.until

    def owned_since(self, partition: int) -> float:
        assert partition == 0
        return self.since


class Worker:
    """One process's part of partition 0."""

    def __init__(self, client: StreamClient, layout: Layout, name: str) -> None:
        self.client, self.layout, self.name = client, layout, name
        self.owned = Owned()
        self.queue = PartitionQueue(client, layout, 0, self.owned, SharedState(client, layout))  # type: ignore[arg-type]
        self.clock = Clock()
        self.fence, self.fences = 0, {}

    def begin(self, connection: str = "a") -> Worker:
        fence = self.queue.lease(connection, self.name, self.clock.time(), LEASE)
        assert fence is not None
        self.fence = self.fences[connection] = fence
        return self

    def ids(self, connection: str = "a", after: int = 0, limit: int = 100) -> list[str]:
        return [row.message_id for row in self.queue.waiting(connection, after, limit)]

    def finish(self, *ids: str, outcome: Outcome = Outcome.DELIVERED, connection: str = "a", **more: object) -> None:
        places = {row.message_id: row.place for row in self.queue.waiting(connection, 0, 1000)}
        changes = [Change(places[each], outcome, "because", **more) for each in ids]  # type: ignore[arg-type]
        assert self.queue.write(connection, self.fences[connection], changes, 1.0) == changes


class Stream:
    """A stream of one partition, to which a test publishes packs and begins workers."""

    def __init__(self, client: StreamClient) -> None:
        self.client = client
        self.layout = client.call(create_or_check(client, client.address))
        self.workers: list[Worker] = []

    def publish(self, *ids: str, connections: Sequence[str] = ("a",), **more: object) -> int:
        made = [NewEvent("s", each, "2026-01-01T00:00:00.000Z", b'{"n":"%s"}' % each.encode()) for each in ids]
        headers, body = encode(Pack(tuple(connections), made, **more))  # type: ignore[arg-type]
        return self.client.call(self.client.publish(self.layout.events_subject(0), body, headers))

    def worker(self, name: str = "w") -> Worker:
        self.workers.append(Worker(self.client, self.layout, name))
        return self.workers[-1]

    def results(self, connection: str = "a") -> list[results.ResultBatch]:
        subject = self.layout.results_subject(0, connection)
        found = self.client.call(self.client.read(self.layout.results, subject, 0, 1000))
        return [results.decode(each.headers, each.data) for each in found]


@pytest.fixture
def stream(new_address: Callable[..., object]) -> Iterator[Stream]:
    client = StreamClient(new_address(partitions=1), {})  # type: ignore[arg-type]
    made = Stream(client)
    yield made
    for each in made.workers:
        each.queue.close()
    client.close()


def test_events_wait_in_the_order_of_the_stream_for_the_connections_they_concern(stream: Stream) -> None:
    first = stream.publish("1", "2")
    stream.publish("3", connections=("b",))
    stream.publish("4", connections=("a", "b"))
    worker = stream.worker().begin("a").begin("b")
    assert (worker.ids("a"), worker.ids("b")) == (["1", "2", "4"], ["3", "4"])
    rows = worker.queue.waiting("a", 0, 1)
    assert [(row.place, row.event, row.raw) for row in rows] == [(first * 64, first * 64, b'{"n":"1"}')]
    assert worker.ids("a", after=rows[0].place) == ["2", "4"]
    assert [row.message_id for row in worker.queue.waiting_at("a", [rows[0].place + 1, 7])] == ["2"]
    assert [row.name for row in worker.queue.connections()] == ["a", "b"]


def test_who_takes_over_gets_exactly_what_is_unfinished(stream: Stream) -> None:
    stream.publish("1", "2", "3")
    stream.publish("4")
    first = stream.worker("w").begin()
    first.finish("2")
    first.finish("3", outcome=Outcome.WAITING, progress="{}", digest="d", tried_at=5.0, attempts="17")
    first.queue._save(first.queue._lanes["a"])
    first.finish("4")
    second = stream.worker("v").begin()
    assert second.ids() == ["1", "3"]
    rows = {row.message_id: row for row in second.queue.waiting("a", 0, 9)}
    assert rows["3"][5:8] == ("{}", "d", 5.0)
    assert (rows["3"].attempts, rows["3"].replayed) == ("17", False)
    assert second.fence > first.fence
    place = rows["1"].place
    with pytest.raises(LeaseLost, match=r"^Another worker has taken over a\.$"):
        first.queue.write("a", first.fence, [Change(place, Outcome.DELIVERED, "late")], 1.0)
    with pytest.raises(LeaseLost, match=r"^Another worker has taken over a\.$"):
        first.queue.waiting("a", 0, 9)
    second.finish("1", "3")
    assert stream.worker("u").begin().ids() == []
    assert [batch.takeover for batch in stream.results() if batch.takeover] == ["w", "v", "u"]


def test_a_released_position_says_all(stream: Stream) -> None:
    stream.publish("1", "2")
    first = stream.worker().begin()
    first.finish("1")
    first.queue.release("a", "another")
    first.queue.release("a", "w")
    kept = stream.client.call(stream.client.last(stream.layout.state, stream.layout.position_subject(0, "a")))
    assert kept is not None
    position = StreamPosition.decode(kept.data)
    assert (position.count, position.results) == (1, 2)
    with pytest.raises(LeaseLost):
        first.queue.write("a", first.fence, [], 1.0)
    assert stream.worker("v").begin().ids() == ["2"]


def test_no_lease_ends_later_than_the_ownership(stream: Stream) -> None:
    worker = stream.worker()
    worker.owned.until = 100.0
    assert worker.queue.lease("a", "w", 99.0, 2.0) is None
    fence = worker.queue.lease("a", "w", 97.0, 2.0)
    assert fence is not None
    assert worker.queue.lease("a", "w", 98.0, 2.0) == fence, "renewed"
    assert worker.queue.lease("a", "another", 98.0, 2.0) is None
    assert worker.queue.lease("a", "w", 99.0, 2.0) is None, "it would end too late"
    assert (worker.queue.leased_until("a", fence), worker.queue.leased_until("a", fence - 1)) == (100.0, 0.0)
    worker.owned.since = 2.0  # it was lost, and is owned again: another process may have sent meanwhile
    assert worker.queue.leased_until("a", fence) == 0.0
    assert worker.queue.lease("a", "w", 98.0, 2.0) == fence + 1


def test_a_duplicate_ends_at_once_for_the_connections_that_had_it(stream: Stream) -> None:
    stream.publish("1", "1", "2")
    stream.publish("1", connections=("a", "b"))
    stream.publish("2", again=True)
    worker = stream.worker().begin("a").begin("b")
    assert (worker.ids("a"), worker.ids("b")) == (["1", "2", "2"], ["1"])
    ended = [change for batch in stream.results() for change in batch.changes]
    assert [(change.outcome, change.reason) for change in ended] == [(Outcome.IGNORED, DUPLICATE)] * 2
    worker.finish("1")
    worker.queue.release("a", "w")
    stream.publish("1", "2")
    other = stream.worker("v").begin()
    assert other.ids() == ["2", "2"], "the window is built from headers"
    assert other.queue._window.reach == worker.queue._window.reach + 1


def test_a_replay_goes_on_where_the_event_was_and_is_none_after_the_first_write(stream: Stream) -> None:
    stream.publish("1", again=True, replayed=(77,), progress=(("{}", "d", "+1 5"),))
    worker = stream.worker().begin()
    [row] = worker.queue.waiting("a", 0, 9)
    assert (row.event, row.progress, row.digest, row.attempts, row.replayed) == (77, "{}", "d", "+1 5", True)
    worker.finish("1", outcome=Outcome.WAITING, progress="{2}", digest="e")
    [row] = worker.queue.waiting("a", 0, 9)
    assert (row.event, row.progress, row.digest, row.replayed) == (77, "{2}", "e", False)


def test_refused_events_are_copied_before_their_outcome_is_written(stream: Stream) -> None:
    stream.publish("1", "2", connections=("a x", "b"))
    worker = stream.worker().begin("a x")
    worker.finish("1", outcome=Outcome.REJECTED, connection="a x", error="nö\r\n", digest="d")
    layout = stream.layout
    found = stream.client.call(stream.client.read(layout.set_aside, layout.set_aside_subject("a x", 0), 0, 9))
    [(pack, change)] = [results.decode_aside(each.headers, each.data) for each in found]
    assert pack == Pack(("a x",), pack.events, again=True, replayed=(change.place,))
    assert [event.raw for event in pack.events] == [b'{"n":"1"}']
    assert change == Change(64, Outcome.REJECTED, "because", "nö\r\n", "d")


def test_only_changes_of_unfinished_events_are_written_and_their_requests(stream: Stream) -> None:
    stream.publish("1", "2")
    worker = stream.worker().begin()
    one, two = (row.place for row in worker.queue.waiting("a", 0, 9))
    attempts = [Attempt(number, 1, "n", "POST", "u", 1, 200) for number in (5, 6, 7)]
    busy = Change(one, Outcome.WAITING, "busy", attempts="5")
    sent = Change(one, Outcome.DELIVERED, "sent", attempts="5 6")
    late = Change(one, Outcome.DELIVERED, "late", attempts="7")
    unknown = Change(two + 1, Outcome.DELIVERED, "no such event")
    assert worker.queue.write("a", worker.fence, [busy, sent, late, unknown], 1.0, attempts) == [busy, sent]
    written = stream.results()[-1]
    assert (written.changes, written.attempts) == ((busy, sent), tuple(attempts[:2]))
    assert (written.fence, written.at, worker.queue.last_attempt("a")) == (worker.fence, 1.0, 6)
    count = len(stream.results())
    assert worker.queue.write("a", worker.fence, [sent], 1.0) == []
    assert len(stream.results()) == count


def test_what_is_no_pack_stops_its_partition_alone_and_nothing_is_skipped(stream: Stream) -> None:
    stream.publish("1")
    wrong = stream.client.call(stream.client.publish(stream.layout.events_subject(0), b"hello"))
    stream.publish("2")
    worker = stream.worker().begin()
    assert worker.ids() == ["1"]
    assert worker.ids(after=64) == [], "what came before it is finished first"
    worker.finish("1")
    with pytest.raises(DamagedPack) as raised:
        worker.ids()
    events = stream.layout.events
    assert str(raised.value) == (
        f"The message {wrong} of the stream {events} is no pack of events, so its partition waits. Look at it with "
        f"`nats stream get {events} {wrong}`; once it is removed with `nats stream rmm {events} {wrong}`, delivery "
        "goes on behind it."
    )
    assert [row.held for row in worker.queue.connections("a")] == [""]
    stream.client.call(stream.client.api(f"STREAM.MSG.DELETE.{events}", {"seq": wrong}))
    assert worker.ids() == ["2"]
    worker.finish("2")
    newer = stream.client.call(stream.client.publish(stream.layout.events_subject(0), b"", {"Waybill-Format": "2"}))
    with pytest.raises(UnknownFormat, match=f" It is message {newer} of the stream {events}.$"):
        worker.ids()


def test_headers_of_a_message_are_no_status_of_the_servers(stream: Stream) -> None:
    headers, body = encode(Pack(("a",), [NewEvent("s", "1", "2026-01-01T00:00:00.000Z", b"{}")]))
    headers |= {"Status": "404", "Nats-Sequence": "99", "Nats-Last-Sequence": "7"}
    stream.client.call(stream.client.publish(stream.layout.events_subject(0), body, headers))
    stream.publish("2")
    assert stream.worker().begin().ids() == ["1", "2"]


LIES = [{"read_to": -1}, {"open": [[9, "1"]]}, {"noted": [[64, {}, None, None, None, None]]}]


@pytest.mark.parametrize("lie", LIES)
def test_a_position_that_lies_is_not_believed(stream: Stream, lie: dict[str, object]) -> None:
    stream.publish("1")
    worker = stream.worker().begin()
    state = StreamPosition(worker.queue._created)._state() | lie
    subject = stream.layout.position_subject(0, "a")
    stream.client.call(stream.client.publish(subject, compress(orjson.dumps(state))))
    with pytest.raises(OutboxError) as raised:
        stream.worker("v").begin()
    bucket = f"{stream.layout.name}_state"
    assert str(raised.value).startswith(f"The key position.00.a of the bucket {bucket} is damaged")
    assert f"`nats kv del {bucket} position.00.a`" in str(raised.value)


def test_a_number_of_a_request_far_in_the_future_is_not_gone_on_from(stream: Stream) -> None:
    headers, body = results.encode(results.ResultBatch(1, 1.0, (), (Attempt(2**53 - 1, 1, "n", "GET", "u", 1, 200),)))
    stream.client.call(stream.client.publish(stream.layout.results_subject(0, "a"), body, headers))
    assert stream.worker().begin().queue.last_attempt("a") == 0


def test_unfinished_counts_events_that_were_read_and_packs_that_were_not(stream: Stream) -> None:
    worker = stream.worker()
    assert worker.queue.unfinished("a") == (0, None)
    stream.publish("1", "2", "3")
    assert worker.queue.unfinished("a")[0] == 1
    worker.begin().finish("1")
    count, oldest = worker.queue.unfinished("a")
    assert count == 2
    assert oldest == pytest.approx(worker.queue.waiting("a", 0, 9)[0].queued_at, abs=0.001)
    worker.queue.release("a", "w")
    assert stream.worker("v").queue.unfinished("a") == (2, oldest)
    worker.begin().finish("2", "3")
    assert worker.queue.unfinished("a") == (0, None)


def test_a_purge_keeps_what_any_connection_needs(stream: Stream) -> None:
    sequences = [stream.publish(each, connections=("a", "b", "c d")) for each in "1234"]

    def left() -> list[int]:
        found = stream.client.call(stream.client.read(stream.layout.events, stream.layout.events_subject(0), 0, 9))
        return [each.seq for each in found]

    worker = stream.worker().begin("a")
    worker.finish("1", "2", "3")
    worker.queue.release("a", "w")
    assert worker.queue.remove_finished(FOREVER) == 0, "b and c d have never been delivered"
    for connection, ids in (("b", "12"), ("c d", "124")):
        worker.begin(connection).finish(*ids, connection=connection)
        worker.queue.release(connection, "w")
    assert worker.queue.remove_finished(0.0) == 0, "too new"
    assert worker.queue.remove_finished(FOREVER) == 2
    assert left() == sequences[2:]
    assert worker.begin("b").ids("b") == ["3", "4"]


def test_a_connection_that_was_forgotten_keeps_no_packs_and_comes_back_only_with_a_worker(stream: Stream) -> None:
    for each in "12":
        stream.publish(each, connections=("a", "b"))
    worker = stream.worker().begin("a").begin("b")
    worker.finish("1", "2", connection="a")
    worker.queue.waiting("b", 0, 9)
    worker.queue._save(worker.queue._lanes["b"])
    forgetting = forget_connection(stream.client, stream.layout, "b")
    with pytest.raises(
        OutboxError, match=r"^b is being delivered: a worker wrote its position \d s ago\. Remove it from"
    ):
        stream.client.call(forgetting)
    worker.queue.release("b", "w")
    worker.queue.release("a", "w")
    assert worker.queue.remove_finished(FOREVER) == 0
    stream.client.call(forget_connection(stream.client, stream.layout, "b"))
    stream.publish("3", connections=("a", "b"))
    other = stream.worker("v").begin("a")
    assert other.ids("a") == ["3"]
    other.queue.release("a", "v")
    for each in (worker, other):
        each.queue._state._read_at = 0.0
        assert [row.name for row in each.queue.connections()] == ["a"]
    assert other.queue.remove_finished(FOREVER) == 2
    assert stream.worker("u").begin("b").ids("b") == ["3"], "what is left of its events"
    worker.queue._state._read_at = 0.0
    assert [row.name for row in worker.queue.connections()] == ["a", "b"]


def test_a_lease_shows_that_somebody_delivers(stream: Stream, monkeypatch) -> None:
    monkeypatch.setattr(partition_queue, "ALIVE_SECONDS", 0.0)
    worker = stream.worker().begin().begin()
    assert worker.fence
    with pytest.raises(OutboxError, match=r"^a is being delivered"):
        stream.client.call(forget_connection(stream.client, stream.layout, "a"))


def test_versions_are_kept_for_all_workers(stream: Stream) -> None:
    worker, other = stream.worker(), stream.worker("v")
    assert worker.queue.version_files("d/1") is None
    worker.queue.keep_version("d/1", "shop", b"\x00files\n", 1.0)
    worker.queue.keep_version("d/1", "another", b"", 1.0)
    assert other.queue.version_files("d/1") == ("shop", b"\x00files\n")


def test_holds_pauses_and_alarms_are_shared(stream: Stream) -> None:
    worker, other = stream.worker().begin(), stream.worker("v")
    worker.queue.pause("a", 5.0, "503")
    worker.queue.set_alarm("a", "many")
    assert other.queue.connections("a")[0][4:] == (5.0, "503", None, None, "many")
    worker.queue.hold("a", "401", "Check the key.", 7.0)
    assert worker.queue.connections("a")[0][:4] == ("a", "401", "Check the key.", 7.0)


def test_a_stream_of_events_that_is_made_anew_is_delivered_from_its_beginning(stream: Stream) -> None:
    stream.publish("1", "2")
    worker = stream.worker().begin()
    worker.finish("1", "2")
    worker.queue.release("a", "w")
    stream.client.call(stream.client.api(f"STREAM.DELETE.{stream.layout.events}"))
    stream.client.call(create_or_check(stream.client, stream.client.address))
    stream.publish("3", "4")
    after = stream.worker("v").begin()
    assert after.ids() == ["3", "4"]
    after.finish("3")
    after.queue.release("a", "v")
    assert stream.worker("u").begin().ids() == ["4"]


def test_a_damaged_position_is_not_taken_for_none(stream: Stream) -> None:
    stream.publish("1", "2")
    worker = stream.worker().begin()
    worker.finish("1")
    subject = stream.layout.position_subject(0, "a")
    stream.client.call(stream.client.publish(subject, b"{}"))
    with pytest.raises(OutboxError) as raised:
        stream.worker("v").begin()
    with pytest.raises(OutboxError) as asked:
        StreamIntake(stream.client, stream.layout, {}).unfinished("a")
    assert str(asked.value) == str(raised.value), "as /status says it"
    bucket = f"{stream.layout.name}_state"
    assert str(raised.value) == (
        f"The key position.00.a of the bucket {bucket} is damaged, so it is not known what was sent. Remove it with "
        f"`nats kv del {bucket} position.00.a`: then the results of the last 30 days are counted in instead."
    )
    stream.client.call(stream.client.publish(subject, b"", {"KV-Operation": "DEL"}))
    assert StreamIntake(stream.client, stream.layout, {}).unfinished("a")[0] == 2
    assert stream.worker("u").begin().ids() == ["2"]


def test_large_events_come_in_portions(stream: Stream) -> None:
    for number in range(6):
        headers, body = encode(Pack(("a",), [NewEvent("s", str(number), "", b"x" * 900_000)]))
        stream.client.call(stream.client.publish(stream.layout.events_subject(0), body, headers))
    worker = stream.worker().begin()
    seen, after = [], 0
    while rows := worker.queue.waiting("a", after, 100):
        assert sum(len(row.raw) for row in rows) <= 4_000_000
        seen += [row.message_id for row in rows]
        after = rows[-1].place
    assert seen == list("012345")
    assert worker.queue._reader._bytes <= 4 * 1024 * 1024
    assert [row.message_id for row in worker.queue.waiting_at("a", [64, 5 * 64])] == ["0", "4"]


def test_a_window_is_filled_in_portions_between_which_leases_are_renewed(stream: Stream, monkeypatch) -> None:
    for number in range(4):
        stream.publish(str(number))
    worker = stream.worker().begin()
    worker.finish("0", "1", "2", "3")
    worker.queue.release("a", "w")
    stream.publish("4", "2")
    monkeypatch.setattr(pack_reader, "PORTION", 2)
    monkeypatch.setattr(partition_queue, "READING_SECONDS", 0.0)
    other = stream.worker("v").begin()
    assert [other.ids() for _ in range(3)] == [[], ["4"], ["4"]]


def test_a_replica_that_lags_hides_no_duplicate(stream: Stream) -> None:
    class Lagging(PackReader):
        """Reads headers from a replica that does not have all yet."""

        has = 0

        def headers(self, since: float, after: int) -> list[PackIds]:
            return [each for each in super().headers(since, after) if each.sequence <= self.has]

    first = stream.publish("1")
    stream.client.call(stream.client.publish(stream.layout.events_subject(0), b"no pack"))
    stream.client.call(stream.client.api(f"STREAM.MSG.DELETE.{stream.layout.events}", {"seq": first + 1}))
    last = stream.publish("2")
    worker = stream.worker().begin()
    worker.finish("1", "2")
    worker.queue.release("a", "w")
    stream.publish("1", "2", "3")
    other = stream.worker("v")
    other.queue._reader = other.queue._filled.reader = Lagging(stream.client, stream.layout, 0)
    other.begin()
    found = []
    for Lagging.has in (0, first, last - 1, last, last + 1):
        found.append(other.ids())
    assert found == [[], [], [], ["3"], ["3"]]


def test_a_server_that_is_frozen_does_not_keep_a_window_from_being_filled(stream: Stream) -> None:
    class Frozen(StreamClient):
        """Puts the first consumers on a server that does not answer."""

        frozen = 3

        async def api(self, subject: str, payload: Json = None, *, patience: float = 0.0) -> JsonObject:
            if subject.startswith("CONSUMER.CREATE.") and self.frozen:
                self.frozen -= 1
                raise NoLeader("no answer in time")
            return await super().api(subject, payload)

    stream.publish("1", "2")
    client = Frozen(stream.client.address, {})
    try:
        reader = PackReader(client, stream.layout, 0)
        assert [each.sequence for each in reader.headers(0.0, 0)] == [1]
        assert client.frozen == 0
        client.frozen = 4
        with pytest.raises(NoLeader):
            reader.headers(0.0, 0)
    finally:
        client.close()


def test_whatever_workers_do_each_event_is_finished_once_and_the_rest_waits_in_order(stream: Stream) -> None:
    """Workers take over from one another at any moment, write, save late, and forget all; a model knows what is left."""
    random = Random(20261130)
    workers = [stream.worker(name) for name in "uvw"]
    left: dict[str, list[str]] = {"a": [], "b": []}
    fences: dict[str, int] = {}
    sent: list[tuple[str, str]] = []
    published = 0
    for _ in range(180):
        worker, connection = random.choice(workers), random.choice("ab")
        match random.choice(("publish", "take over", "work", "work", "work", "save", "forget")):
            case "publish":
                ids = [str(published + each) for each in range(random.randint(1, 3))]
                published += len(ids)
                chosen = random.choice(["a", "b", "ab"])
                stream.publish(*ids, connections=tuple(chosen))
                for name in chosen:
                    left[name] += ids
            case "take over":
                worker.owned.since += 1
                worker.begin(connection)
                assert worker.fence > fences.get(connection, 0)
                fences[connection] = worker.fence
            case "work":
                owner = worker.fences.get(connection) == fences.get(connection) is not None
                try:
                    rows = worker.queue.waiting(connection, 0, 1000)
                    if owner:
                        assert [row.message_id for row in rows] == left[connection]
                    some = [row for row in rows if random.random() < 0.3]
                    changes = [
                        Change(row.place, random.choice([Outcome.DELIVERED, Outcome.REJECTED, Outcome.WAITING]), "")
                        for row in some
                    ]
                    done = worker.queue.write(connection, worker.fences.get(connection, 0), changes, 1.0)
                except LeaseLost:
                    assert not owner
                    worker.fences.pop(connection, None)
                    continue
                assert owner or not changes, "only the last one who took over writes"
                ids_of = {row.place: row.message_id for row in some}
                for change in done:
                    if change.outcome is not Outcome.WAITING:
                        left[connection].remove(ids_of[change.place])
                        sent.append((connection, ids_of[change.place]))
            case "save":
                for lane in worker.queue._lanes.values():
                    worker.queue._save(lane)
            case "forget":
                worker.queue.close()
                workers[workers.index(worker)] = stream.worker(worker.name)
    assert len(sent) == len(set(sent)) > 30


class FromHeaders(PackReader):
    """Notes which headers are read."""

    read: list[int]

    def headers(self, since: float, after: int) -> list[PackIds]:
        found = super().headers(since, after)
        self.read += [each.sequence for each in found]
        return found


def taken_over(stream: Stream, name: str) -> tuple[list[str], list[int]]:
    """Return what waits for a worker that takes over, and of which packs it had to read the headers."""
    stream.publish("0", name, "3b")
    worker = stream.worker(name)
    reader = worker.queue._filled.reader = FromHeaders(stream.client, stream.layout, 0)
    reader.read = []
    ids = worker.begin().ids()
    worker.queue.release("a", name)
    return ids, reader.read


def segments_in(stream: Stream) -> list[int]:
    seen = stream.client.call(stream.client.read(stream.layout.seen, stream.layout.seen_subject(0), 0, 99))
    return [each.seq for each in seen]


def test_who_takes_over_takes_the_segments_and_reads_headers_only_where_they_are_missing(
    stream: Stream, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(window_filling, "SEGMENT_IDS", 2)
    for number in range(6):
        stream.publish(f"{number}", f"{number}b")
    worker = stream.worker().begin()
    worker.finish(*worker.ids())
    assert len(segments_in(stream)) == 5
    worker.queue.release("a", "w")
    assert taken_over(stream, "v") == (["v"], [6, 7])
    stream.client.call(stream.client.api(f"STREAM.MSG.DELETE.{stream.layout.seen}", {"seq": segments_in(stream)[1]}))
    assert taken_over(stream, "u") == (["v", "u"], [*range(2, 9), 7, 8])
    subject = stream.layout.seen_subject(0)
    stream.client.call(stream.client.publish(subject, b"hello", {"Waybill-Format": "1"}))
    assert taken_over(stream, "t") == (["v", "u", "t"], [*range(1, 10)])
    assert [each.fields["reason"] for each in caplog.records] == ["A message of the stream is no segment of ids."]  # type: ignore[attr-defined]


def test_segments_that_two_workers_publish_harm_nothing(stream: Stream, monkeypatch) -> None:
    monkeypatch.setattr(window_filling, "SEGMENT_IDS", 2)
    for number in range(4):
        stream.publish(f"{number}", f"{number}b")
    old, new = stream.worker("w").begin("a"), stream.worker("v").begin("b")
    old.ids("a"), new.ids("b")
    for number in range(4, 8):
        stream.publish(f"{number}", f"{number}b")
    old.ids("a"), new.ids("b"), old.ids("a")
    stream.publish("0", "7b", "3", "new")
    assert stream.worker("u").begin("a").ids()[-1:] == ["new"]


def test_a_stream_that_lost_its_end_and_has_grown_beyond_it_is_noticed_by_its_times(tmp_path: Path, caplog) -> None:
    with NatsServer(tmp_path / "nats") as server:
        stream = Stream(StreamClient(server.address("lost", partitions=1), {}))
        stream.publish("1")
        server.stop()
        events = next((tmp_path / "nats/store").glob("**/lost_events"))
        shutil.copytree(events, tmp_path / "copy")
        server.start()
        stream.publish("2")
        worker = stream.worker().begin()
        worker.finish("1", "2")
        worker.queue.release("a", "w")
        server.stop()
        shutil.rmtree(events)
        shutil.copytree(tmp_path / "copy", events)
        server.start()
        stream.publish("3", "1")
        stream.publish("4")
        assert stream.worker("v").begin().ids() == ["3", "4"]
        assert [each.fields["last"] for each in caplog.records] == [1]  # type: ignore[attr-defined]
        stream.client.close()
