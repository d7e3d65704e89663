"""Every example of every shipped mapping: it gives what it promises, and its whole requests are pinned.

Adding a case is adding an example to a mapping; `pytest --snapshot-update` writes its file.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from engine.mapping import bundled
from engine.mapping.example import MappingExample
from engine.mapping.load import Library
from engine.plan import Destination, destination
from engine.records import Plan, masked
from engine.testing import examples

NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))


@lru_cache
def shipped(name: str) -> Destination:
    return destination(Library([]).load(name))


CASES = [
    pytest.param(name, example, id=f"{name}-{re.sub('[^a-z0-9]+', '-', example.title.lower()).strip('-')}")
    for name in NAMES
    for example in shipped(name).mapping.examples
]


def written(name: str, plan: Plan) -> dict[str, Any]:
    secrets = shipped(name).connect(shipped(name).example_settings(), {}).secrets
    return {
        "outcome": plan.outcome.value,
        "reason": plan.reason,
        "reports": [report._asdict() for report in plan.reports],
        "requests": [
            {
                "request": request.request,
                "method": request.method,
                "url": masked(request.url, secrets),
                "headers": masked(dict(request.headers), secrets),
                "query": masked(dict(request.query), secrets),
                "body": masked(request.body, secrets),
            }
            for request in plan.requests
        ],
    }


@pytest.mark.parametrize(("name", "example"), CASES)
def test_snapshot(name: str, example: MappingExample, snapshot: SnapshotAssertion) -> None:
    plan = examples.run(examples.connector(shipped(name))(example), example)
    assert written(name, plan) == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("name", NAMES)
def test_no_problems(name: str) -> None:
    assert [str(problem) for problem in examples.validate(Library([]).load(name))] == []


@pytest.mark.parametrize("name", NAMES)
def test_titles_are_unique(name: str) -> None:
    titles = [example.title for example in shipped(name).mapping.examples]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", NAMES)
def test_a_shared_connection_changes_no_plan(name: str) -> None:
    destination = shipped(name)
    connect = examples.connector(destination)
    for example in destination.mapping.examples:
        alone = examples.run(examples.connector(destination)(example), example)
        assert examples.run(connect(example), example) == alone
