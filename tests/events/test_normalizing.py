"""The rules for an event, one by one: what comes in, what mappings see, and the exact reports and reasons."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import sys
from collections import OrderedDict

import orjson
import pytest

from engine.events import normalizing
from engine.events.ids import SPACES
from engine.events.normalizing import Normalized, normalize, normalize_parsed
from engine.events.spec import COMMON, FIELDS
from engine.language.times import read_time
from engine.records import Report, Secret
from tests.events.cases import ABSENT, BASE, INVALID, NO_ID, TIME, UNCHANGED, call, event
from tests.tables import each


def normalize_json(raw: bytes, **given: str) -> Normalized:
    """Normalize bytes, whose number is all that sets the result apart from that of a value."""
    found = normalizing.normalize_json(raw, **given)
    return found._replace(size=math.inf)


def test_the_size_of_an_event_is_known_where_its_bytes_are() -> None:
    raw = orjson.dumps({"type": "track", "userId": "u", "event": "E", "timestamp": "2024-01-02T03:04:05Z"})
    assert normalizing.normalize_json(raw).size == len(raw)
    assert normalize(orjson.loads(raw)).size == math.inf
    traits = b'{"type": "identify", "userId": "u", "context": {"traits": {"a": 1}}}'
    assert normalizing.normalize_json(traits).size == 2 * len(traits)  # the traits are there twice


def test_every_space_is_known() -> None:
    assert set(SPACES) == {character for character in map(chr, range(sys.maxunicode + 1)) if character.isspace()}


@each("given", UNCHANGED)
def test_what_is_right_stays_as_it_is(given):
    expected = Normalized(given, given["type"], (), None)

    assert normalize(given) == expected
    assert normalize(given).event is given
    assert normalize_json(orjson.dumps(given)) == expected


NOT_AN_OBJECT = "not-an-object"
UNREADABLE = "timestamp-unreadable"
IMPLAUSIBLE = "timestamp-implausible"
OLDER = {"email": "old@example.com", "first_name": "Ann", "plan": "free", "phone": None}
NO_TIME = ("no-timestamp", "timestamp", "no timestamp, and no receivedAt to use instead")
GO_TIME = "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29"

MENDED = [
    # given, fields that change, reports
    # objects
    (event(properties=[]), {"properties": {}}, []),
    (event(properties=None), {"properties": {}}, []),
    (call("group", groupId="g1", traits=[]), {"traits": {}}, []),
    (event(context=[], integrations=[]), {"context": {}, "integrations": {}}, []),
    (event(context=None, integrations=None), {"context": {}, "integrations": {}}, []),
    (
        event(context=[1]),
        {"context": {}},
        [(NOT_AN_OBJECT, "context", "context must be an object; it is a list and was treated as empty")],
    ),
    (
        event(context="web", integrations=False),
        {"context": {}, "integrations": {}},
        [
            (NOT_AN_OBJECT, "context", "context must be an object; it is text and was treated as empty"),
            (NOT_AN_OBJECT, "integrations", "integrations must be an object; it is a boolean and was treated as empty"),
        ],
    ),
    # ids
    (
        event(userId=123),
        {"userId": "123"},
        [("id-converted", "userId", "userId is the number 123; it was converted to text")],
    ),
    (
        call("group", groupId=-7),
        {"groupId": "-7"},
        [("id-converted", "groupId", "groupId is the number -7; it was converted to text")],
    ),
    (
        call("alias", previousId=18446744073709551615),
        {"previousId": "18446744073709551615"},
        [("id-converted", "previousId", "previousId is the number 18446744073709551615; it was converted to text")],
    ),
    # a number that a data frame wrote as a float
    (
        event(userId=12345.0),
        {"userId": "12345"},
        [("id-converted", "userId", "userId is the number 12345.0; it was converted to text")],
    ),
    (
        call("group", groupId=float(2**53 - 1)),
        {"groupId": "9007199254740991"},
        [("id-converted", "groupId", "groupId is the number 9007199254740991.0; it was converted to text")],
    ),
    (
        call("group", groupId=float(2**53)),
        {"groupId": ABSENT},
        [
            (
                "id-dropped",
                "groupId",
                (
                    "groupId must be text or an integer; it is 9007199254740992.0, which has no exact digits,"
                    " and was left out"
                ),
            )
        ],
    ),
    # the text of nothing
    (
        event(userId="[object Object]", anonymousId="a1"),
        {"userId": ABSENT},
        [("id-dropped", "userId", 'userId is "[object Object]", the text of a missing value, and was left out')],
    ),
    (event(anonymousId=""), {"anonymousId": ABSENT}, []),
    (event(userId=" \t\u2003", anonymousId="a1"), {"userId": ABSENT}, []),
    (call("alias", previousId=" "), {"previousId": ABSENT}, []),
    (
        event(anonymousId=True),
        {"anonymousId": ABSENT},
        [
            (
                "id-dropped",
                "anonymousId",
                "anonymousId must be text or an integer; it is a boolean and was left out",
            )
        ],
    ),
    (
        event(userId=1.5, anonymousId="a1"),
        {"userId": ABSENT},
        [
            (
                "id-dropped",
                "userId",
                "userId must be text or an integer; it is 1.5, which has no exact digits, and was left out",
            )
        ],
    ),
    (
        call("group", groupId=["g1"]),
        {"groupId": ABSENT},
        [("id-dropped", "groupId", "groupId must be text or an integer; it is a list and was left out")],
    ),
    (
        call("delete", userId={}),
        {"userId": ABSENT},
        [("id-dropped", "userId", "userId must be text or an integer; it is an object and was left out")],
    ),
    # page and screen
    (
        call("page", name=404, properties={}),
        {"name": ABSENT},
        [("name-not-text", "name", "name must be text; it is a number and was left out")],
    ),
    (
        call("screen", name="Home", category=["App"]),
        {"category": ABSENT},
        [("category-not-text", "category", "category must be text; it is a list and was left out")],
    ),
    # identify
    (call("identify", context={"traits": {"plan": "pro"}}), {"traits": {"plan": "pro"}}, []),
    (call("identify", traits=None, context={"traits": {"plan": "pro"}}), {"traits": {"plan": "pro"}}, []),
    (call("identify", traits=[], context={"traits": {"plan": "pro"}}), {"traits": {"plan": "pro"}}, []),
    (call("identify", traits={}, context={"traits": {"plan": "pro"}}), {"traits": {"plan": "pro"}}, []),
    (call("identify", traits=None, context=[]), {"traits": {}, "context": {}}, []),
    (call("identify", traits=[], context={"traits": "odd"}), {"traits": {}}, []),
    # timestamp, as given
    (
        event(timestamp=1714564829),
        {"timestamp": "2024-05-01T12:00:29.000Z"},
        [
            (
                "timestamp-converted",
                "timestamp",
                "timestamp is not ISO 8601: 1714564829 was read as 2024-05-01T12:00:29.000Z",
            )
        ],
    ),
    (
        event(timestamp=1714564829319),
        {"timestamp": TIME},
        [("timestamp-converted", "timestamp", f"timestamp is not ISO 8601: 1714564829319 was read as {TIME}")],
    ),
    (
        event(timestamp=GO_TIME),
        {"timestamp": "2020-05-09T23:54:49.209Z"},
        [
            (
                "timestamp-converted",
                "timestamp",
                f'timestamp is not ISO 8601: "{GO_TIME}" was read as 2020-05-09T23:54:49.209Z',
            )
        ],
    ),
    # timestamp, worked out
    (
        event(
            timestamp=ABSENT, receivedAt=TIME, sentAt="2024-05-01T11:00:03Z", originalTimestamp="2024-05-01T11:00:00Z"
        ),
        {"timestamp": "2024-05-01T12:00:26.319Z"},
        [],
    ),
    (
        event(timestamp=None, receivedAt=TIME, sentAt=TIME, originalTimestamp=GO_TIME),
        {"timestamp": "2020-05-09T23:54:49.209Z"},
        [],
    ),
    (event(timestamp=ABSENT, receivedAt="2024-05-01"), {"timestamp": "2024-05-01"}, []),
    (
        event(timestamp=ABSENT, receivedAt=0),
        {},
        [(IMPLAUSIBLE, "receivedAt", "receivedAt 0 is before 1971 and was not used"), NO_TIME],
    ),
    (event(timestamp=ABSENT, receivedAt=TIME, sentAt="2024-05-01T11:00:03Z"), {"timestamp": TIME}, []),
    (
        event(timestamp=ABSENT, receivedAt=TIME, originalTimestamp="2024-05-01T11:00:00+02:00"),
        {"timestamp": "2024-05-01T11:00:00+02:00"},
        [],
    ),
    (event(timestamp=ABSENT, originalTimestamp=GO_TIME), {"timestamp": "2020-05-09T23:54:49.209Z"}, []),
    (
        event(timestamp=ABSENT, receivedAt=TIME, sentAt="0001-01-01", originalTimestamp="9999-12-31"),
        {"timestamp": TIME},
        [
            (
                IMPLAUSIBLE,
                "timestamp",
                (
                    f'the time of originalTimestamp "9999-12-31" is more than 48 hours after it was received, {TIME};'
                    f" {TIME} was used instead"
                ),
            )
        ],
    ),
    # timestamp, implausible
    (
        event(timestamp="2558-05-01T12:00:00+0700", receivedAt=TIME),
        {"timestamp": TIME},
        [
            (
                IMPLAUSIBLE,
                "timestamp",
                (
                    'timestamp "2558-05-01T12:00:00+0700" is more than 48 hours after it was received,'
                    f" {TIME}; {TIME} was used instead"
                ),
            )
        ],
    ),
    *(
        (
            event(timestamp=zero, receivedAt=TIME),
            {"timestamp": TIME},
            [(IMPLAUSIBLE, "timestamp", f"timestamp {shown} is before 1971; {TIME} was used instead")],
        )
        for zero, shown in [
            ("1970-01-01T00:00:00.000Z", '"1970-01-01T00:00:00.000Z"'),
            ("0001-01-01T00:00:00Z", '"0001-01-01T00:00:00Z"'),
            ("0027-06-27T08:23:48+0300", '"0027-06-27T08:23:48+0300"'),
            ("1970-12-31T23:59:59.999Z", '"1970-12-31T23:59:59.999Z"'),
            (0, "0"),
            (-1.5, "-1.5"),
        ]
    ),
    (event(timestamp="1971-01-01T00:00:00.000Z", receivedAt=TIME), {}, []),
    (event(timestamp="2024-05-03T12:00:29.319Z", receivedAt=TIME), {}, []),  # 48 hours, to the millisecond
    (
        event(timestamp="2024-05-03T12:00:29.320Z", receivedAt=TIME),
        {"timestamp": TIME},
        [
            (
                IMPLAUSIBLE,
                "timestamp",
                (
                    'timestamp "2024-05-03T12:00:29.320Z" is more than 48 hours after it was received,'
                    f" {TIME}; {TIME} was used instead"
                ),
            )
        ],
    ),
    (
        event(timestamp="1970-01-01T00:00:00.000Z", originalTimestamp=TIME),
        {"timestamp": TIME},
        [
            (
                IMPLAUSIBLE,
                "timestamp",
                f'timestamp "1970-01-01T00:00:00.000Z" is before 1971; {TIME} was used instead',
            )
        ],
    ),
    (
        event(timestamp="0001-01-01T00:00:00Z"),
        {"timestamp": ABSENT},
        [
            (
                IMPLAUSIBLE,
                "timestamp",
                'timestamp "0001-01-01T00:00:00Z" is before 1971; it was left out, as there is no receivedAt',
            )
        ],
    ),
    # what a trait that is null hides
    (
        call(
            "identify", traits={"email": None, "firstName": None, "plan": "pro"}, context={"traits": OLDER, "ip": "i"}
        ),
        {"context": {"traits": {"plan": "free", "phone": None}, "ip": "i"}},
        [
            ("trait-hidden", "context.traits.email", "context.traits.email was left out: traits.email is null"),
            (
                "trait-hidden",
                "context.traits.first_name",
                "context.traits.first_name was left out: traits.firstName is null",
            ),
        ],
    ),
    (
        call("identify", traits={"first_name": None}, context={"traits": {"firstName": "Ann"}}),
        {"context": {"traits": {}}},
        [
            (
                "trait-hidden",
                "context.traits.firstName",
                "context.traits.firstName was left out: traits.first_name is null",
            )
        ],
    ),
    (
        call(
            "identify",
            traits={"address": {"city": None, "postal_code": None, "geo": {}}, "company": {"name": None}, "tags": {}},
            context={
                "traits": {
                    "address": {"city": "Brno", "street": "Main", "postalCode": "602 00", "geo": {"lat": 1}},
                    "company": "Initech",
                    "tags": None,
                }
            },
        ),
        {"context": {"traits": {"address": {"street": "Main", "geo": {"lat": 1}}, "company": "Initech", "tags": None}}},
        [
            (
                "trait-hidden",
                "context.traits.address.city",
                "context.traits.address.city was left out: traits.address.city is null",
            ),
            (
                "trait-hidden",
                "context.traits.address.postalCode",
                "context.traits.address.postalCode was left out: traits.address.postal_code is null",
            ),
        ],
    ),
    (
        call("identify", traits={"address": {"city": "Oslo"}}, context={"traits": {"address": {"city": "Brno"}}}),
        {},
        [],
    ),
    (call("identify", traits={"日本": None}, context={"traits": {"größe": "XL", "語": 1}}), {}, []),
    (call("group", groupId="g1", traits={"name": None}, context={"traits": {"name": "Ann"}}), {}, []),
    # the category of a page
    (call("page", name="Home", properties={"category": "Shop"}), {"category": "Shop"}, []),
    (call("screen", category=None, properties={"category": "Shop"}), {"category": "Shop"}, []),
    (call("page", category="App", properties={"category": "Shop"}), {}, []),
    (call("page", properties={"category": 7}), {}, []),
    # timestamp, unreadable
    (
        event(timestamp="yesterday", receivedAt=TIME, originalTimestamp="2024-05-01T11:00:00Z"),
        {"timestamp": TIME},
        [(UNREADABLE, "timestamp", 'timestamp cannot be read as a time: "yesterday"')],
    ),
    (
        event(timestamp={"$date": 1}, receivedAt="1714564829"),
        {"timestamp": "2024-05-01T12:00:29.000Z"},
        [(UNREADABLE, "timestamp", "timestamp cannot be read as a time: an object")],
    ),
    (
        event(timestamp="", receivedAt=True, sentAt="?", originalTimestamp=TIME),
        {"timestamp": TIME},
        [
            (UNREADABLE, "timestamp", 'timestamp cannot be read as a time: ""'),
            (UNREADABLE, "receivedAt", "receivedAt cannot be read as a time: a boolean"),
        ],
    ),
    (
        event(timestamp=ABSENT, receivedAt=TIME, sentAt="?", originalTimestamp="2024-05-01"),
        {"timestamp": "2024-05-01"},
        [(UNREADABLE, "sentAt", 'sentAt cannot be read as a time: "?"')],
    ),
    (
        event(timestamp="2024-W18-3T12:00:00.000Z"),
        {"timestamp": ABSENT},
        [(UNREADABLE, "timestamp", 'timestamp cannot be read as a time: "2024-W18-3T12:00:00.000Z"'), NO_TIME],
    ),
    (
        event(timestamp="2024-02-30T12:00:00.000Z"),
        {"timestamp": ABSENT},
        [(UNREADABLE, "timestamp", 'timestamp cannot be read as a time: "2024-02-30T12:00:00.000Z"'), NO_TIME],
    ),
    (event(timestamp=ABSENT), {}, [NO_TIME]),
    (event(timestamp=None), {}, [NO_TIME]),
]


@each("given, changes, reports", MENDED)
def test_what_can_be_repaired_is_and_is_reported(given, changes, reports):
    before = orjson.dumps(given)
    expected = {name: value for name, value in (given | changes).items() if value is not ABSENT}

    repaired = normalize(given)

    assert repaired == Normalized(expected, given["type"], tuple(Report(*report) for report in reports), None)
    assert orjson.dumps(given) == before
    assert normalize_json(before) == repaired


@each("given, reason", INVALID)
def test_what_is_no_event_says_why(given, reason):
    assert normalize(given).invalid == reason
    assert normalize_json(orjson.dumps(given)) == normalize(given)


def test_an_invalid_event_still_says_what_was_dropped():
    given = event(userId=["u1"], timestamp=ABSENT)

    assert normalize(given) == Normalized(
        {"type": "track", "event": "Registered"},
        "track",
        (
            Report("id-dropped", "userId", "userId must be text or an integer; it is a list and was left out"),
            Report(*NO_TIME),
        ),
        NO_ID,
    )


class Colour(enum.IntEnum):
    RED = 1


NO_JSON = [
    (OrderedDict(BASE), "an event must be a JSON object; this is a Python OrderedDict"),
    ((), "an event must be a JSON object; this is a Python tuple"),
    (object(), "an event must be a JSON object; this is a Python object"),
    (event(properties={"price": math.nan}), "properties.price is nan, which JSON cannot represent"),
    (event(properties={"prices": [1, -math.inf]}), "properties.prices[1] is -inf, which JSON cannot represent"),
    (event(properties={"n": 2**64}), "properties.n is an integer that does not fit in 64 bits"),
    (event(properties={"n": -(2**63) - 1}), "properties.n is an integer that does not fit in 64 bits"),
    (
        event(properties={"the price": decimal.Decimal(1)}),
        'properties["the price"] is not JSON; it is a Python Decimal',
    ),
    (event(context={"at": dt.date(2024, 5, 1)}), "context.at is not JSON; it is a Python date"),
    (event(context={"size": (1, 2)}), "context.size is not JSON; it is a Python tuple"),
    (event(context={"colour": Colour.RED}), "context.colour is not JSON; it is a Python Colour"),
    (event(context={"key": Secret("hush")}), "context.key is not JSON; it is a Python Secret"),
    (event(context={"app": OrderedDict()}), "context.app is not JSON; it is a Python OrderedDict"),
    (event(traits={"name": "\ud800"}), "traits.name contains a lone surrogate"),
    (event(traits={"\ud83d": 1}), r'a key of traits contains a lone surrogate: "\ud83d"'),
    (event(traits=[{1: "one"}]), "a key of traits[0] is not text; it is a number"),
    (event(traits={"a": {None: 1}}), "a key of traits.a is not text; it is null"),
    ({**BASE, Colour.RED: 1}, "a key of the event is not text; it is a Python Colour"),
    (event(**{"a" * 200: math.nan}), f"{'a' * 80}... is nan, which JSON cannot represent"),
]


@pytest.mark.parametrize(("given", "reason"), NO_JSON, ids=range(len(NO_JSON)))
def test_a_python_value_that_is_not_json_is_invalid_and_says_where(given, reason):
    assert normalize(given) == Normalized({}, None, (), reason)


class Meta(type):
    """Whatever a class can be asked about itself, this one does not answer."""

    def _refuse(cls, *_):
        raise RuntimeError

    __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = _refuse
    __name__ = property(_refuse)


class Hostile(metaclass=Meta):
    """The same for its objects."""

    def __getattribute__(self, name):
        raise RuntimeError

    __eq__ = __hash__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = __getattribute__


class Key(str):
    """A key that equals `type` for a dict and then refuses to be compared."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        raise RuntimeError


def test_values_that_raise_when_asked_are_not_asked():
    assert normalize(Hostile()).invalid == "an event must be a JSON object; this is a Python Hostile"
    assert normalize(event(userId=Hostile())).invalid == "userId is not JSON; it is a Python Hostile"
    assert normalize({Key("type"): 1}).invalid == "a key of the event is not text; it is a Python Key"


def deep(levels):
    value = {}
    for _ in range(levels - 2):
        value = {"a": value}
    return event(properties=value)


TOO_DEEP = f"properties{'.a' * 35}... is nested deeper than 100 levels"


def test_a_hundred_levels_are_the_limit():
    assert normalize(deep(100)).invalid is None
    assert normalize(deep(101)).invalid == TOO_DEEP
    assert normalize_json(orjson.dumps(deep(100))).invalid is None
    assert normalize_json(orjson.dumps(deep(101))) == Normalized({}, None, (), TOO_DEEP)
    assert normalize_json(b'{"type":"track","userId":"u","event":"e","context":' + b'{"a":' * 200 + b"1" + b"}" * 201)[
        :4
    ] == (
        {},
        None,
        (),
        f"context{'.a' * 36}... is nested deeper than 100 levels",
    )


def test_brackets_in_texts_do_not_count_as_depth():
    given = event(properties={"text": "[{" * 500})

    assert normalize_json(orjson.dumps(given)) == Normalized(given, "track", (), None)


def test_many_lists_are_not_deep():
    given = event(properties={"products": [{"sizes": [{}]}] * 100})

    assert normalize_json(orjson.dumps(given)) == normalize(given) == Normalized(given, "track", (), None)


def test_sixty_thousand_levels_are_refused_calmly():
    assert normalize(deep(60_000)).invalid == TOO_DEEP
    assert normalize_json(b"[" * 60_000 + b"]" * 60_000).invalid == (
        "not valid JSON: depth limit exceeded: line 1 column 1026 (char 1025)"
    )


def test_an_object_that_contains_itself_is_too_deep():
    given = event(properties={})
    given["properties"]["a"] = given["properties"]

    assert normalize(given).invalid == TOO_DEEP


def test_a_list_that_holds_itself_a_million_times_does_not_fill_the_memory():
    loop = []
    loop += [loop] * 1_000_000

    assert normalize(event(properties={"x": loop})).invalid == (
        f"properties.x{'[0]' * 22}[0... is nested deeper than 100 levels"
    )


def test_the_same_list_twice_at_every_level_ends():
    value = []
    for _ in range(60):
        value = [value, value]

    assert normalize(event(properties={"x": value})).invalid == (
        "an event may contain at most 100,000 objects and lists; this one contains more"
    )


def test_very_many_objects_are_refused_in_both_ways_in():
    given = event(properties={"x": [[] for _ in range(100_001)]})

    reason = "an event may contain at most 100,000 objects and lists; this one contains more"
    assert normalize(given) == normalize_json(orjson.dumps(given)) == Normalized({}, None, (), reason)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON: Input is a zero-length, empty document: line 1 column 1 (char 0)"),
        (b'{"type": "track",\n "userId": tru}', "not valid JSON: invalid literal, expected 'true': line 2 column 12 (char 29)"),
        (b'{"n": nan}', "not valid JSON: invalid literal, expected 'null': line 1 column 7 (char 6)"),
        (b'{"n": NaN', "not valid JSON: unexpected character, expected a JSON value: line 1 column 7 (char 6)"),
        (b'{"n": "\\ud800}', "not valid JSON: no low surrogate in string: line 1 column 8 (char 7)"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_json_say_where(raw, reason):
    assert normalize_json(raw) == Normalized({}, None, (), reason)


def test_a_whole_number_beyond_64_bits_is_no_id():
    """Orjson reads it as a float, so its digits are lost."""
    raw = b'{"type":"track","userId":123456789012345678901234567890,"anonymousId":"a","event":"e","timestamp":"2024-05-01"}'

    assert normalize_json(raw).event["anonymousId"] == "a"
    assert [report.code for report in normalize_json(raw).reports] == ["id-dropped"]


@pytest.mark.parametrize("text", ["null", "undefined", "None", "NaN", "nil", "[object Object]", "(null)", " NULL\n"])
def test_the_text_of_nothing_is_nobody(text):
    found = normalize(event(userId=text))
    message = f"userId is {json.dumps(text)}, the text of a missing value, and was left out"

    assert (found.invalid, found.reports) == (NO_ID, (Report("id-dropped", "userId", message),))
    assert normalize(event(userId=f"{text} Smith")).invalid is None


def test_the_clock_judges_only_what_says_no_time_of_receipt():
    ahead = event(timestamp="2024-05-03T12:00:30Z")
    clock = read_time(TIME)

    assert normalize(ahead).reports == ()
    assert normalize(ahead, received_at="2024-05-03T12:00:30Z", now=clock).reports == ()
    assert normalize(ahead | {"receivedAt": "soon"}, received_at="2024-05-02", now=0).reports == ()
    assert normalize(ahead | {"receivedAt": 0}, received_at="2024-05-02", now=0).reports == ()
    assert normalize(ahead, now=clock + 0.681).reports == ()
    assert normalize(ahead, now=clock)[:3] == (
        {name: value for name, value in ahead.items() if name != "timestamp"},
        "track",
        (
            Report(
                IMPLAUSIBLE,
                "timestamp",
                'timestamp "2024-05-03T12:00:30Z" is more than 48 hours after the time now, 2024-05-01T12:00:29.319Z;'
                " it was left out, as there is no receivedAt",
            ),
        ),
    )


RECEIVED = "2024-05-01T13:00:00.000Z"


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (event(), {"receivedAt": RECEIVED}),
        (event(receivedAt=None), {"receivedAt": RECEIVED}),
        (event(receivedAt=TIME), {}),
        (event(timestamp=ABSENT), {"receivedAt": RECEIVED, "timestamp": RECEIVED}),
        (
            event(timestamp=ABSENT, sentAt=TIME, originalTimestamp="2024-05-01T12:00:00.319Z"),
            {"receivedAt": RECEIVED, "timestamp": "2024-05-01T12:59:31.000Z"},
        ),
        (event(timestamp=ABSENT, receivedAt=TIME), {"timestamp": TIME}),
    ],
)
def test_received_at_is_used_where_the_event_has_none(given, changes):
    expected = Normalized(given | changes, "track", (), None)

    assert normalize(given, received_at=RECEIVED) == expected
    assert normalize_json(orjson.dumps(given), received_at=RECEIVED) == expected
    assert normalize_parsed(given, orjson.dumps(given), received_at=RECEIVED)[:4] == expected[:4]


def test_an_unreadable_timestamp_gives_way_to_received_at():
    assert normalize(event(timestamp="soon"), received_at=RECEIVED) == Normalized(
        event(timestamp=RECEIVED, receivedAt=RECEIVED),
        "track",
        (Report(UNREADABLE, "timestamp", 'timestamp cannot be read as a time: "soon"'),),
        None,
    )


def test_only_the_top_level_is_copied():
    given = event(userId=1, properties={"products": [{}]})

    assert normalize(given).event is not given
    assert normalize(given).event["properties"] is given["properties"]


def test_the_fields_of_the_calls():
    own = {name: fields[len(COMMON) :] for name, fields in FIELDS.items()}

    assert all(fields[: len(COMMON)] == COMMON for fields in FIELDS.values())
    assert own == {
        "identify": ("traits",),
        "track": ("event", "properties"),
        "page": ("name", "category", "properties"),
        "screen": ("name", "category", "properties"),
        "group": ("groupId", "traits"),
        "alias": ("previousId",),
        "delete": (),
    }
