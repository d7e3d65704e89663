"""In which order keys are written: where the order tells a reader nothing, it is always the same.

The order follows the model, with what people write first in front. It is left to the author wherever it can say
something: in instructions (a condition before or after its source), in fields, parts, calls, settings, and in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.mapping.keys import keys_of
from engine.mapping.model import Batch, Http, Request
from engine.mapping.oauth2 import OAuth2
from engine.mapping.signature import RequestSignature
from engine.records import Place

FILE = (
    *("mapping", "name", "extends", "title", "integrations", "about", "docs", "privacy"),
    *("settings", "http", "requests", "check", "batches", "responses", "retry"),
    *("include", "nulls", "empty_text", "parts", "calls", "examples"),
)
"""What the file is, where requests go and what responses mean, then what is sent."""

Order = Mapping[str, int]
"""The ranks of keys; those of the same rank stay as they are."""


def _ranks(words: Iterable[str], same: Iterable[str] = ()) -> Order:
    ranks = {word: number for number, word in enumerate(words)}
    return ranks | dict.fromkeys(same, min((ranks[word] for word in same), default=0))


def _declared(noun: type, *first: str, same: Iterable[str] = ()) -> Order:
    return _ranks((*first, *(key.word for key in keys_of(noun) if key.word not in first)), same)


NOTHING: Order = {}
WHOLE = _ranks(FILE)
SETTING = _ranks(("title", "about", "type"))
HTTP = _declared(Http)
OAUTH2 = _declared(OAuth2)
SIGNATURE = _declared(RequestSignature)
REQUEST = _declared(Request, "about", same=("path", "method"))
BATCH = _declared(Batch, "about", same=("path", "method"))
RESPONSE = _ranks(("status", "when", "unless", "then", "error", "hint"))
STEP = _ranks(("request",))
EXAMPLE = _ranks(("title", "settings", "event", "replies", "expect"))


def order_at(place: Place) -> Order:
    """Return the order of the keys of the mapping at a place; empty where it is the author's."""
    match place:
        case ():
            return WHOLE
        case ("http",):
            return HTTP
        case ("http", "oauth2"):
            return OAUTH2
        case ("http", "signature") | ("requests" | "batches", str(), "signature"):
            return SIGNATURE
        case ("settings", str()):
            return SETTING
        case ("requests", str()):
            return REQUEST
        case ("batches", str()):
            return BATCH
        case ("responses", int()) | ("requests", str(), "responses", int()):
            return RESPONSE
        case ("calls", str(), int()):
            return STEP
        case ("examples", int()):
            return EXAMPLE
    return NOTHING


def ordered(keys: Iterable[str], order: Order) -> list[int]:
    """Return the numbers of keys in the order they are written in; keys without a rank come last, as they were."""
    ranks = [(order.get(key, len(order)), number) for number, key in enumerate(keys)]
    return [number for _, number in sorted(ranks)]
