"""The OpenAPI description and the collector, held against each other by schemathesis: what one says, the other does.

Requests that fit the description and requests that do not, with a write key and without one, in this process.
Checks that are left out, and why:

- `negative_data_rejection` and `positive_data_acceptance`: Segment's API answers 200 where an event breaks the rules,
  and discards it; and whether an event may stand under an address is no matter of its shape alone.
- `ignored_auth`: the description cannot say "a header or a member of the body" other than as an optional header.
- `use_after_free`, `ensure_resource_availability`, `object_level_authorization`: nothing can be read back.
"""

from __future__ import annotations

import schemathesis
from hypothesis import settings
from schemathesis import Case, checks
from schemathesis.config import SchemathesisConfig
from schemathesis.openapi import from_asgi

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


def described(inside: Inside, *, coverage: bool) -> schemathesis.BaseSchema:
    """Return the description as that collector serves it; `coverage` is for schemathesis's own list of odd cases."""
    phases = {"coverage": {"enabled": coverage}, "fuzzing": {"enabled": True}}
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": {"mode": "all"}, "phases": phases})
    return from_asgi("/openapi.json", inside.collector, config=config)


class Full(MemoryOutbox):
    def take_in(self, *args: object, **kwargs: object):
        raise OutboxError("There is no room left.")


SHORT = r"^/v1/(.|import)$"
"""Other names of the same calls: they are asked less, for the sake of time."""
HEALTHY = described(Inside(), coverage=True).exclude(path_regex=SHORT)
HEALTHY_TOO = described(Inside(), coverage=False).include(path_regex=SHORT)
CLOSED = described(Inside(), coverage=False).exclude(path_regex=SHORT)
FULL = described(Inside(outbox=Full()), coverage=False).include(path=["/v1/track", "/v1/batch", "/readyz"])
LATE = Inside()
LATE.collector.behind = lambda: True
BEHIND = described(LATE, coverage=False).include(path=["/v1/track", "/v1/batch", "/readyz"])


@HEALTHY.parametrize()
@settings(max_examples=10)
def test_with_a_write_key(case: Case) -> None:
    case.call_and_validate(checks=CHECKS, headers=KEY)


@HEALTHY_TOO.parametrize()
@settings(max_examples=5)
def test_other_names_of_the_same_calls(case: Case) -> None:
    case.call_and_validate(checks=CHECKS, headers=KEY)


@CLOSED.parametrize()
@settings(max_examples=5)
def test_without_a_write_key(case: Case) -> None:
    case.call_and_validate(checks=CHECKS)


@FULL.parametrize()
@settings(max_examples=5)
def test_when_nothing_can_be_kept(case: Case) -> None:
    case.call_and_validate(checks=DESCRIBED, headers=KEY)


@BEHIND.parametrize()
@settings(max_examples=5)
def test_when_too_much_waits(case: Case) -> None:
    case.call_and_validate(checks=DESCRIBED, headers=KEY)
