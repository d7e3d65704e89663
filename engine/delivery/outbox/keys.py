"""The keys by which events are found: their type, their name, and whom they are about, each as a 64-bit number.

Numbers of one size keep the index small: an entry takes a third of a text's.  Two texts with the same number would only
show an event too many, and are less likely than a fault of the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from engine.events.ids import id_of_number
from engine.records import Json, JsonObject

IDS = ("userId", "anonymousId", "previousId", "groupId")
NAMED = ("event", "name")
LONGEST = 1000
"""Characters of a text that count."""

REMEMBERED = 2048
"""Texts whose numbers are remembered."""

TYPE, NAME, PERSON = "type", "event", "user"


def key(kind: str, text: str) -> int:
    """Return the number of a text of one kind: `TYPE`, `NAME` or `PERSON`."""
    return _number(kind, text[:LONGEST])


@lru_cache(REMEMBERED)  # types, names and active users come again and again
def _number(kind: str, text: str) -> int:
    value = f"{kind}\0{text}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "big", signed=True)


def person_key(text: str) -> int:
    """Return the key of a person or group, whatever the case: that of emails and of many ids means nothing."""
    return key(PERSON, text.lower())


def keys_of(event: Json) -> tuple[int, ...]:
    """Return the keys of an event, none for a value that is no object."""
    if type(event) is not dict:
        return ()
    found = {person_key(each) for each in people_of(event)}
    call, name = event.get("type"), name_of(event)
    if type(call) is str:
        found.add(key(TYPE, call))
    if name:
        found.add(key(NAME, name))
    return tuple(sorted(found))


def name_of(event: JsonObject) -> str:
    """Return the name of a track call, or of a page or screen; '' if it has none."""
    for each in NAMED:
        name = event.get(each)
        if type(name) is str and name:
            return name
    return ""


def people_of(event: JsonObject) -> Iterator[str]:
    """Yield what an event calls its person or group: its ids, and the email of its traits."""
    for each in IDS:
        value = event.get(each)
        text = value if type(value) is str else id_of_number(value)
        if text:
            yield text
    context = event.get("context")
    for traits in (event.get("traits"), context.get("traits") if type(context) is dict else None):
        email = traits.get("email") if type(traits) is dict else None
        if type(email) is str and email:
            yield email
