"""Names and phrases that were replaced by plainer ones and must not come back: one word for one thing.

Only exact identifiers and phrases are listed.  Common words that are right in one place and wrong in another are a
matter for reviewers.
"""

from __future__ import annotations

import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

from tests.package.tree import ROOT, engine_files, files

# What to write instead.
IDENTIFIERS = {
    "Backstage": "Background",
    "Checking": "CheckContext",
    "Complaints": "ReadErrors",
    "Configured": "ConfiguredConnection",
    "Exchange": "ResponseReader",
    "Keeper": "GroupCommit",
    "Ledger": "OutboxThread",
    "MemoryOutbox": "SqliteOutbox",
    "Normalised": "Normalized",
    "Parties": "ConnectionsAndSources",
    "Serving": "ServerConfig",
    "Tally": "RunSummary",
    "Told": "a noun of its own",
    "Valve": "SafetyValve",
    "Watcher": "DeliveryObserver",
    "Words": "Message",
    "keeper": "group_commit",
    "ledger": "outbox_thread",
    "mend": "repair",
    "mended": "repaired",
    "mending": "repairing",
    "normalise": "normalize",
    "path_text": "place_text",
    "standing": "status",
    "tally": "summary",
    "told": "message, text or report",
    "watcher": "observer",
}

PHRASES = {
    r"\bThere are:": "Available:",
    r"\b(is|are|was|were) told\b": "is reported",
    r"\b[Tt]old twice\b": "second signal",
    r"\b[Tt]ake (it|one of the two|the \S+) out\b": "Remove it",
    r"\bnothing to take\b": "name a part, or use `message`",
    r"\bneeds to be told more\b": "requires parameters",
    r"\bfor all to read\b": "contains a credential",
    r"\bNobody reads\b": "Unused",
    r"\bso many\b": "the number itself, or `the first N`",
    r"\bin the words of\b": "in terms of",
    r"\bwhat it says when\b": "messages",
    r'"""Give (?!up )': '"""Return ',
    r"\bcould not be (mended|told)\b": "could not be repaired or reported",
    r"\bnormalis": "normaliz",
}


GONE = re.compile(rf"\b({'|'.join(IDENTIFIERS)})\b")


def identifiers(path: Path) -> list[tuple[str, int]]:
    """Return the names in the code of a module, each with its line; none if no old one is anywhere in its text."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not GONE.search(text):
        return []
    return [
        (token.string, token.start[0])
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NAME
    ]


def test_no_identifier_has_an_old_name() -> None:
    offenders = [
        f"{path}:{line}: {name}; write {IDENTIFIERS[name]}"
        for path in engine_files()
        for name, line in identifiers(path)
        if name in IDENTIFIERS
    ]
    assert not offenders, "\n" + "\n".join(offenders)


def read_by_people(path: Path) -> bool:
    """Whether people read a file as documentation or as messages."""
    top = path.parts[0]
    return (
        (top == "engine" and path.suffix == ".py")
        or (top in ("docs", "mappings", "schemas", "samples") and path.suffix in (".md", ".yaml", ".json"))
        or path.name in ("README.md", "CONTRIBUTING.md")
    )


@cache
def texts_for_people() -> dict[Path, str]:
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in files() if read_by_people(path)}


def sure_part(phrase: str) -> str:
    """Return the longest text that each match of a phrase holds: looking for a text takes a tenth of the time."""
    return max(re.findall(r"[A-Za-z ]+", re.sub(r"\(.*?\)|\[.*?\]|\\.", "\0", phrase)), key=len)


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_text_has_an_old_phrase(phrase: str) -> None:
    pattern, part = re.compile(phrase, re.MULTILINE), sure_part(phrase)
    assert len(part) > 3
    offenders = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts_for_people().items()
        if part in text and pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not offenders, f"\nwrite {PHRASES[phrase]}:\n" + "\n".join(offenders)


def test_every_class_has_a_name_of_its_own() -> None:
    homes: dict[str, set[str]] = {}
    for path in engine_files():
        for name in re.findall(r"^class ([A-Z]\w*)", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE):
            homes.setdefault(name, set()).add(path.as_posix())
    assert {name: sorted(paths) for name, paths in homes.items() if len(paths) > 1} == {}
