"""The playground as a page: what it answers, whom it asks at once, when it stops, and how it works in a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from engine.console.pages.playground import NOT_JSON, Turns
from engine.console.playground.bench import Workbench
from engine.console.playground.choices import FIRST_STEPS, chosen_mapping, samples
from engine.console.playground.process import Answerer
from engine.console.site import Site
from engine.mapping import bundled
from engine.records import JsonObject
from tests.console.harness import served, signed_in, tell, visitor

FIRST = str(chosen_mapping(FIRST_STEPS, [])["text"])
QUESTION: JsonObject = {"mapping": FIRST, "events": str(samples()[0]["events"]), "directories": []}


def test_in_a_browser() -> None:
    with served(Site(read_only=True, directories=[Path("nowhere")])) as (console, url):
        tell(
            "playground.mjs",
            url=url,
            link=console.link,
            mapping="exponea",
            shown='"event_type": "page_visit"',
            setting="API Base URL (api_base_url)",
            fault="Settings: API Base URL (api_base_url):",
        )


def test_the_page_and_its_mappings() -> None:
    with signed_in(Site(read_only=True)) as client:
        page = client.get("/playground?mapping=exponea")
        assert page.status_code == 200
        assert '"name":"exponea"' in page.text.partition('"chosen":')[2][:40]
        assert client.get("/playground/mapping?name=extole").json() == {
            "name": "extole",
            "home": str(bundled("mappings")),
            "text": (bundled("mappings") / "extole.yaml").read_text(),
            "examples": chosen_mapping("extole", [])["examples"],
        }
        for name in ("../secret", "/etc/passwd", "nothing", "parts/segment"):
            answer = client.get("/playground/mapping", params={"name": name})
            assert answer.status_code == 404
            assert "There is no mapping" in answer.text


def test_a_mapping_of_ones_own_is_escaped_in_the_page(tmp_path: Path) -> None:
    text = FIRST.replace("first_steps", "mine").replace("First steps", "</script><script>alert(1)</script>")
    (tmp_path / "mine.yaml").write_text(text)
    with signed_in(Site(directories=[tmp_path])) as client:
        page = client.get("/playground?mapping=mine").text
    assert "<script>alert" not in page
    assert "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)" in page


def test_trying_asks_only_those_who_are_signed_in() -> None:
    with visitor(Site()) as (_, client):
        assert client.post("/playground/try", json=QUESTION).status_code == 401
        assert client.get("/playground").status_code == 303
    with signed_in(Site()) as client:
        del client.headers["X-CSRF-Token"]
        assert client.post("/playground/try", json=QUESTION).status_code == 403


def test_trying_in_a_read_only_console() -> None:
    with signed_in(Site(read_only=True)) as client:
        answer = client.post("/playground/try", json={**QUESTION, "directories": ["/etc"]}).json()
        assert answer["plan"]["reason"] == "1 request"
        refused = client.post("/playground/try", json={"mapping": "x" * 300_000, "events": ""}).json()
        assert refused == {
            "error": "The mapping has 300,000 bytes; the playground takes 262,144. "
            "`engine validate-mappings` checks larger ones."
        }
        lines = FIRST.splitlines()
        line = next(number for number, each in enumerate(lines) if "snake_case" in each)
        asked = {**QUESTION, "page": "p", "line": line, "unit": lines[line].index("snake_case") + 2}
        hover = client.post("/playground/assist", json={**asked, "ask": "hover"}).json()
        assert hover["markdown"].startswith("**snake\\_case**: number or text -> text")
        asked |= {"line": lines.index("        coupon: properties.coupon")}
        unfinished = {
            **asked,
            "ask": "complete",
            "mapping": FIRST.replace("properties.coupon", "properties."),
            "unit": 27,
        }
        found = client.post("/playground/assist", json=unfinished).json()["proposals"]
        assert {"order_id", "price", "currency", "products"} <= {each["label"] for each in found}


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\xfe", b'{"mapping": "\\ud800"}', b"{" * 10_000])
def test_what_is_no_question(body: bytes) -> None:
    with signed_in(Site()) as client:
        answer = client.post("/playground/try", content=body)
        assert answer.status_code == 400
        assert NOT_JSON in answer.text


def test_an_answer_that_takes_too_long_is_stopped_and_the_next_one_comes() -> None:
    workbench = Workbench(patience=0.01)
    assert workbench.ask(QUESTION) == {
        "error": "This took more than 0.01 s, or too much memory, and was stopped. "
        "Take a smaller mapping or a smaller event."
    }
    workbench.patience = 60.0
    assert workbench.ask(QUESTION)["plan"]
    workbench.close()


def test_a_fault_of_waybill_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    answer = Answerer(lambda: float("nan")).answer({**QUESTION, "directories": [1]})
    assert "Traceback" not in str(answer)
    assert Answerer(lambda: 0.0).written(b'{"mapping": "", "events": "", "settings": {}}').startswith(b'{"name"')


async def _questions() -> list[JsonObject | None]:
    """Ask four times at once: three of one session, one of another; the first one holds the others up."""
    turns, entered, go = Turns(), anyio.Event(), threading.Event()
    answers: list[JsonObject | None] = [None] * 4

    def first() -> JsonObject:
        anyio.from_thread.run_sync(entered.set)
        go.wait()
        return {"number": 0}

    async def ask(number: int, session: int, work: Callable[[], JsonObject]) -> None:
        answers[number] = await turns.take((session, "try"), work)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 0, 1, first)
        await entered.wait()
        tasks.start_soon(ask, 1, 1, lambda: {"number": 1})
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, 2, 1, lambda: {"number": 2})
        tasks.start_soon(ask, 3, 2, lambda: {"number": 3})
        await anyio.wait_all_tasks_blocked()
        go.set()
    return answers


def test_of_a_session_only_the_newest_question_is_asked() -> None:
    assert anyio.run(_questions) == [{"number": 0}, None, {"number": 2}, {"number": 3}]
