"""docs/problems.md, made from docs/problems/*.yaml: one file for each code that `validate-mappings` can print.

A file documents its code and holds its tests: `wrong` and every mapping under `cases` must print exactly their
`output`, and `right` must print nothing. Nothing of this is loaded when the engine runs; only a checkout has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from engine.mapping.yaml import reader

PROBLEMS_FOLDER = Path(__file__).parents[2] / "docs" / "problems"
GROUPS = (
    "Files and YAML",
    "Shapes",
    "Files that belong together",
    "Names",
    "Paths",
    "Values",
    "Steps, requests and settings",
    "Secrets and examples",
)
"""The sections of the page, in their order; the `group` of a file is one of them."""

_OPENING = """\
# Problems

<!-- Made by `make docs` from docs/problems/*.yaml; every example here is a test. -->

Every problem that `validate-mappings` can report, by the code at the end of its message.
A problem says where it is (file, line, column, and the path inside the file), what is wrong, and what to do:

```
mappings/shop.yaml:31:21  calls.page[0].fields.event_type
  A page call has no field "page_visit".
  If you mean the text itself, write { const: page_visit }.              [unknown-field]
```

Errors make the exit code 1. Warnings are printed and counted, but do not fail.
Codes are stable.
`--format json` prints a list of objects with `file`, `line`, `column`, `path`, `code`, `message`, `advice` and
`level` (`error` or `warning`); `--format github` prints annotations, which GitHub shows next to the line.

Each example is part of a mapping, with the output of `validate-mappings` below it.
The rest of the mapping is as follows; an example that is only a comment is about something outside the file's text:

```yaml
mapping: 1
name: shop
title: Shop
http: { base_url: https://api.shop.example }
requests: { save: { path: /save } }
calls: { track: [{ request: save, from: properties }] }
```
"""


class Case(NamedTuple):
    """Part of a mapping, and what `validate-mappings` prints for it."""

    name: str
    mapping: str
    output: str


class ProblemDoc(NamedTuple):
    """A code explained: `about` in a sentence or two, `wrong` and `right` as parts of a mapping.

    `wrong` is a comment (`# ...`) where the fault is not in the text: a missing file, one that is too large.
    """

    code: str
    title: str
    group: str
    about: str
    wrong: str
    output: str
    right: str
    cases: tuple[Case, ...] = ()


def problem_docs() -> dict[str, ProblemDoc]:
    """Read docs/problems/*.yaml; the result is in the order of the page."""
    docs = [_read(path) for path in sorted(PROBLEMS_FOLDER.glob("*.yaml"))]
    return {doc.code: doc for doc in sorted(docs, key=lambda doc: GROUPS.index(doc.group))}


def problems_markdown() -> str:
    """Return the text of docs/problems.md."""
    docs = problem_docs().values()
    groups = {group: [doc for doc in docs if doc.group == group] for group in GROUPS}
    return "\n".join([_OPENING, *_contents(groups), *_sections(groups)])


def _read(path: Path) -> ProblemDoc:
    document = reader.read(path)
    if document.problems:
        raise ValueError(str(document.problems[0]))
    fields = cast("dict[str, Any]", document.value)
    cases = tuple(Case(**case) for case in fields.pop("cases", []))
    return ProblemDoc(code=path.stem, cases=cases, **fields)


def _contents(groups: dict[str, list[ProblemDoc]]) -> Iterator[str]:
    for group, docs in groups.items():
        yield f"- {group}: {', '.join(f'[`{doc.code}`](#{doc.code})' for doc in docs)}"
    yield ""


def _sections(groups: dict[str, list[ProblemDoc]]) -> Iterator[str]:
    for group, docs in groups.items():
        yield f"## {group}\n"
        for doc in docs:
            yield f"### {doc.code}\n"
            yield f"**{doc.title}.** {doc.about}\n"
            yield f"Wrong:\n\n{_fenced(doc.wrong, 'yaml')}"
            yield _fenced(doc.output)
            yield f"Right:\n\n{_fenced(doc.right, 'yaml')}"


def _fenced(text: str, language: str = "") -> str:
    shown = "".join(each if each.isprintable() or each == "\n" else "�" for each in text)
    return f"```{language}\n{shown.strip()}\n```\n"
