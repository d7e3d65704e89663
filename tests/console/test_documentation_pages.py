"""The pages of the documentation in the console: all of them, with links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.console.documentation import (
    INDEX,
    documentation_blocks,
    documentation_page,
    documentation_spans,
    heading_anchor,
    page_names,
    pictures,
)
from engine.console.markdown import MarkdownBlock, MarkdownSpan
from engine.console.site import Site
from engine.mapping.load import Library
from tests.console.harness import signed_in

PAGES = [INDEX, *page_names()]
MARKDOWN: dict[str, list[MarkdownBlock]] = {
    "One\ntwo.\n\n- `a`: b\n  c\n- d\n\n1. e": [
        MarkdownBlock("paragraph", [MarkdownSpan("text", "One two.")]),
        MarkdownBlock("item", [MarkdownSpan("code", "a"), MarkdownSpan("text", ": b c")], number="\N{BULLET}"),
        MarkdownBlock("item", [MarkdownSpan("text", "d")], number="\N{BULLET}"),
        MarkdownBlock("item", [MarkdownSpan("text", "e")], number="1."),
    ],
    "a\n```yaml\n- b\n\n  c\n```\nd": [
        MarkdownBlock("paragraph", [MarkdownSpan("text", "a")]),
        MarkdownBlock("code", text="- b\n\n  c", language="yaml"),
        MarkdownBlock("paragraph", [MarkdownSpan("text", "d")]),
    ],
}
SPANS: dict[str, list[MarkdownSpan]] = {
    "**a `b`** c": [MarkdownSpan("strong", "a "), MarkdownSpan("code", "b"), MarkdownSpan("text", " c")],
    "[a](language.md#paths)": [MarkdownSpan("link", "a", "/docs/language#paths")],
    "[language.md](language.md)": [MarkdownSpan("link", "language", "/docs/language")],
    "[`a[]`](#a)": [MarkdownSpan("link", "a[]", "#a")],
    "[a](destinations/README.md)": [MarkdownSpan("link", "a", "/destinations")],
    "[a](destinations/extole.md)": [MarkdownSpan("link", "a", "/destinations/extole")],
    "[a](../CONTRIBUTING.md)": [MarkdownSpan("text", "a")],
    "[a](javascript:b)": [MarkdownSpan("text", "a")],
    "![a](scale.svg)": [MarkdownSpan("picture", "a", "/docs/scale.svg")],
    "![a](../scale.svg)": [MarkdownSpan("text", "a")],
    "[a](scale.svg)": [MarkdownSpan("text", "a")],
    "`[a](#b) **`": [MarkdownSpan("code", "[a](#b) **")],
}


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_becomes_blocks(text: str) -> None:
    assert list(documentation_blocks(text)) == MARKDOWN[text]


@pytest.mark.parametrize("text", SPANS)
def test_a_line_becomes_pieces(text: str) -> None:
    assert documentation_spans(text) == SPANS[text]


def pieces(name: str) -> list[MarkdownSpan]:
    found = documentation_page(name)
    return [
        span for each in found for spans in (each.spans, *(cell for row in each.rows for cell in row)) for span in spans
    ]


def anchors(name: str) -> set[str]:
    return {heading_anchor(each) for each in documentation_page(name) if each.kind in ("h2", "h3")}


@pytest.mark.parametrize("name", PAGES)
def test_no_mark_is_left_in_a_page(name: str) -> None:
    left = [each.text for each in pieces(name) if each.kind != "code" and re.search(r"\]\(|\*\*|`", each.text)]
    assert left == []


def test_every_link_leads_somewhere() -> None:
    headings = {f"/docs/{name}": anchors(name) for name in PAGES}
    known = {"/destinations", *(f"/destinations/{name}" for name in Library([]).names())}
    known |= {f"/docs/{path}" for path in pictures()}
    lost = []
    for name in PAGES:
        for each in pieces(name):
            page, _, anchor = each.href.partition("#")
            there = headings.get(page or f"/docs/{name}", set()) if page not in known else {""}
            if each.href and not page.startswith("https://") and anchor not in {"", *there}:
                lost.append((name, each.href))
            if page.startswith("/") and page not in {*headings, *known}:
                lost.append((name, each.href))
    assert lost == []


def test_the_list_leads_to_every_page() -> None:
    listed = {each.href for each in pieces(INDEX)}
    assert {f"/docs/{name}" for name in page_names()} <= listed


def test_the_console_shows_the_pages(tmp_path: Path) -> None:
    with signed_in(Site(directories=(tmp_path,))) as client:
        answer = client.get("/docs/problems")
        assert answer.status_code == 200
        assert '<h3 id="unknown-field">unknown-field</h3>' in answer.text
        language = client.get("/docs/language").text
        assert '<a href="#the-file" rel="noopener noreferrer">the file</a>' in language
        assert '<h2 id="the-file">The file</h2>' in language
        assert "Write a mapping" in client.get("/docs").text
        assert '<img src="/docs/scale.svg" alt="From collectors ' in client.get("/docs/scale").text
        picture = client.get("/docs/scale.svg")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.content == pictures()["scale.svg"].read_bytes()
        lost = client.get("/docs/..%2f..%2fpyproject")
        assert lost.status_code == 404
        assert (
            client.get("/docs/nothing").text.count("The documentation has no such page. Docs lists all of them.") == 1
        )
