"""What a snapshot keeps of an example, and the names of the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from engine.records import JsonObject, Plan, PlannedRequest, Secrets, masked

FOLDER = "snapshots"
MOST_BYTES = 180
"""Of a file's name; systems allow 255 with the ending."""


def folder_of(mapping: Path) -> Path:
    """Return where the snapshots of a mapping file stand."""
    return mapping.parent / FOLDER / mapping.stem


def is_snapshot(file: Path) -> bool:
    """Whether a file stands where the snapshots of a mapping do, and the mapping is there."""
    mapping, folder = file.parent.name, file.parent.parent
    return folder.name == FOLDER and any((folder.parent / f"{mapping}{end}").is_file() for end in (".yaml", ".yml"))


def pinned(plan: Plan | None, secrets: Secrets) -> JsonObject:
    """Return what a snapshot keeps of a plan; secrets are masked."""
    if plan is None:
        return {}
    return {
        "outcome": plan.outcome.value,
        "reason": masked(plan.reason, secrets),
        "reports": [masked(dict(report._asdict()), secrets) for report in plan.reports],
        "requests": [_request(request, secrets) for request in plan.requests],
    }


def _request(request: PlannedRequest, secrets: Secrets) -> JsonObject:
    return {
        "request": request.request,
        "method": request.method,
        "url": masked(request.url, secrets),
        "headers": masked(dict(cast("JsonObject", request.headers)), secrets),
        "query": masked(dict(cast("JsonObject", request.query)), secrets),
        "body": masked(request.body, secrets),
    }


def slugs(titles: list[str]) -> Iterator[str]:
    """Return a name of a file for each title, in order: `A page call!` is `a-page-call`; no two are the same.

    Letters and digits of every script stay. A title that gives a name again gets a number.
    """
    taken: set[str] = set()
    for title in titles:
        words = "".join(each if each.isalnum() else " " for each in title.lower()).split()
        name = "-".join(words).encode()[:MOST_BYTES].decode(errors="ignore") or "example"
        slug, number = name, 2
        while slug in taken:
            slug, number = f"{name}-{number}", number + 1
        taken.add(slug)
        yield slug
