"""The benchmarks fit the code they measure, their peers do the same work, and what they print says so where not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from orjson import loads

from benchmarks import corpus, instructions, page, plan, programs, rows
from benchmarks._svg import chart
from benchmarks._table import Measured, Turn, table
from tests.package.tree import ROOT

FILES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))


def test_what_they_measure_is_there() -> None:
    command = [sys.executable, "-c", "\n".join(f"import benchmarks.{name}" for name in FILES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def inputs() -> dict[str, list[bytes]]:
    found = list(corpus.events(200))
    return {"all": found, "alias": corpus.of_kind(found, "alias"), "odd": corpus.odd(), "bodies": corpus.bodies(found)}


@pytest.mark.parametrize("name", ["plan", "hand", "jmespath"])
def test_rows_make_the_engines_bodies(name: str, inputs: dict[str, list[bytes]]) -> None:
    engine, peer = rows.row("plan_json"), rows.row(name)
    for raw in [*inputs["all"], *inputs["alias"], *inputs["odd"]]:
        assert [plan.plain(loads(body)) for body in peer(raw)] == [plan.plain(loads(body)) for body in engine(raw)]


def test_batches_hold_what_single_events_make(inputs: dict[str, list[bytes]]) -> None:
    single = rows.row("plan_json")
    want = [loads(body) for raw in inputs["all"] for body in single(raw)]
    for name in ("batch", "hand-batch"):
        batches = [loads(body)["commands"] for raw in inputs["bodies"] for body in rows.row(name)(raw)]
        assert [item["data"] for items in batches for item in items] == want
        assert [len(items) for items in batches] == [50] * 4


def test_the_corpus_is_the_same_everywhere(inputs: dict[str, list[bytes]]) -> None:
    assert loads(inputs["all"][0])["messageId"] == "ajs-19b68f2d2a316932f2b31fc69c4f44ed"
    assert {kind: len(corpus.of_kind(inputs["all"], kind)) for kind in corpus.CALLS} == {
        "track": 135,
        "page": 20,
        "screen": 7,
        "identify": 28,
        "group": 10,
    }


@pytest.mark.slow
def test_the_whole_table(tmp_path: Path) -> None:
    assert plan.has_npm(), "`make test-all` installs the packages of benchmarks/peers"
    measured = plan.run(plan.ROWS, 1, 200)
    assert [row.key for row in measured] == [row.key for row in plan.ROWS]
    measured += programs.run(programs.GROUPS, 1, 100)
    copied = tmp_path / "performance.md"
    copied.write_text((ROOT / "docs/performance.md").read_text())
    page.write(measured, rounds=1, events=10, page=copied)
    written = copied.read_text()
    assert [block for block in page.BLOCK.findall(written) if block[0].endswith("-->\n<!-- end -->")] == []
    assert all(row.title in written for row in measured)
    assert sorted(path.name for path in (tmp_path / "performance").iterdir()) == sorted(
        f"{n}.svg" for n in page.PICTURES
    )


def test_bodies_that_differ_are_shown() -> None:
    row = plan.Row("hand", "all", "")
    assert plan.plain([True, {"a": 1.0}]) != plan.plain([1, {"a": 1}])
    assert plan.plain([{"a": 1.0}]) == plan.plain([{"a": 1}])
    assert plan.difference(row, "odd", [1], []) == (
        "hand makes 1 bodies of odd, and the engine 0; nothing was measured"
    )
    assert plan.difference(row, "odd", [1, 2], [1, 3]) == (
        "hand, odd: body 1 is 2\nthe engine's is 3; nothing was measured"
    )


def test_a_table() -> None:
    row = Measured("plan_json/all", "plan_json", "2.2")
    for wall in (2e-3, 3e-3, 4e-3):
        row.add(Turn(wall, wall, 100), Turn(1e-3, 1e-3, 100), Turn(1e-3, 5e-4, 100))
    assert table([row]) == [
        "| row       | x reference |   10-90 % | by CPU time |    time | a second | goal |",
        "|-----------|------------:|----------:|------------:|--------:|---------:|-----:|",
        "| plan_json |    **3.00** | 2.20-3.80 |        4.00 | 30.0 us |   33,333 |  2.2 |",
    ]


def test_figures_go_where_the_page_wants_them() -> None:
    text = "A\n<!-- figures: one -->\nold\n<!-- end -->\n<!-- figures: two -->\nkept\n<!-- end -->\n"
    assert page.filled(text, {"one": ["new", r"\1"]}) == text.replace("old", "new\n\\1")


def test_a_picture() -> None:
    lines = {"a < b": [(0.5, 3.0), (32, 1.5)], "text": [(0.5, 2.0), (32, 1.0)]}
    texts = [each.text for each in ET.fromstring(chart("Size", "KB", "x", lines)).iter() if each.tag.endswith("}text")]
    assert texts == ["Size", "0", "1", "2", "3", "4", "0.5", "32", "KB", "x", "a < b", "text"]


COUNTS = {"orjson/all": 100, "hand/all": 200, "plan_json/all": 400, "batch/bodies": 800}


def test_more_instructions_are_a_slow_down() -> None:
    lines, well = instructions.report(COUNTS, {"plan_json/all": 413, "batch/bodies": 700, "plan/all": 1})
    assert not well
    assert lines == [
        "plan_json/all                                 400 ->          413    +3.2%  slower: more than 3%",
        "batch/bodies                                  800 ->          700   -12.5%  faster: --update stores it",
        "plan/all                                        1  new: --update stores it",
    ]
    assert instructions.report(COUNTS, {"plan_json/all": 411})[1]


def test_counts_of_another_build_are_not_compared() -> None:
    stored = {**instructions.build(), "counts": COUNTS}
    assert instructions.not_comparable(stored, COUNTS) == ""
    assert instructions.not_comparable({**stored, "machine": "pdp11"}, COUNTS) == (
        f"the stored counts are of machine pdp11, not {instructions.build()['machine']}"
    )
    assert instructions.not_comparable(stored, {**COUNTS, "hand/all": 203}) == (
        "hand/all, no work of the engine, takes 203 instructions; 200 are stored"
    )


def test_the_counts_of_a_thread_are_read(tmp_path: Path) -> None:
    file = tmp_path / "counted-03"
    file.write_text("version: 1\npid: 7\nthread: 3\n\nevents: Ir\nfn=(1)\n1 20\ntotals: 1020\n")
    assert instructions.totals(file) == (3, 1020)
