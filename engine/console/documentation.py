"""The pages of docs/ as the console shows them: what `engine docs PAGE` prints, with links between the pages.

These are the engine's own texts. Text of a mapping never comes here, because a link is read from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from engine.console.markdown import MarkdownBlock, MarkdownSpan, blocks
from engine.mapping import bundled

INDEX = "README"
SPANS = re.compile(
    r"(?<!`)(`+)(?!`)(?P<code>.+?)(?<!`)\1(?!`)|(?P<picture>!?)\[(?P<label>(?:`[^`]*`|[^]`])*)\]\((?P<to>[^)\s]+)\)|\*\*"
)
PICTURES = (".svg", ".png")
BULLET = re.compile(r" *[-*] (.+)")
ALONE = ("#", "|", "```", "<!--")
"""How a line begins that is no part of a paragraph."""


def page_names() -> list[str]:
    """Return the names of the pages, without that of the list of all pages."""
    return sorted(path.stem for path in bundled("docs").glob("*.md") if path.stem != INDEX)


@cache
def pictures() -> dict[str, Path]:
    """Return the files of the pictures in the pages, by their path in docs/."""
    folder = bundled("docs")
    files = (path for path in folder.rglob("*") if path.suffix in PICTURES)
    return {path.relative_to(folder).as_posix(): path for path in files}


def documentation_page(name: str) -> list[MarkdownBlock]:
    """Return the blocks of a page of `page_names`, or of the list of pages (`README`)."""
    markdown = (bundled("docs") / f"{name}.md").read_text(encoding="utf-8")
    return list(documentation_blocks(markdown))


def documentation_blocks(markdown: str) -> Iterator[MarkdownBlock]:
    """Return the blocks of a text: paragraphs of several lines are joined, and list items have a bullet."""
    for block in blocks("\n".join(_joined(markdown)), documentation_spans):
        first = block.spans[0].text if block.kind == "paragraph" else ""
        if found := BULLET.fullmatch(first):
            rest = [MarkdownSpan(block.spans[0].kind, found[1]), *block.spans[1:]]
            yield block._replace(kind="item", spans=rest, number="\N{BULLET}")
        elif first in ("- ", "* "):
            yield block._replace(kind="item", spans=block.spans[1:], number="\N{BULLET}")
        else:
            yield block


def _joined(markdown: str) -> Iterator[str]:
    """Return the lines with those of one paragraph or list item joined."""
    paragraph, in_code = "", False
    for line in markdown.split("\n"):
        is_fence = line.startswith("```")
        starts = in_code or not line or line.startswith(ALONE) or re.match(r" *(?:[-*]|\d+\.) ", line)
        if starts and paragraph:
            yield paragraph
            paragraph = ""
        if in_code or not line or line.startswith(ALONE):
            yield line
        else:
            paragraph = f"{paragraph} {line.strip()}".strip()
        in_code ^= is_fence
    if paragraph:
        yield paragraph


def documentation_spans(text: str) -> list[MarkdownSpan]:
    """Return the pieces of a line: code, links, strong text, and text."""
    found, start, plain = [], 0, "text"
    for match in SPANS.finditer(text):
        found.append(MarkdownSpan(plain, text[start : match.start()]))
        start = match.end()
        if match["code"] is not None:
            found.append(MarkdownSpan("code", match["code"]))
        elif match["picture"] and match["to"] in pictures():
            found.append(MarkdownSpan("picture", match["label"], f"/docs/{match['to']}"))
        elif match["to"] is not None:
            found.append(_link(match["label"].replace("`", ""), match["to"]))
        else:
            plain = "text" if plain == "strong" else "strong"
    return [each for each in [*found, MarkdownSpan(plain, text[start:])] if each.text]


def _link(label: str, to: str) -> MarkdownSpan:
    """Return a link to a page of the console, named without `.md`; what it does not have is text."""
    if to.startswith(("https://", "#")):
        return MarkdownSpan("link", label, to)
    file, _, anchor = to.partition("#")
    path = PurePosixPath(file)
    if path.parts[0] == "destinations":
        return MarkdownSpan("link", label, "/destinations" if path.stem == INDEX else f"/destinations/{path.stem}")
    if len(path.parts) == 1 and path.suffix == ".md" and path.stem in page_names():
        return MarkdownSpan("link", label.removesuffix(".md"), f"/docs/{path.stem}{anchor and f'#{anchor}'}")
    return MarkdownSpan("text", label)


def heading_anchor(block: MarkdownBlock) -> str:
    """Return the name that links give to a heading, as GitHub makes it."""
    text = "".join(each.text for each in block.spans).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
