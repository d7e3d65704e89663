"""Mappings of strangers: whatever a file holds, it is judged within steps and memory that do not depend on it.

The whole list runs as the command does, each file in a process of its own with bounded memory; that is slow.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.commands.validate import command
from engine.errors import MappingError
from engine.mapping.checks.limits import MOST_LOOPS
from engine.mapping.load import Library
from engine.plan import Destination, load
from tests.checks import hostile
from tests.checks.harness import problems_of
from tests.checks.hostile import AT_THE_LIMIT, FULL, Generator
from tests.mapping.whole import whole

REFUSED: dict[Generator, str] = {
    hostile.doubling_choice: "expands-too-far",
    hostile.doubling_list: "expands-too-far",
    hostile.doubling_list_as_json: "expands-too-far",
    hostile.doubling_text: "expands-too-far",
    hostile.doubling_merge: "expands-too-far",
    hostile.doubling_fields: "expands-too-far",
    hostile.doubling_absent: "expands-too-far",
    hostile.doubling_or: "expands-too-far",
    hostile.doubling_default: "expands-too-far",
    hostile.doubling_paths: "expands-too-far",
    hostile.doubling_path: "path-syntax",
    hostile.doubling_path_to_string: "path-syntax",
    hostile.const_as_json: "expands-too-far",
    hostile.const_in_texts: "expands-too-far",
    hostile.setting_in_texts: "expands-too-far",
    hostile.parts_with_each: "expands-too-far",
    hostile.deep_when_in_parts: "parts-too-deep",
    hostile.deep_each: "too-many-loops",
}
"""Short files without an end, and the first problem of each."""
INVALID: dict[Generator, str] = {
    hostile.nested_each: "loops reach 100,352 items",
    hostile.nested_entries: "the mapping would copy more than 2,000,000 characters",
    hostile.nested_projections: "this takes 1,001,000 steps or more",
    hostile.projections_by_library: "this takes 1,00",
}
"""Short examples without an end, and how the event's reason begins."""


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_short_file_without_an_end_is_refused(make: Generator) -> None:
    assert problems_of(make(FULL[make]))[0].code == REFUSED[make]


@pytest.mark.parametrize("make", INVALID, ids=lambda make: make.__name__)
def test_a_short_example_without_an_end_is_invalid(make: Generator) -> None:
    [problem] = problems_of(make(FULL[make]))
    assert problem.code == "example-fails"
    assert problem.message.startswith(f"This event is invalid for another reason: {INVALID[make]}")


@pytest.mark.parametrize(
    "make", [hostile.must_doubling_refs, hostile.must_doubling_refs_that_fail, hostile.must_doubling_not]
)
def test_a_schema_refers_to_itself_a_billion_times(make: Generator) -> None:
    assert [problem.code for problem in problems_of(make(FULL[make]))] == ["example-fails"]


def test_what_is_refused_is_not_loaded_either() -> None:
    Path("shop.yaml").write_text(hostile.doubling_list(40), encoding="utf-8")
    with pytest.raises(MappingError) as raised:
        load("shop.yaml")
    assert [problem.code for problem in raised.value.problems] == ["expands-too-far"]


def test_the_other_files_are_reported_too() -> None:
    Path("mappings").mkdir()
    Path("mappings/bad.yaml").write_text(hostile.doubling_list(40).replace("name: shop", "name: bad"), encoding="utf-8")
    Path("mappings/other.yaml").write_text(
        whole("name: other\ncalls: { track: [{ request: save, from: propreties }] }"), encoding="utf-8"
    )
    result = CliRunner().invoke(command, ["--format", "json"], standalone_mode=False)
    found = [(problem["file"], problem["code"]) for problem in json.loads(result.output)]
    assert found == [("mappings/bad.yaml", "expands-too-far"), ("mappings/other.yaml", "unknown-field")]


# --- what is just allowed can be compiled and run ---


def failing_paths(size: int) -> str:
    """Each part is asked for by a path that can fail, which is a `try` of its own where parts are written inline."""
    parts = hostile.chain(size, lambda path: f"to_array({path}) | join('', @)")
    return hostile.mapping({"a": "parts.p0"}, parts=parts)


def loops_with_functions(size: int) -> str:
    value: object = {"from": "item", "as": "string"}
    for _ in range(size):
        value = {
            "each": "properties.all[*].a[*]",
            "where": "length(to_string(item)) > `0`",
            "value": value,
            "as": "to_list",
        }
    return hostile.mapping({"a": value})


def keys_of_many_holes(size: int) -> str:
    value: object = "event"
    for _ in range(size):
        value = {"fields": {"${event}${userId}${event}${userId}${event}": value}}
    return hostile.mapping({"a": value})


ALLOWED: dict[Generator, int] = {
    hostile.long_chain: 14,
    hostile.long_chain_of_instructions: 11,
    failing_paths: 14,
    loops_with_functions: MOST_LOOPS,
    hostile.deep_each: MOST_LOOPS,
    hostile.deep_from: 55,
    hostile.deep_dynamic_keys: 28,
    keys_of_many_holes: 28,
    hostile.many_holes: 1_000,
}


@pytest.mark.parametrize("make", ALLOWED, ids=lambda make: make.__name__)
def test_what_is_just_allowed_runs(make: Generator) -> None:
    text = make(ALLOWED[make])
    assert {problem.code for problem in problems_of(text)} <= {"example-fails"}
    plan = Destination(Library([]).read(Path("shop.yaml"))).connect({}).plan(
        {"type": "track", "userId": "u1", "event": "Bought", "properties": {"a": "x", "all": [{"a": ["x"]}]}}
    )  # fmt: skip
    assert plan.outcome == "planned"


def test_a_text_of_many_holes_is_absent_where_one_is() -> None:
    holes = "".join(f"${{properties.a{number}}}" for number in range(60))
    Path("shop.yaml").write_text(hostile.mapping({"a": {"text": holes}, "b": "event"}), encoding="utf-8")
    connection = Destination(Library([]).read(Path("shop.yaml"))).connect({})
    properties = {f"a{number}": str(number % 10) for number in range(60)}
    event = {"type": "track", "userId": "u1", "event": "Bought"}
    [request] = connection.plan({**event, "properties": properties}).requests
    assert request.body == {"a": "0123456789" * 6, "b": "Bought"}
    for number in (0, 3, 4, 31, 59):
        some = {name: text for name, text in properties.items() if name != f"a{number}"}
        [request] = connection.plan({**event, "properties": some}).requests
        assert request.body == {"b": "Bought"}


# --- the whole list ---

LONGEST = 30
"""Seconds, on a busy machine; all take less than five on an idle one."""
MEMORY = 600
CHECK = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY * 2}_000_000, {MEMORY * 2}_000_000))
from engine.commands import validate_mappings
try:
    validate_mappings(["shop.yaml", "--format", "json"])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "size"),
    [pytest.param(make, size, id=f"{make.__name__}: {size}") for make, size in [*FULL.items(), *AT_THE_LIMIT.items()]],
)
def test_a_hostile_file_is_judged_within_bounds(make: Generator, size: int) -> None:
    Path("shop.yaml").write_text(make(size), encoding="utf-8")
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=LONGEST * 3, check=False
    )
    took = time.perf_counter() - started
    assert done.returncode in (0, 1), done.stderr
    problems = json.loads(done.stdout)
    assert len(problems) <= 101
    assert "cannot-be-checked" not in [problem["code"] for problem in problems]
    assert took < LONGEST
    assert int(done.stderr.split()[-1]) < MEMORY
