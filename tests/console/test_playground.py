"""The playground as a page: what it answers, whom it asks at once, when it stops, and how it works in a browser."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from engine.console.pages.playground import NOT_JSON, Turns
from engine.console.playground.bench import Workbench
from engine.console.playground.choices import FIRST_STEPS, chosen_mapping, samples
from engine.console.playground.process import Answerer
from engine.console.site import Site
from engine.mapping import bundled
from engine.records import JsonObject
from tests.console.harness import TOKEN, served, signed_in, tell, visitor

FIRST = str(chosen_mapping(FIRST_STEPS, [])["text"])
QUESTION: JsonObject = {"mapping": FIRST, "events": str(samples()[0]["events"]), "directories": []}


@pytest.mark.slow  # overview.mjs looks at the page, too
def test_in_a_browser() -> None:
    with served(Site(read_only=True, directories=[Path("nowhere")])) as running:
        tell(
            "playground.mjs",
            url=running.url,
            link=running.console.link,
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


async def _answers() -> list[JsonObject | None]:
    """Ask four times at once: three of one session, one of another; the first one holds the others up."""
    turns, entered, go = Turns(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def first() -> JsonObject:
        loop.call_soon_threadsafe(entered.set)
        go.wait()
        return {"number": 0}

    works: list[tuple[int, Callable[[], JsonObject]]] = [
        (1, first),
        (1, lambda: {"number": 1}),
        (1, lambda: {"number": 2}),
        (2, lambda: {"number": 3}),
    ]
    tasks = [asyncio.ensure_future(turns.take((session, "try"), work)) for session, work in works]
    await entered.wait()  # the others have come by then: tasks start in the order in which they were made
    go.set()
    return list(await asyncio.gather(*tasks))


def test_of_a_session_only_the_newest_question_is_asked() -> None:
    assert asyncio.run(_answers()) == [{"number": 0}, None, {"number": 2}, {"number": 3}]


def test_ctrl_c_ends_the_console_and_its_process_in_silence() -> None:
    command = [sys.executable, "-m", "engine", "console", "--port", "0", "--admin-token", TOKEN]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert running.stdout is not None
    origin = running.stdout.readline().partition(": ")[2].partition("/login")[0]
    with httpx.Client(base_url=origin) as client:
        client.post("/login", data={"token": TOKEN})
        token = client.get("/playground").text.partition('name="csrf-token" content="')[2].partition('"')[0]
        assert client.post("/playground/try", json=QUESTION, headers={"X-CSRF-Token": token}).json()["plan"]
    [tries] = psutil.Process(running.pid).children()
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=20)
    assert "Traceback" not in output
    tries.wait(20)
