"""Reloading in this process: what it reports, what it refuses, in which order it works, and when files count as changed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from engine.collector.reloading import ConnectionChange, Reloading, ReloadReport, Remaining, Served, SourceChange
from engine.collector.sources import EventSource
from engine.collector.watching import WatchedFiles, watch
from engine.delivery import logs
from engine.delivery.connections import ConnectionsError
from engine.errors import MappingError, UsageError
from engine.mapping.load import Library
from tests.delivery.vendor import BATCHES, shop

WEB = EventSource("web", ("web-key",), ("shop",))
APP = EventSource("app", ("app-key",), ("shop",))


class Loads:
    """Loads one version after the other; an exception among them is raised."""

    def __init__(self, *versions: Served | Exception) -> None:
        self.versions = [*versions]
        self.count = 0

    def __call__(self, _files: WatchedFiles) -> Served:
        version = self.versions[min(self.count, len(self.versions) - 1)]
        self.count += 1
        if isinstance(version, Exception):
            raise version
        return version


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Callable[[], list[dict]]]:
    """Return what was logged, without the time."""
    with (tmp_path / "log").open("w+") as stream:
        handler = logs.start(stream, [])

        def lines() -> list[dict]:
            stream.seek(0)
            found = [orjson.loads(line) for line in stream.read().splitlines()]
            return [{name: value for name, value in line.items() if name != "time"} for line in found]

        yield lines
        logs.stop(handler)


def test_the_report_names_every_change(tmp_path: Path, log: Callable[[], list[dict]]) -> None:
    old = [shop(tmp_path, "http://127.0.0.1:1", name=name) for name in ("same", "tuned", "gone")]
    new = [shop(tmp_path, "http://127.0.0.1:1", name=name) for name in ("same", "tuned", "new")]
    new[1] = shop(tmp_path, "http://127.0.0.1:2", name="tuned", more=BATCHES.replace("/single", "/other"))
    rotated = WEB._replace(write_keys=("other-key",))
    closed = EventSource("closed", ("closed-key",), ())
    reloading = Reloading(Loads(Served([WEB, closed], old), Served([rotated, APP], new)))
    order: list[str] = []

    async def door(served: Served) -> None:
        assert served is reloading.served
        order.append("door")

    async def delivery(_served: Served) -> Remaining:
        order.append("delivery")
        return Remaining({"gone": 7}, {"new": "Check."})

    reloading.door, reloading.delivery = door, delivery
    report = asyncio.run(reloading.reload())
    assert order == ["door", "delivery"]
    was, now = old[0].digest(), new[1].digest()
    assert report == ReloadReport(
        (),
        (
            ConnectionChange("same", "unchanged", was, was),
            ConnectionChange("tuned", "changed", now, was, ("mapping", "settings")),
            ConnectionChange("new", "added", was, held="Check."),
            ConnectionChange("gone", "removed", "", was, (), 7),
        ),
        (SourceChange("web", "changed"), SourceChange("app", "added"), SourceChange("closed", "removed")),
    )
    assert (reloading.connections, reloading.sources) == (new, [rotated, APP])
    assert log() == [
        {
            "level": "info",
            "event": "reloaded",
            "trigger": "request",
            "connections": {"tuned": "changed", "new": "added", "gone": "removed"},
            "sources": {"web": "changed", "app": "added", "closed": "removed"},
        }
    ]


def mapping_error(folder: Path) -> MappingError:
    path = folder / "bad.yaml"
    path.write_text("mapping: 1\nname: bad\ntitel: Bad\n")
    with pytest.raises(MappingError) as raised:
        Library([]).load(str(path)).need()
    return raised.value


PROBLEMS = [
    (
        ConnectionsError(["c.yaml:1:1  a\n  One.", "c.yaml:2:1  b\n  Two."]),
        ("c.yaml:1:1  a\n  One.", "c.yaml:2:1  b\n  Two."),
    ),
    (UsageError("No such setting."), ("No such setting.",)),
    (PermissionError(13, "Permission denied", "c.yaml"), ("c.yaml: Permission denied.",)),
    (UsageError("The key web-key is wrong."), ("The key *** is wrong.",)),
    (
        ZeroDivisionError("web-key"),
        (
            "Loading failed (ZeroDivisionError): an error of the engine itself; its log has the traceback. Please report it.",
        ),
    ),
]


@pytest.mark.parametrize(("error", "expected"), PROBLEMS)
def test_what_is_wrong_is_reported_and_nothing_changes(
    error: Exception, expected: tuple[str, ...], log: Callable[[], list[dict]]
) -> None:
    served, results = Served([WEB], []), list[str]()
    reloading = Reloading(Loads(served, error))
    reloading.on_result = results.append
    assert asyncio.run(reloading.reload("signal")) == ReloadReport(expected)
    assert reloading.served is served
    assert results == ["refused"]
    line = {"level": "error", "event": "reload refused", "trigger": "signal", "problems": [*expected]}
    assert [each for each in log() if each["event"] == "reload refused"] == [line]


def test_an_error_of_the_engine_ends_nothing(log: Callable[[], list[dict]]) -> None:
    reloading = Reloading(Loads(Served([WEB], [])))

    async def door(_served: Served) -> None:
        raise ZeroDivisionError

    reloading.door = door
    text = (
        "The files were loaded, but an error of the engine itself (ZeroDivisionError) kept some of them from use. Restart "
        "the server; its log has the traceback. Please report it."
    )
    assert asyncio.run(reloading.reload()) == ReloadReport((text,))
    assert [each["event"] for each in log()] == ["reload failed", "reload refused"]
    assert "ZeroDivisionError" in log()[0]["traceback"]


def test_every_problem_of_a_mapping_is_reported(tmp_path: Path) -> None:
    reloading = Reloading(Loads(Served([], []), mapping_error(tmp_path)))
    report = asyncio.run(reloading.reload())
    places = [problem.partition("  ")[0].partition(" ")[0] for problem in report.problems]
    assert len(places) > 1
    assert all(place.startswith(f"{tmp_path}/bad.yaml:") for place in places), report.problems


def test_two_at_once_are_one_after_the_other() -> None:
    served, at_once, most = Served([WEB], []), [0], [0]

    def load(_files: WatchedFiles) -> Served:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        threading.Event().wait(0.02)
        at_once[0] -= 1
        return served

    reloading = Reloading(load)

    async def work() -> None:
        reports = await asyncio.gather(*(reloading.reload() for _ in range(3)))
        assert [each.json()["result"] for each in reports] == ["reloaded"] * 3

    asyncio.run(work())
    assert most == [1]


@pytest.mark.parametrize("when", ["before", "while it loads"])
def test_none_while_the_server_stops(when: str) -> None:
    first, second = Served([WEB], []), Served([APP], [])

    def load(_files: WatchedFiles) -> Served:
        if not made:
            return first
        reloading.close()
        return second

    made: list[Reloading] = []
    reloading = Reloading(load)
    made.append(reloading)
    if when == "before":
        reloading.close()
    report = asyncio.run(reloading.reload())
    assert report == ReloadReport(("The server is stopping, so nothing was loaded.",))
    assert reloading.served is first


def test_requests_of_signals_are_coalesced() -> None:
    """A thousand signals are two reloads: the one at work, and one that sees what changed since it began."""
    loads = Loads(Served([WEB], []))
    reloading = Reloading(loads)
    reloading.request()  # before there is a loop

    async def work() -> None:
        reloading.attach()
        await asyncio.sleep(0)
        for _ in range(1000):
            reloading.request()
        await asyncio.sleep(0)
        await reloading.ended()

    asyncio.run(work())
    assert loads.count == 3, "the first load, and two reloads"
    reloading.request()  # the loop has ended: nothing happens


def test_new_secrets_are_masked_before_they_are_used(log: Callable[[], list[dict]]) -> None:
    rotated = WEB._replace(write_keys=("rotated-key",))
    reloading = Reloading(Loads(Served([WEB], []), Served([rotated], [])))

    async def door(_served: Served) -> None:
        logs.Logging().warned("shop", "web-key and rotated-key")

    reloading.door = door
    asyncio.run(reloading.reload())
    assert log()[0]["reason"] == "*** and ***"


BASE = """
http: { base_url: "https://vendor.invalid" }
requests:
  add: { path: /add }
calls:
  track:
    - { request: add, fields: { id: messageId } }
"""


def touched(path: Path, text: str, second: int) -> None:
    path.write_text(text)
    os.utime(path, (second, second))


def test_which_files_are_watched(tmp_path: Path) -> None:
    base, own, parts = tmp_path / "base.yaml", tmp_path / "own.yaml", tmp_path / "parts" / "shared.yaml"
    parts.parent.mkdir()
    head = "mapping: 1\ntitle: Own\n"
    texts = {
        base: f"{head}name: base\n{BASE}",
        own: f"{head}name: own\nextends: base\ninclude: [shared]\n",
        parts: "parts:\n  p: { from: userId }\n",
    }
    for path, text in texts.items():
        touched(path, text, 1000)
    for changing, text in texts.items():
        files = WatchedFiles()
        Library([tmp_path], files.read).load("own").need()
        assert not files.changed()
        touched(changing, text, 2000)
        assert files.changed(), changing
        touched(changing, text, 1000)
        assert not files.changed()
        changing.unlink()
        assert files.changed(), changing
        touched(changing, text, 1000)


def test_after_a_failed_load_the_file_that_was_missing_counts_too(tmp_path: Path) -> None:
    good, broken, missing = tmp_path / "good.yaml", tmp_path / "broken.yaml", tmp_path / "parts" / "missing.yaml"
    touched(good, "a", 1000)
    touched(broken, "b", 1000)
    before, failed = WatchedFiles(), WatchedFiles()
    before.add(good)
    touched(good, "changed before the load that fails elsewhere", 2000)
    failed.add(broken)
    failed.failed_after(before)
    assert not failed.changed(), "it is tried again when something changes, not every second"
    missing.parent.mkdir()
    assert failed.changed()
    again = WatchedFiles()
    again.add(broken)
    again.failed_after(failed)
    assert not again.changed()
    missing.write_text("parts: {}")
    assert again.changed()


def test_watching_reports_the_same_problems_once(tmp_path: Path, log: Callable[[], list[dict]]) -> None:
    """And reloads at the next change that mends them."""
    file, served = tmp_path / "file", Served([WEB], [])

    def load(files: WatchedFiles) -> Served:
        files.add(file)
        text = file.read_text()
        if text.startswith("bad"):
            raise UsageError(text.partition(" ")[0])
        return served

    touched(file, "good", 1000)
    reloading = Reloading(load)
    looks: list[str] = []

    async def reload() -> None:
        report = await reloading.reload("watch")
        looks.append("".join(report.problems) or "reloaded")

    async def work() -> None:
        task = asyncio.create_task(watch(reloading.changed, reload, every=0.005))
        async with asyncio.timeout(20):
            for number, text in enumerate(["bad", "bad still", "good", "bad", "worse", "good"]):
                touched(file, text, 2000 + number)
                while len(looks) <= number:  # noqa: ASYNC110  there is nothing to wait for
                    await asyncio.sleep(0.005)
        task.cancel()

    asyncio.run(work())
    assert looks == ["bad", "bad", "reloaded", "bad", "reloaded", "reloaded"]
    assert [each["event"] for each in log()] == ["reload refused", "reloaded", "reload refused", "reloaded", "reloaded"]
