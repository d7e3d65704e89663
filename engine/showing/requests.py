"""The HTTP requests of a dry run as they are shown: titled, masked, their query in the URL.  Nothing here decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from engine.language.paths import Marker
from engine.language.texts import text_of
from engine.records import Json, JsonObject, Secret

if TYPE_CHECKING:
    from engine.delivery.sending.outgoing import DryRun
    from engine.showing.masking import Masking


def outgoing_json(run: DryRun, masking: Masking) -> Iterator[JsonObject]:
    """Yield the HTTP requests, masked, each with a title: `add_event`, or `2 x add_event in commands` for a batch."""
    first = 0
    for sent in run.outgoing:
        names = Counter(each.request for each in run.plan.requests[first : first + sent.carries])
        title = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in names.items())
        title = title if sent.batch is None else f"{title} in {sent.batch}"
        shown = masking.address(sent.request).shown
        yield {**shown, "request": masking.shown(title), "body": masking.body(sent.request.body)}
        first += sent.carries


def url_text(request: JsonObject) -> str:
    """Write the whole URL of a request, its query encoded but for masked secrets and markers of saved values."""
    query = cast("JsonObject", request["query"])
    return f"{plain_text(request['url'])}?{pairs_text(query)}" if query else plain_text(request["url"])


def pairs_text(pairs: JsonObject) -> str:
    """Write names and values as a query or a form holds them; a list repeats its name."""
    return "&".join(
        f"{quote(name, safe='')}={_encoded(each)}"
        for name, value in pairs.items()
        for each in (value if isinstance(value, list) else [value])
    )


def _encoded(value: Json) -> str:
    return str(value) if isinstance(value, Marker) else quote(plain_text(value), safe="*")


def plain_text(value: Json) -> str:
    """Write a header, or a piece of an address, as it is sent; a masked secret is no `Secret` any more."""
    return value.reveal() if isinstance(value, Secret) else text_of(value) or ""
