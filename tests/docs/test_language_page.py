"""docs/language.md says what the engine does: every example runs, every word is there, every code is explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.compiler.paths.runtime import NOT_COMPARED
from engine.events.json_repairs import CODE as REPAIRED
from engine.events.timestamps import IMPLAUSIBLE
from engine.language.functions import FUNCTIONS
from engine.records import Outcome
from tests.docs.blocks import ROOT
from tests.docs.pages import PAGE, PageExample, Shown, outcomes, page_examples, plan, problems, schema, text_of
from tests.tables import each

EXAMPLES = list(page_examples())
EVENTS = [(example, shown) for example in EXAMPLES for shown in example.events]


def named(example: PageExample) -> str:
    return f"{example.yaml.heading} ({PAGE}:{example.yaml.line})"


def exact(value: Any) -> str:
    """Write for comparing: `1`, `1.0` and `true` differ, and the order of keys counts."""
    return json.dumps(value, ensure_ascii=False, indent=1)


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_an_example_is_a_valid_mapping(example: PageExample) -> None:
    if "wrong" in example.yaml.words:
        assert problems(example) == [example.problem.rstrip("\n")]
    else:
        assert problems(example) == []


@pytest.mark.parametrize(
    ("example", "shown"), EVENTS, ids=[f"{named(example)} {number}" for number, (example, _) in enumerate(EVENTS)]
)
def test_an_event_gives_what_the_page_shows(example: PageExample, shown: Shown) -> None:
    run = plan(example, shown)
    given, made = outcomes(example, run), run.plan
    results = shown.results
    assert results.keys() & {"body", "requests", "outcome"}, "nothing is said of this event"
    assert given["reports"] == results.get("reports", "").splitlines()
    if "outcome" in results:
        assert given["outcome"] == results["outcome"].strip()
        return
    assert made.outcome is Outcome.PLANNED, given["outcome"]
    if "body" in results:
        assert len(made.requests) == 1
        assert exact(given["body"]) == exact(json.loads(results["body"]))
    if "requests" in results:
        wanted = json.loads(results["requests"])
        kept = [part(request, keys) for request, keys in zip(given["requests"], wanted, strict=True)]
        assert exact(kept) == exact(wanted)


def part(request: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a request that the page names, and those of the batch around it."""
    return {key: part(request[key], named[key]) if key == "batch" else request[key] for key in named}


def words(node: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Return every key and every word of a choice that a mapping file may hold, functions and JSON Schema's own words aside."""
    if isinstance(node, list):
        for member in node:
            yield from words(member, path)
    elif isinstance(node, dict):
        if path[-2:-1] != ("properties",) and not {"function", "draft_7"} & set(path):
            yield from (word for word in node.get("enum", []) if isinstance(word, str))
            yield from node.get("properties", {})
        for key, member in node.items():
            yield from words(member, (*path, key))


@each("word", lambda: sorted(set(words(schema()))))
def test_every_word_of_a_mapping_file_is_explained(word: str) -> None:
    page = text_of(PAGE)
    assert re.search(rf"`[^`\n]*\b{re.escape(word)}\b[^`\n]*`", page), f"{PAGE} does not say what `{word}` is"


def test_every_function_is_explained() -> None:
    page = text_of("docs/functions.md")
    assert [name for name in FUNCTIONS if f"### {name}\n" not in page] == []


def codes() -> set[str]:
    """Find the codes that mapping an event can report, where the engine writes them."""
    folders = [ROOT / "engine" / name for name in ("compiler", "events", "language")]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    found = {code for text in texts for code in re.findall(r"\b(?:R|\.r)eport\(\s*\"([a-z-]+)\"", text)}
    found |= {NOT_COMPARED, IMPLAUSIBLE, REPAIRED}
    return found | {note for function in FUNCTIONS.values() for note in function.notes}


def test_every_code_of_a_report_is_explained() -> None:
    page = text_of(PAGE)
    assert {"not-converted", "no-timestamp", "milliseconds"} <= codes()
    assert sorted(code for code in codes() if f"`{code}`" not in page) == []


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        found = (ROOT / page).parent / file if file else ROOT / page
        assert found.exists(), f"{page}: {target} leads nowhere"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{page}: {target} has no such heading"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
