"""What flags and answers say: a kind of credentials, and requests as one line each."""

from __future__ import annotations

from engine.errors import UsageError
from engine.language.header_names import OF_HTTP, is_header_name
from engine.language.suggest import closest
from engine.records import Json
from engine.scaffolding import addresses, credentials
from engine.scaffolding.credentials import Scrubber
from engine.scaffolding.known import plain
from engine.scaffolding.outline import CALLS, MOST_FIELDS, NewRequest, Outline, VendorField, clean, snake
from engine.scaffolding.schemas import SAMPLES

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
KINDS = ("bearer", "header", "basic", "query", "oauth2", "none")
FORM = 'Write it as "NAME METHOD PATH CALLS [FIELDS]", such as "add_event POST /events track,page user_id,email".'
FIELDS = {
    "identify": ("user_id", "email", "traits"),
    "group": ("group_id", "user_id", "traits"),
    "alias": ("user_id", "previous_id"),
    "delete": ("user_id",),
}
OF_EVENTS = ("user_id", "event", "timestamp", "properties")
"""The fields of a request of which nothing is known, by call; these where the call has properties."""


def add_credentials(outline: Outline, text: str) -> None:
    """Add credentials of a kind, `header:X-Api-Key`; raises UsageError for another kind."""
    kind, _, name = text.strip().partition(":")
    kind = kind.lower()
    if kind not in KINDS:
        guess = closest(kind, KINDS)
        advice = f"Did you mean {guess}?" if guess else f"Available: {', '.join(KINDS)}."
        raise UsageError(f"There are no credentials of the kind {clean(kind, 40)}. {advice}")
    if kind == "bearer":
        credentials.bearer(outline)
    elif kind == "header":
        name = name.strip() or "X-Api-Key"
        if not is_header_name(name) or name.lower() in OF_HTTP:
            raise UsageError(f"{clean(name, 40)} cannot be the header of a credential, as X-Api-Key can.")
        credentials.in_header(outline, name)
    elif kind == "basic":
        credentials.basic(outline)
    elif kind == "query":
        credentials.in_query(outline, clean(name.strip() or "api_key", 60))
    elif kind == "oauth2":
        _oauth2(outline, name.strip())


def _oauth2(outline: Outline, url: str) -> None:
    if not url:
        outline.notes.append("The address of tokens is a guess; correct http.oauth2.token_url.")
        credentials.oauth2(outline, f"{outline.base_url}/oauth/token")
        return
    origin, user, path, query = addresses.split(url)
    if user or query:
        raise UsageError("The token URL has credentials or a query; write it without.")
    credentials.oauth2(
        outline, addresses.base_text(outline, origin) + addresses.path_template(outline, path, Scrubber())
    )


def add_request(outline: Outline, text: str) -> None:
    """Add a request of one line: name, method, path, calls, and the fields of its body."""
    name, method, path, calls, fields = _words(text)
    if method not in METHODS:
        raise UsageError(f"{clean(method, 20)} is not a method of HTTP. {FORM}")
    request = NewRequest(snake(name, "send"), method=method, calls=_calls(calls))
    request.path = addresses.path_template(
        outline, path if path.startswith("/") or not path else f"/{path}", Scrubber()
    )
    names = [word for word in fields.split(",") if word][:MOST_FIELDS]
    if not names and method not in ("GET", "DELETE", "HEAD"):
        names = list(dict.fromkeys(word for call in request.calls for word in FIELDS.get(call, OF_EVENTS)))
    if names:
        request.fields = tuple(_field(each) for each in dict.fromkeys(names))
    outline.add_request(request)


def _words(text: str) -> tuple[str, str, str, str, str]:
    words = text.split(maxsplit=4)
    if len(words) < 4:
        raise UsageError(f'The request "{clean(text, 60)}" is not complete. {FORM}')
    name, method, path, calls, *fields = words
    return name, method.upper(), path, calls, fields[0].replace(" ", "") if fields else ""


def _calls(text: str) -> tuple[str, ...]:
    calls = tuple(dict.fromkeys(word for word in text.split(",") if word))
    for word in calls:
        if word not in CALLS:
            guess = closest(word, CALLS)
            raise UsageError(f"There is no call {clean(word, 40)}. " + (f"Did you mean {guess}?" if guess else FORM))
    return calls


def _field(name: str) -> VendorField:
    key = clean(name, 100)
    kind = "object" if key in ("traits", "properties", "attributes", "data") else "any"
    sample: Json = {"plan": "pro"} if kind == "object" else SAMPLES.get(plain(key))
    sample = sample or f"{snake(key, 'value').replace('_', '-')}-1"
    return VendorField(key, kind, sample)
