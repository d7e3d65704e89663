"""The OpenAPI description and the collector, held against each other by schemathesis: what one says, the other does.

Requests that fit the description and requests that do not, with a write key and without one, in this process.
Checks that are left out, and why:

- `negative_data_rejection` and `positive_data_acceptance`: Segment's API answers 200 where an event breaks the rules,
  and discards it; and whether an event may stand under an address is no matter of its shape alone.
- `ignored_auth`: the description cannot say "a header or a member of the body" other than as an optional header.
- `use_after_free`, `ensure_resource_availability`, `object_level_authorization`: nothing can be read back.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from schemathesis import Case, checks
from schemathesis.config import SchemathesisConfig
from schemathesis.openapi import from_asgi, from_dict
from schemathesis.pytest.lazy import get_all_tests

from engine.collector.openapi import CALLS
from engine.delivery.outbox.base import OutboxError
from tests.collector.harness import Inside, basic
from tests.delivery.memory_outbox import MemoryOutbox

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
DESCRIBED = CHECKS[1:5]
KEY = {"authorization": basic("wk:")}


@pytest.fixture(scope="session")
def document() -> dict:
    return from_asgi("/openapi.json", Inside().collector).raw_schema


def ask(document: dict, inside: Inside, path: str, examples: int, asked: Callable, *, coverage: bool = False) -> None:
    """Hold one path of a description against a collector; `coverage` is for schemathesis's own list of odd cases.

    Its `parametrize` would make every case of every path when tests are collected, which each worker does.
    """
    phases = {"coverage": {"enabled": coverage}, "fuzzing": {"enabled": True}}
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": {"mode": "all"}, "phases": phases})
    schema = from_dict({**document, "paths": {path: document["paths"][path]}}, config=config)
    schema.app = inside.collector
    tests = get_all_tests(schema=schema, test_func=asked, settings=settings(max_examples=examples), given_kwargs={})
    found = [each.ok() for each in tests]
    assert [operation.path for operation, _ in found] == [path] * len(document["paths"][path])
    for _, test in found:
        test()


class Full(MemoryOutbox):
    def take_in(self, *args: object, **kwargs: object):
        raise OutboxError("There is no room left.")


PATHS = [*CALLS, "/healthz", "/readyz", "/openapi.json"]
OTHER_NAMES = [path for path in CALLS if path == "/v1/import" or len(path) == len("/v1/t")]
"""Other names of the same calls: they are asked less, for the sake of time."""
FIRST_NAMES = [path for path in PATHS if path not in OTHER_NAMES]
ALIKE = ["/v1/identify", "/v1/page", "/v1/screen", "/v1/group", "/v1/alias", "/v1/delete"]
"""Calls that are described as /v1/track is, but for their name."""


def test_every_path_is_asked(document: dict) -> None:
    assert set(document["paths"]) == set(PATHS)


def with_a_write_key(case: Case) -> None:
    case.call_and_validate(checks=CHECKS, headers=KEY)


def without_a_write_key(case: Case) -> None:
    case.call_and_validate(checks=CHECKS)


def as_described(case: Case) -> None:
    case.call_and_validate(checks=DESCRIBED, headers=KEY)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path == "/v1/batch" else [])
        for path in FIRST_NAMES
        if path not in ALIKE
    ],
)
def test_with_a_write_key(document: dict, path: str) -> None:
    ask(document, Inside(), path, 10, with_a_write_key, coverage=True)


@pytest.mark.slow
@pytest.mark.parametrize("path", ALIKE)
def test_calls_that_are_described_as_another_is(document: dict, path: str) -> None:
    ask(document, Inside(), path, 10, with_a_write_key, coverage=True)


@pytest.mark.parametrize("path", ["/v1/identify", pytest.param("/v1/batch", marks=pytest.mark.slow), "/v1/import"])
def test_another_call_and_another_name(document: dict, path: str) -> None:
    ask(document, Inside(), path, 5, with_a_write_key)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in [*ALIKE, *OTHER_NAMES] if path not in ("/v1/identify", "/v1/import")]
)
def test_other_calls_and_other_names(document: dict, path: str) -> None:
    ask(document, Inside(), path, 5, with_a_write_key)


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] if path in ALIKE else []) for path in FIRST_NAMES]
)
def test_without_a_write_key(document: dict, path: str) -> None:
    ask(document, Inside(), path, 5, without_a_write_key)


@pytest.mark.parametrize("path", [pytest.param("/v1/track", marks=pytest.mark.slow), "/v1/batch", "/readyz"])
def test_when_nothing_can_be_kept(document: dict, path: str) -> None:
    ask(document, Inside(outbox=Full()), path, 5, as_described)


@pytest.mark.parametrize("path", [pytest.param("/v1/track", marks=pytest.mark.slow), "/v1/batch", "/readyz"])
def test_when_too_much_waits(document: dict, path: str) -> None:
    late = Inside()
    late.collector.behind = lambda: True
    ask(document, late, path, 5, as_described)
