"""Where texts name persons, and where they only look like it."""

from __future__ import annotations

import pytest

from engine.delivery.outbox.mentions import Mentions, first_email
from engine.events.persons import PersonIds, whose


def ids(*names: str) -> PersonIds:
    emails = frozenset(name.lower() for name in names if "@" in name)
    return PersonIds(frozenset(names) - emails, frozenset(), emails)


@pytest.mark.parametrize(
    ("name", "text", "masked"),
    [
        ("user-77", "no user user-77.", "no user (deleted)."),
        ("user-77", "user-778, xuser-77 and user-77x", "user-778, xuser-77 and user-77x"),
        ("user-77", "https://v/users/user-77?x=1", "https://v/users/(deleted)?x=1"),
        ("ann@x.org", "to Ann@X.org failed", "to (deleted) failed"),
        ("ann@x.org", "email=ann%40x.org&b=joann@x.org", "email=(deleted)&b=joann@x.org"),
        ("a|b 1234", '{"id":"a|b 1234"}', '{"id":"(deleted)"}'),
        ("a|b 1234", "?id=a%7Cb+1234", "?id=(deleted)"),
        ('q"1234', r'{"id":"q\"1234"}', '{"id":"(deleted)"}'),
        ("jürgen-1", r'{"id":"j\xfcrgen-1","b":"jürgen-1"}', '{"id":"(deleted)","b":"(deleted)"}'),
        # Whoever names himself like a word does not rewrite what is kept of others.
        ("request", '1 request accepted, "request" is unknown', '1 request accepted, "(deleted)" is unknown'),
        ("1 request accepted", "1 request accepted", "1 request accepted"),
        ("42", 'the vendor answered 422 after 42 ms: {"id":"42"}', 'the vendor answered 422 after 42 ms: {"id":"(deleted)"}'),
        ("1234567890", '{"id":1234567890}', '{"id":(deleted)}'),
        ("x" * 2000, "x" * 2000, "x" * 2000),
        ("(.*)+$", 'a "(.*)+$" b', 'a "(deleted)" b'),
        ("", "", ""),
    ],
)  # fmt: skip
def test_what_counts_as_naming_a_person(name: str, text: str, masked: str) -> None:
    assert Mentions(ids(name)).masked(text) == masked


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        (b'{"a":"ann@x.org","b":["ANN@x.org"]}', b'{"a":"(deleted)","b":["(deleted)"]}'),
        (b'{"a":"to ann@x.org","b":"joann@x.org"}', b'{"a":"to ann@x.org","b":"joann@x.org"}'),
        (rb'{"a":"\u0061nn@x.org","b":"x\"ann@x.org"}', rb'{"a":"(deleted)","b":"x\"ann@x.org"}'),
        (b'{"ann@x.org":1}', b'{"(deleted)":1}'),
        (b"no json ann@x.org", b"no json ann@x.org"),
    ],
)
def test_values_of_another_users_event(raw: bytes, masked: bytes) -> None:
    assert Mentions(ids("ann@x.org")).mask_values(raw) == masked
    assert bool(first_email(raw, {"ann@x.org"})) is (raw != masked)


@pytest.mark.parametrize(
    ("event", "owner"),
    [
        ({"userId": "u"}, "u"),
        ({"userId": 7}, "7"),
        ({"userId": 7.0}, "7"),
        ({"userId": "u2", "anonymousId": "d"}, None),
        ({"anonymousId": "d"}, "d"),
        ({"userId": "", "anonymousId": "d"}, "d"),
        ({"userId": "u2", "previousId": "d"}, "d"),
        ({"userId": "U"}, None),
        ({"groupId": "u"}, None),
        ({"userId": ["u"]}, None),
        ([], None),
        (None, None),
    ],
)
def test_whose_event_it_is(event: object, owner: str | None) -> None:
    assert whose(event, {"u", "7"}, {"d"}) == owner  # type: ignore[arg-type]
