"""What is kept of each request that was sent, and of what came back: hostile answers, secrets, retries, halves."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.delivery.outbox.attempts import MOST_ANSWER, MOST_HEADERS, MOST_OF_EVENT, Attempt, AttemptNumbers
from engine.delivery.outbox.base import Chosen, NewEvent, OutboxDamaged
from engine.delivery.outbox.looking import Found, attempts_of, newest
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.sending.http import Try, VendorReply
from engine.delivery.sending.recorded import COMPRESSED, TOO_LONG, AttemptRecorder
from engine.plan import load
from engine.records import PlannedRequest, Secret
from tests.delivery import test_oauth2
from tests.delivery.vendor import BATCHES, QUICK, Answer, Request, delivered, event, fine

KEY = "top-secret-key"


class Kept(NamedTuple):
    """The attempts of each event by messageId, the outcome of each, and what the vendor received."""

    of: dict[str, list[Attempt]]
    outcomes: dict[str, str]
    reasons: dict[str, str]
    requests: list[Request]


def kept(directory: Path, events: list[NewEvent], answer=fine, **options) -> Kept:
    """Deliver events, and return what the outbox keeps of it."""
    with closing(SqliteOutbox(directory / "outbox.db")) as outbox:
        ran = asyncio.run(delivered(directory, events, answer, outbox=outbox, **options))
        return Kept(attempts_by_event(outbox), ran.outcomes, ran.reasons, ran.requests)


def attempts_by_event(outbox: SqliteOutbox) -> dict[str, list[Attempt]]:
    def look(db) -> dict[str, list[Attempt]]:
        rows: list[Found] = newest(db, Chosen(), 1000)
        return {row.message_id: attempts_of(db, row.connection, row.attempts.numbers) for row in rows}

    return outbox.look(look)


def answering(*answers: Answer):
    """Answer with these, then accept everything."""
    left = list(answers)
    return lambda request: left.pop(0) if left else fine(request)


def test_a_request_that_was_accepted_is_one_row_without_its_answer(tmp_path) -> None:
    found = kept(tmp_path, [event(1, call="identify"), event(2), event(3)])
    [single], [batch], [same] = found.of["m1"], found.of["m2"], found.of["m3"]
    url = f"http://{found.requests[0].headers['host']}"
    assert (single.name, single.method, single.url, single.items) == ("single", "POST", f"{url}/single", 1)
    assert (batch.name, batch.url, batch.items, batch.status) == ("many", f"{url}/many", 2, 200)
    assert batch == same
    assert len(single.digest) == len(batch.digest) == 16
    assert (batch.refused, batch.failure, batch.headers, batch.answer, batch.cut) == (False, "", "", "", 0)


def test_each_try_of_an_event_is_kept_in_order_with_what_the_vendor_said(tmp_path) -> None:
    headers = {"Retry-After": "0", "X-Request-Id": "r-1", "Set-Cookie": "a=b", "Content-Type": "text/plain"}
    found = kept(tmp_path, [event(1, call="identify")], answering(Answer(503, b"busy", headers), Answer(0)))
    first, second, third = found.of["m1"]
    assert first.number < second.number < third.number
    assert (first.status, first.refused, first.answer) == (503, True, "busy")
    assert first.headers == "retry-after: 0\nx-request-id: r-1\ncontent-type: text/plain"
    assert (second.status, second.refused) == (0, True)
    assert second.failure == "the vendor closed the connection before it responded"
    assert (third.status, third.refused, third.answer, third.failure) == (200, False, "", "")
    assert first.digest == second.digest == third.digest
    assert found.outcomes == {"m1": "delivered"}


def test_a_batch_with_a_refused_item_keeps_its_answer(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, {"results": [{"ok": item["id"] != "m1", "error": "bad"} for item in request.body]})

    found = kept(tmp_path, [event(n) for n in range(2)], answer)
    [attempt] = found.of["m0"]
    assert found.of["m1"] == [attempt]
    assert (attempt.refused, attempt.answer) == (
        True,
        '{"results":[{"ok":true,"error":"bad"},{"ok":false,"error":"bad"}]}',
    )


def test_halves_are_attempts_of_their_own(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(400, "no") if any(item["id"] == "m3" for item in request.body) else fine(request)

    found = kept(tmp_path, [event(n) for n in range(4)], answer)
    items = {name: [(each.items, each.status) for each in attempts] for name, attempts in found.of.items()}
    assert items == {
        "m0": [(4, 400), (2, 200)],
        "m1": [(4, 400), (2, 200)],
        "m2": [(4, 400), (2, 400), (1, 200)],
        "m3": [(4, 400), (2, 400), (1, 400)],
    }


def test_creating_what_is_missing_is_an_attempt_of_its_own(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(404) if request.path.startswith("/find") else fine(request)

    found = kept(tmp_path, [event(1, call="group")], answer)
    assert [(each.name, each.status, each.refused) for each in found.of["m1"]] == [
        ("find", 404, True),
        ("make", 200, False),
        ("use", 200, False),
    ]


def test_what_holds_a_connection_is_kept_with_its_event(tmp_path) -> None:
    found = kept(tmp_path, [event(1, call="identify")], lambda _: Answer(401, "who are you?"))
    assert [(each.status, each.answer) for each in found.of["m1"]] == [(401, '"who are you?"')]
    assert found.outcomes == {"m1": "held"}
    assert found.reasons == {"m1": "the vendor answered 401: who are you?"}


def test_an_event_keeps_the_last_of_its_attempts(tmp_path) -> None:
    failed = [Answer(503)] * (MOST_OF_EVENT + 3)
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        patient = replace(QUICK, patience=60.0)
        one = [event(1, call="identify")]
        asyncio.run(delivered(tmp_path, one, answering(*failed), outbox=outbox, options=patient))
        [row] = outbox.look(lambda db: newest(db, Chosen(), 10))
    assert (len(row.attempts.numbers), row.attempts.earlier) == (MOST_OF_EVENT, 4)


def test_they_survive_a_restart_and_a_replay(tmp_path) -> None:
    statuses = []
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        for status in (400, 503, 200):
            answer = Answer(status, {"key": "k"})
            events = [] if statuses else [event(1, call="identify")]
            first = answering(answer, Answer(401)) if status == 503 else lambda _, answer=answer: answer
            asyncio.run(delivered(tmp_path, events, first, outbox=outbox))
            outbox.resume("shop")
            outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 9)], "replayed", 2.0)
            statuses.append([each.status for each in attempts_by_event(outbox)["m1"]])
    assert statuses == [[400], [400, 503, 401], [400, 503, 401, 200]]


def test_the_clock_may_go_back(tmp_path) -> None:
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        outbox.take_in([], ["shop"], 1.0)
        fence = outbox.lease("shop", "earlier", 1.0, 1.0)
        late = 2**62
        assert fence is not None
        outbox.write("shop", fence, [], 1.0, [Attempt(late, 1, "single", "POST", "", 1, 200)])
        outbox.release("shop", "earlier")
        asyncio.run(delivered(tmp_path, [event(1, call="identify")], outbox=outbox))
        assert [each.number for each in attempts_by_event(outbox)["m1"]] == [late + 1]


ECHOES = {
    "as it is": (KEY.encode(), "***"),
    "in a larger text": (b'{"you sent": "Bearer top-secret-key"}', '{"you sent": "Bearer ***"}'),
    "as Base64": (b"dG9wLXNlY3JldC1rZXk=", "***"),
    "where it is cut": (b"a" * (MOST_ANSWER - 5) + KEY.encode() + b"b" * 100_000, "a" * (MOST_ANSWER - 5) + "***bb"),
    "a thousand times": (KEY.encode() * 1000, "***" * 1000),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_secret_that_comes_back_is_masked(tmp_path, echo) -> None:
    body, shown = ECHOES[echo]
    answer = Answer(400, body, {"X-Trace": f"for {KEY}", "X-Trace-2": "a" * 2 * MOST_HEADERS + KEY})
    [attempt] = kept(tmp_path, [event(1, call="identify")], lambda _: answer).of["m1"]
    assert attempt.answer == shown
    assert attempt.headers.startswith("x-trace: for ***\nx-trace-2: aaa")
    assert len(attempt.headers) <= MOST_HEADERS
    for left in (KEY, "top-s", "secret", "-key"):
        assert left not in str(attempt)


HOSTILE = {
    "binary": (bytes(range(256)), lambda text: len(text) == 256 and text[127:] == "\x7f" + "\ufffd" * 128),
    "1 MB": (b"x" * 1_000_000, lambda text: text == "x" * MOST_ANSWER),
    "1 MB of characters of four bytes": ("😀".encode() * 250_000, lambda text: text == "😀" * (MOST_ANSWER // 4)),
    "control characters": (b"\x1b[2J\x00\r\n\x9b", lambda text: text == "\x1b[2J\x00\r\n\ufffd"),
    "nothing": (b"", lambda text: text == ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_any_answer_can_be_kept(tmp_path, name) -> None:
    body, expected = HOSTILE[name]
    [attempt] = kept(tmp_path, [event(1, call="identify")], lambda _: Answer(400, body)).of["m1"]
    assert expected(attempt.answer)
    assert attempt.cut == max(0, len(body) - MOST_ANSWER)
    assert attempt.failure == ""


def test_a_request_that_was_sent_again_with_a_new_token_is_two_attempts(tmp_path) -> None:
    vendor = test_oauth2.TokenVendor(uses=1)
    test_oauth2.delivered(tmp_path, vendor, 2, slots=1)
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        [first], [refused, second] = sorted(attempts_by_event(outbox).values(), key=len)
    assert [(each.name, each.status) for each in (first, refused, second)] == [
        ("single", 200),
        ("single", 401),
        ("single", 200),
    ]
    assert refused.answer == '{"error":"bad token Bearer ***"}'
    assert first.number < refused.number < second.number
    assert refused.digest == second.digest


def test_without_an_access_token_nothing_is_sent(tmp_path) -> None:
    vendor = test_oauth2.TokenVendor()
    vendor.answers = [Answer(400, {"error": "no"})]
    test_oauth2.delivered(tmp_path, vendor, 1)
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        assert attempts_by_event(outbox) == {"m0": []}


def test_what_was_not_sent_is_no_attempt(tmp_path) -> None:
    events = [event(1, "u", call="identify"), event(2)._replace(raw=b"[]")]
    more = BATCHES.replace(
        "single: {{ path: /single }}", 'single: {{ path: /single, headers: {{ X: "${{userId}} " }} }}'
    )
    found = kept(tmp_path, events, more=more)
    assert found.of == {"m1": [], "m2": []}
    assert set(found.outcomes.values()) == {"invalid"}


MASKED = """
mapping: 1
name: masked
title: Masked
settings:
  key: { title: Key, type: string, secret: true, sent_in: %s, example: k }
http: { base_url: "https://vendor.example" }
requests: { note: { path: "%s", query: { q: "${userId}" } } }
calls: { track: [{ request: note, fields: { name: event, key: { from: %s } } }] }
"""


def recorded(directory: Path, key: str, sent_in: str, path: str, source: str) -> tuple[Attempt, str]:
    """Plan an event with a secret; return what is kept of it, and its digest as it is when planned for people."""
    file = directory / "masked.yaml"
    file.write_text(MASKED % (sent_in, path, source))
    connection = load(file).connect({"key": key})
    [request] = connection.plan({"type": "track", "event": "E", "userId": "ü/1"}, show_secrets=True).requests
    [shown] = connection.plan({"type": "track", "event": "E", "userId": "ü/1"}).requests
    recorder = AttemptRecorder(connection)
    from engine.language.bodies import encoded

    tried = Try(0.0123, encoded(request.body, "json"), VendorReply(200))
    return recorder.attempt(7, request, "json", 1, tried, refused=False), recorder.digest(shown, "json")


@pytest.mark.parametrize(
    ("sent_in", "path", "source"), [("url", "/${settings.key}/x", "event"), ("body", "/x", "settings.key")]
)
def test_neither_url_nor_digest_tells_a_secret(tmp_path, sent_in, path, source) -> None:
    one, planned = recorded(tmp_path, "first-secret", sent_in, path, source)
    other, _ = recorded(tmp_path, "other-secret", sent_in, path, source)
    assert one == other
    assert one.digest == planned
    assert one.url == f"https://vendor.example{path.replace('${settings.key}', '***')}?q=%C3%BC%2F1"
    assert (one.number, one.took) == (7, 12)


def test_a_digest_is_of_method_url_and_body(tmp_path) -> None:
    (tmp_path / "masked.yaml").write_text(MASKED % ("url", "/x", "event"))
    recorder = AttemptRecorder(load(tmp_path / "masked.yaml").connect({"key": "k"}))
    request = PlannedRequest("note", "POST", "https://v.example/x", {"A": "b"}, {}, {"a": 1})
    same = request._replace(headers={"A": Secret("other")})
    others = [request._replace(method="PUT"), request._replace(url="https://v.example/y"), request._replace(body={})]
    assert recorder.digest(request, "json") == recorder.digest(same, "json")
    assert len({recorder.digest(each, "json") for each in (request, *others)}) == 4
    assert recorder.digest(request, "form") != recorder.digest(request, "json")


@pytest.mark.parametrize(
    ("reply", "answer", "why"),
    [
        (VendorReply(500, readable=False), None, TOO_LONG),
        (VendorReply(500, {"content-encoding": "gzip"}, readable=False), None, COMPRESSED),
        (VendorReply(failure="no connection"), None, "no connection"),
        (VendorReply(500), b"", ""),
    ],
)
def test_it_is_said_why_an_answer_is_not_kept(tmp_path, reply, answer, why) -> None:
    (tmp_path / "masked.yaml").write_text(MASKED % ("url", "/x", "event"))
    recorder = AttemptRecorder(load(tmp_path / "masked.yaml").connect({"key": "k"}))
    request = PlannedRequest("note", "POST", "https://v.example/x", {}, {}, None)
    found = recorder.attempt(1, request, "json", 1, Try(0.0, None, reply, answer), refused=True)
    assert (found.failure, found.answer) == (why, "")


def test_numbers_of_an_event_are_read_back() -> None:
    numbers = AttemptNumbers((1, 2), 3)
    assert AttemptNumbers.of(numbers.text()) == numbers


@pytest.mark.parametrize("text", ["x", "+ 1", "1 x", "+x 1"])
def test_numbers_that_only_damage_explains_end_delivery(tmp_path, text) -> None:
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        outbox.take_in([event(1)], ["shop"], 1.0)
        with outbox._transaction() as db:
            db.execute("UPDATE states SET attempts = ?", (text,))
        with pytest.raises(OutboxDamaged, match=r"outbox \(impossible values\)"):
            asyncio.run(delivered(tmp_path, [], outbox=outbox))
