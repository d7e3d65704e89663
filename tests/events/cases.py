"""Events of every kind, valid and invalid, for the tests of the rules and of the schema."""

from __future__ import annotations

from types import SimpleNamespace

TIME = "2024-05-01T12:00:29.319Z"
BASE = {"type": "track", "userId": "u1", "event": "Registered", "timestamp": TIME}
ABSENT = SimpleNamespace()


def event(**changes):
    """Return the plain track call with fields changed, or taken out by ABSENT."""
    return {name: value for name, value in (BASE | changes).items() if value is not ABSENT}


def call(kind, **changes):
    return event(type=kind, event=ABSENT, **changes)


UNCHANGED = [
    event(),
    event(properties={"plan": "Pro"}, context={"ip": "203.0.113.9"}, integrations={"All": True}),
    event(userId=None, anonymousId="a1"),
    event(anonymousId=None),  # the Python library writes it out
    event(timestamp="2024-05-01T12:00:29Z"),
    event(timestamp="2024-05-01"),
    event(timestamp="2024-05-01 12:00:29,5+0200"),
    event(timestamp="2024-05-01T12:00:29.319208+00:00"),
    event(timestamp="2024-05-01t24:00z"),
    event(timestamp="2016-12-31T23:59:60.000Z"),
    event(unknown={"kept": [None]}, traits="not a field of track", name=7, groupId=7),
    call("page", name="Home", category=None, properties={}),
    call("screen", name="Home", category="App"),
    call("identify", traits={"email": "ada@example.com"}, context={"traits": {"plan": "free"}}),
    call("identify", traits={}, context={"traits": {}}),
    call("group", groupId="g1", traits={"name": "Initech"}),
    call("group"),  # what a group without groupId means is the mapping's choice
    call("alias", previousId="a1"),
    call("alias", userId=ABSENT),
    call("delete", context={}),
    call("delete", userId=ABSENT, anonymousId=None),
]

CALLS = "identify, track, page, screen, group, alias, delete"
NO_ID = "neither userId nor anonymousId (no_user_anon_id)"
NO_EVENT_NAME = "event of a track call must be non-blank text (event_not_string)"

INVALID = [
    ([], "an event must be a JSON object; this is a list"),
    ("track", "an event must be a JSON object; this is text"),
    (7, "an event must be a JSON object; this is a number"),
    (7.5, "an event must be a JSON object; this is a number"),
    (True, "an event must be a JSON object; this is a boolean"),
    (None, "an event must be a JSON object; this is null"),
    ({}, f"no type; it must be one of {CALLS}"),
    (event(type=None), f"no type; it must be one of {CALLS}"),
    (event(type=["track"]), f"type must be one of {CALLS}; it is a list"),
    (event(type={}), f"type must be one of {CALLS}; it is an object"),
    (event(type="trak"), 'unknown type "trak"; did you mean "track"?'),
    (event(type="Identify"), 'unknown type "Identify"; did you mean "identify"?'),
    (event(type=""), f'unknown type ""; it must be one of {CALLS}'),
    (event(type="import" * 20), f'unknown type "{("import" * 20)[:60]}..."; it must be one of {CALLS}'),
    (event(userId=ABSENT), NO_ID),
    (event(userId=None, anonymousId=None), NO_ID),
    (event(userId=" "), NO_ID),
    (call("page", userId=ABSENT), NO_ID),
    (call("screen", userId=ABSENT), NO_ID),
    (call("identify", userId=ABSENT), NO_ID),
    (call("group", userId=ABSENT, groupId="g1"), NO_ID),
    (event(event=ABSENT), "no event: a track call must name what happened (event_not_defined)"),
    (event(event=None), "no event: a track call must name what happened (event_not_defined)"),
    (event(event=""), NO_EVENT_NAME),
    (event(event=" \n"), NO_EVENT_NAME),
    (event(event=7), NO_EVENT_NAME),
    (event(properties="big"), "properties must be an object; it is text (properties_not_object)"),
    (event(properties=[{}]), "properties must be an object; it is a list (properties_not_object)"),
    (call("page", properties=0), "properties must be an object; it is a number (properties_not_object)"),
    (call("screen", properties=False), "properties must be an object; it is a boolean (properties_not_object)"),
    (call("identify", traits="x"), "traits must be an object; it is text (traits_not_object)"),
    (call("group", groupId="g1", traits=[1]), "traits must be an object; it is a list (traits_not_object)"),
    (event(userId=ABSENT, event=7, properties=7), NO_ID),  # the first of several
]
