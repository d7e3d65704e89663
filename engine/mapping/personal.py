"""Which fields of Segment's spec are personal data, by kind; the list that counts unless a mapping says otherwise.

From https://segment.com/docs/connections/spec/identify/#traits and
https://segment.com/docs/connections/spec/common/#context.  The traits of a group are those of a company, so its name is
not personal; its email, phone and address may be those of a person, and count.  What people write into free text, and
what a vendor's own name for a field hides (`properties.contact`), no list can know: that is what `personal` is for.
"""

from __future__ import annotations

import json

from engine.events.spec import FIELDS

Names = tuple[str, ...]

KINDS = ("email", "phone", "name", "address", "ip", "ids")
"""The kinds of personal data, as `personal` and `privacy` name them."""
MOST_SHOWN = 60
"""Characters of a word that is none of them."""

_NAMES = ("name", "firstName", "first_name", "lastName", "last_name", "username")
_ADDRESSES = ("address", "street", "city", "region", "state", "postalCode", "postal_code", "zip", "country")
_OF_PERSONS: dict[str, tuple[str, ...]] = {
    "email": ("email",),
    "phone": ("phone",),
    "name": _NAMES,
    "address": _ADDRESSES,
    "ids": ("id",),
}
_OF_EVENTS: dict[str, tuple[str, ...]] = {
    "email": ("properties.email",),
    "phone": ("properties.phone",),
    "name": tuple(f"properties.{name}" for name in _NAMES if name != "name"),
    "address": ("properties.address", "context.location"),
    "ip": ("context.ip",),
    "ids": (
        *("userId", "anonymousId", "previousId"),
        *("context.device.id", "context.device.advertisingId", "context.device.token"),
        *("context.externalId", "context.externalIds"),
    ),
}


def _paths(call: str) -> dict[Names, str]:
    found = {tuple(path.split(".")): kind for kind, paths in _OF_EVENTS.items() for path in paths}
    for kind, names in _OF_PERSONS.items():
        for name in names:
            found["context", "traits", name] = kind
            if call != "group" or kind in ("email", "phone", "address"):
                found["traits", name] = kind
    return {path: kind for path, kind in found.items() if path[0] in FIELDS[call]}


PERSONAL: dict[str, dict[Names, str]] = {call: _paths(call) for call in FIELDS}
"""The personal fields of each call, with their kinds."""


def no_kind(written: str) -> str:
    """Say that there is no such kind of personal data, and which there are."""
    shown = written if len(written) <= MOST_SHOWN else f"{written[: MOST_SHOWN - 1]}…"
    word = json.dumps(shown, ensure_ascii=False)
    return f"There is no kind {word}: `privacy` knows {', '.join(KINDS[:-1])} and {KINDS[-1]}."
