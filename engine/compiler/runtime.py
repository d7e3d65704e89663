"""What generated code calls: helpers for values, URLs and headers.

A value that is not possible is reported and absent, or makes the event `Invalid`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NoReturn, TypeAlias, cast
from urllib.parse import quote, urlencode
from uuid import UUID, uuid5

from engine.compiler.one_pass import Allowed
from engine.language import budget
from engine.language.bodies import revealed
from engine.language.functions import CannotConvert, Noted, Nothing
from engine.language.objects import only, rename, reversed_table, without
from engine.language.paths import Marker, PathTypeError
from engine.language.texts import compact_json, is_inexact, kind_of, shown, text_of
from engine.language.times import read_time
from engine.mapping.settings import authority_fault
from engine.records import Json, JsonObject, Report, Secret

Reports: TypeAlias = list[Report]
Address: TypeAlias = "tuple[str, str, dict[str, str], dict[str, str | list[str]]]"

Invalid = budget.Invalid
OverLimit = budget.OverLimit
invalid = budget.invalid

UNSET = object()
MOST_REPORTS = budget.MOST_REPORTS
EMPTY: JsonObject = {}
MOST_ITERATIONS = 100_000
"""Items that all `each`, `entries` and `for_each` of one event, or of one batch, run over together."""
MOST_STEPS = 1_000_000
"""Steps of one event: entries that paths go through, what functions in loops get and give, the steps of schemas."""


def too_many_iterations(count: int, place: str) -> NoReturn:
    """Make an event invalid whose loops run too often, as one inside another can for a short event."""
    raise OverLimit(place, f"loops reach {count:,} items; at most {MOST_ITERATIONS:,} are allowed for one event")


def too_many_steps(count: int, place: str) -> NoReturn:
    """Make an event invalid for which paths, functions and schemas have too much to do."""
    raise OverLimit(place, f"this takes {count:,} steps or more; at most {MOST_STEPS:,} are allowed for one event")


def over_limit(place: str, message: str) -> NoReturn:
    """Make an event invalid that asks for too much altogether."""
    raise OverLimit(place, message)


def in_item(error: Invalid, items: str, number: int) -> NoReturn:
    """Say which item of a loop made an event invalid."""
    if type(error) is OverLimit:
        raise error
    raise Invalid(error.place, f"{items}[{number}]: {error.message}")


def cannot_convert(reports: Reports, place: str, value: Json, error: CannotConvert) -> None:
    """Report that an `as` chain stopped; the value is left out."""
    if type(error) is not Nothing:
        reports.append(Report("not-converted", place, f"{shown(value)} was left out: {error}"))


def noted(reports: Reports, place: str, value: object) -> Json:
    """Return a function's result; report the notes around it."""
    while type(value) is Noted:
        reports.append(Report(value.code, place, value.message))
        value = value.value
    return value  # type: ignore[return-value]


def unnoted(value: object) -> Json:
    """Return a function's result without the notes around it, which quote a secret."""
    while type(value) is Noted:
        value = value.value
    return value  # type: ignore[return-value]


def path_failed(reports: Reports, place: str, error: PathTypeError) -> None:
    """Report a JMESPath type error; the value is absent, a condition is not met."""
    reports.append(Report("path-type-error", place, str(error)))


def overwritten(reports: Reports, place: str, lost: list[str]) -> None:
    """Report keys that were set twice; the later value is kept. No plan has more reports than MOST_REPORTS."""
    found = lost[: max(0, MOST_REPORTS - len(reports))]
    reports.extend(Report("key-overwritten", place, f'two values for "{key}": the later one is kept') for key in found)
    lost.clear()


def not_an_object(reports: Reports, place: str, value: Json) -> Json:
    """Leave out a value that an object word cannot change; a saved marker passes."""
    if type(value) is Marker:
        return value
    reports.append(Report("not-an-object", place, f"left out: this must be an object, not {kind_of(value)}"))
    return None


def merged(target: JsonObject, member: Json, place: str) -> None:
    """Lay `member` over `target`; anything but an object makes the event invalid."""
    if type(member) is not dict:
        if type(member) is Marker:
            return
        invalid(place, f"merge needs objects; this member is {kind_of(member)}")
    target.update(member)


def merged_list(value: Json, place: str) -> JsonObject:
    """`merge` of one value: a list of objects, of any length, or a single one; null in it is skipped."""
    result: JsonObject = {}
    if type(value) is dict or type(value) is Marker or value is None:
        merged(result, value or {}, place)
    elif type(value) is not list:
        invalid(place, f"merge needs a list of objects; this is {kind_of(value)}")
    else:
        for number, member in enumerate(value):
            if type(member) is dict:
                result.update(member)
            elif member is not None:
                invalid(place, f"merge needs objects; item {number} is {kind_of(member)}")
    return result


def whole(items: list[Json], reports: Reports, place: str) -> list[Json] | None:
    """Return a written list whose total is asked for; one that lacks a member is reported and left out."""
    if None not in items:
        return items
    reports.append(Report("not-converted", place, f"a list was left out: item {items.index(None)} is missing"))
    return None


def items_of(value: Json, reports: Reports, place: str) -> list[Json] | None:
    """Return the list a loop runs over: an object is a list of one, or of its members if its keys are numbers.

    The latter is reported, as a scalar is.
    """
    if type(value) is list or value is None:
        return value
    if type(value) is dict:
        if not value or not all(map(_is_numbered, value.items())):
            return [value]
        message = f"an object with numbers as keys was read as a list of {len(value):,}"
        reports.append(Report("object-as-list", place, message))
        return list(value.values())
    reports.append(Report("not-a-list", place, f"left out: this must be a list, not {kind_of(value)}"))
    return None


def _is_numbered(entry: tuple[str, Json]) -> bool:
    """Whether an entry is an object under a whole number, as PHP writes the items of a list that has gaps."""
    key, member = entry
    return type(member) is dict and key.isascii() and key.isdecimal() and (key[0] != "0" or key == "0")


def entries_of(value: Json, lists: bool, reports: Reports, place: str) -> JsonObject | list[Json] | None:
    """Return the object whose entries a loop runs over; with `lists`, because new keys are made, a list will do."""
    if type(value) is dict or value is None or (lists and type(value) is list):
        return value
    needed = "an object or a list" if lists else "an object"
    advice = ": entries of a list need `key`" if type(value) is list else ""
    message = f"left out: entries needs {needed}, not {kind_of(value)}{advice}"
    reports.append(Report("not-an-object", place, message))
    return None


def text_in(value: Json, reports: Reports, place: str) -> str | None:
    """Return the text of a value that goes into a text; objects and lists have none and are reported."""
    if value is None or isinstance(value, str):
        return value
    text = text_of(value)
    if text is None:
        reports.append(Report("not-text", place, f"left out: {kind_of(value)} has no text"))
    elif type(value) is float:
        inexact(value, reports, place)
    return text


def group_text(value: Json, place: str, tried: str) -> str:
    """Return the text of a batch's group; a request that has none cannot be put into a batch."""
    text = text_of(value)
    if text is None and value is None:
        invalid(place, f"group_by has no value{f'; tried {tried}' if tried else ''}")
    if text is None:
        invalid(place, f"group_by must be text, a number or a boolean, not {kind_of(value)}")
    return text


def inexact(value: float, reports: Reports, place: str) -> None:
    """Report a number that becomes text although it may have lost digits when the event was read."""
    if is_inexact(value):
        text = f"{text_of(value)} is beyond 2^53, where numbers lose their last digits; send it as text to keep them"
        reports.append(Report("inexact-number", place, text))


def query_text(value: Json, reports: Reports, place: str) -> str | list[str] | None:
    """Return what a query parameter holds: a text, or a list of texts for a repeated key."""
    if type(value) is list:
        texts = [text_in(item, reports, place) for item in value]
        return [text for text in texts if text is not None] or None
    return text_in(value, reports, place)


def joined(*pieces: str) -> str:
    """Join pieces of which some are secret; the result is secret too, masked piece by piece."""
    if Secret not in map(type, pieces):
        return "".join(pieces)
    real = "".join(piece.reveal() if isinstance(piece, Secret) else piece for piece in pieces)
    return Secret(real, "".join(piece.masked if isinstance(piece, Secret) else piece for piece in pieces))


def secret(value: Json) -> Json:
    """Make the texts in the result of a function over a secret secret too; other scalars have no type that masks."""
    if type(value) is str:
        return Secret(value)
    if type(value) is list:
        return [secret(member) for member in value]
    return {key: secret(member) for key, member in value.items()} if type(value) is dict else value


def only_by(value: JsonObject, names: Json, reports: Reports, place: str) -> JsonObject | None:
    """`only` with names from a path."""
    listed = _listed(names, reports, place)
    return None if listed is None else only(value, frozenset(listed))


def except_by(value: JsonObject, names: Json, reports: Reports, place: str) -> JsonObject | None:
    """`except` with names from a path."""
    listed = _listed(names, reports, place)
    return None if listed is None else without(value, frozenset(listed))


def _listed(names: Json, reports: Reports, place: str) -> list[str] | None:
    if type(names) is list and all(isinstance(name, str) for name in names):
        return cast("list[str]", names)
    reports.append(
        Report("not-a-list", place, f"left out: the names to keep or drop are {kind_of(names)}, not a list of texts")
    )
    return None


def rename_by(value: JsonObject, table: Json, lost: list[str], reports: Reports, place: str) -> JsonObject | None:
    """`rename` with a table from a path."""
    if type(table) is not dict:
        reports.append(
            Report("not-an-object", place, f"left out: the table of rename must be an object, not {kind_of(table)}")
        )
        return None
    texts = {old: text_of(new) for old, new in table.items()}
    return rename(value, {old: new for old, new in texts.items() if new is not None}, lost)


class KeysLike:
    """`keys` with a pattern: leaves out the keys in which it is not found, each reported."""

    __slots__ = ("_allowed", "_written")

    def __init__(self, pattern: Any) -> None:
        self._allowed = Allowed(pattern)
        self._written = pattern.pattern

    def __call__(self, value: JsonObject, reports: Reports, place: str) -> JsonObject:
        """Return an object with the keys in which the pattern is found: the same one if that is all of them."""
        if self._allowed.known.issuperset(value):
            return value
        kept = {key: member for key, member in value.items() if self._allowed.admits(key)}
        if len(kept) == len(value):
            return value
        _report_dropped(value, kept, self._written, reports, place)
        return kept


def _report_dropped(value: JsonObject, kept: JsonObject, pattern: str, reports: Reports, place: str) -> None:
    dropped = (key for key in value if key not in kept)
    for key in islice(dropped, max(0, MOST_REPORTS - len(reports))):
        message = f"{shown(key)} was left out: it does not match the pattern {pattern}"
        reports.append(Report("key-dropped", place, message))


def mapped(value: Json, table: Mapping[str, Json], keep: bool, fold: bool, reports: Reports, place: str) -> Json:
    """`map`: look up the value's text in `table` (keys are lower-cased already if `fold`)."""
    text = text_of(value)
    if text is None:
        reports.append(Report("not-text", place, f"left out: {kind_of(value)} cannot be looked up: map needs a text"))
        return value if keep else None
    if fold:
        text = text.lower()
    return table.get(text, value if keep else None)


def mapped_back(value: Json, table: Json, keep: bool, fold: bool, reports: Reports, place: str) -> Json:
    """`map` with `reverse` and a table from a path: the key whose entry is the value, or a list that has it."""
    return mapped_by(value, reversed_table(table) if type(table) is dict else table, keep, fold, reports, place)


def mapped_by(value: Json, table: Json, keep: bool, fold: bool, reports: Reports, place: str) -> Json:
    """`map` with a table from a path."""
    if table is None:
        return value if keep else None
    if type(table) is not dict:
        reports.append(
            Report("not-an-object", place, f"left out: the table of map must be an object, not {kind_of(table)}")
        )
        return None
    entries = {key.lower(): member for key, member in table.items()} if fold else table
    return mapped(value, entries, keep, fold, reports, place)


def within(value: Json, past: float | None, future: float | None, now: float, place: str) -> None:
    """`within`: the value, read as a time, must be between `now - past` and `now + future` (seconds)."""
    seconds = read_time(value)
    if seconds is None:
        invalid(place, f"{shown(value)} is not a time")
    if past is not None and seconds < now - past:
        invalid(place, f"{shown(value)} is further in the past than allowed")
    if future is not None and seconds > now + future:
        invalid(place, f"{shown(value)} is further in the future than allowed")


def form_body(body: Json, reports: Reports, place: str) -> Json:
    """Leave out what a form cannot contain: nulls, objects, and lists of objects or lists."""
    if type(body) is not dict:
        if type(body) is Marker:
            return body
        invalid(place, f"only an object can be sent as a form; this is {kind_of(body)}")
    result: JsonObject = {}
    for key, member in body.items():
        items = member if type(member) is list else [member]
        if any(type(item) in (dict, list) for item in items):
            reports.append(
                Report("not-text", place, f'"{key}" was left out: a form cannot contain objects; use as: json')
            )
        elif type(member) is list:
            result[key] = [item for item in member if item is not None]
        elif member is not None:
            result[key] = member
    return result


def settle(
    make: Callable[[Reports], tuple[Any, ...]],
    count: int,
    plain: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None,
) -> tuple[Any, ...]:
    """Compute, once per connection, the `count` values that `make` returns and that need only settings.

    `plain` makes ordinary text of secrets in them, where requests are only shown.

    What follows them is None, or what is to be repeated for each event: the reports, and why there are no values.
    """
    reports: Reports = []
    try:
        values = make(reports)
    except Invalid as error:
        return (*[None] * count, (reports, error))
    return (*(values if plain is None else plain(values)), (reports, None) if reports else None)


def not_settled(problem: tuple[Reports, Invalid | None], reports: Reports) -> None:
    """Report for this event what settings gave rise to; make it invalid because of them."""
    noted, error = problem
    reports.extend(noted)
    if error is not None:
        raise Invalid(error.place, error.message)


def check_value(
    validate: Callable[[Json, int], tuple[str | None, int]], value: Json, memo: list[int], place: str
) -> None:
    """`must`: a value that does not meet the schema makes the event invalid."""
    problem, steps = validate(value, MOST_STEPS - memo[1])
    memo[1] += steps
    if memo[1] > MOST_STEPS:
        too_many_steps(memo[1], place)
    if problem is not None:
        invalid(place, problem)


LONGEST_URL = 65_536
"""Characters of a URL that the HTTP client takes."""

LONGEST_ENCODED = 3
"""Characters that one of ASCII may take in a URL."""

LONE_SURROGATE_IN_URL = "the URL would contain a lone surrogate (half a character)"

DOTS = frozenset({".", ".."})
BAD_SEGMENTS = frozenset({"", *DOTS})
to_encode = re.compile(r"[^A-Za-z0-9_.~-]").search  # a third of the time of `quote`
REQUEST_IDS = UUID("d1b0fafc-3b7a-48a2-8f0d-4c7752a6f7da")
"""The namespace of request ids (RFC 9562, section 5.5). Changing it changes the ids of all events."""


def url_text(value: Json, reports: Reports, place: str) -> str | None:
    """Return a value's text percent-encoded for a URL, `/` included; a saved marker stays readable."""
    if type(value) is Marker:
        return value
    text = text_in(value, reports, place)
    if text is None:
        return None
    if isinstance(text, Secret):
        return Secret(_quoted(text.reveal(), place), text.masked)
    return _quoted(text, place)


def url_segment(value: Json, reports: Reports, place: str) -> str:
    """Return a value as one whole segment of a URL's path, encoded and checked; most ids need neither."""
    if type(value) is str and value not in BAD_SEGMENTS and to_encode(value) is None:
        return value
    return segment(url_text(value, reports, place), place)


def _quoted(text: str, place: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        return invalid(place, LONE_SURROGATE_IN_URL)


def needed(text: str | None, place: str) -> str:
    """Return a text that a URL requires."""
    if text is None:
        invalid(place, "the URL needs a value that is missing")
    return text


def segment(text: str | None, place: str) -> str:
    """Return one filled segment of a URL's path; one that changes the endpoint makes the event invalid."""
    text = needed(text, place)
    if text in BAD_SEGMENTS:
        invalid(place, f'a segment of the URL would be "{text}", which leads to another address')
    return text


def join_url(base: str, tail: str) -> str:
    """Join base URL and path with exactly one slash."""
    base = address(base)
    if not tail:
        return base
    return joined(base, tail) if tail.startswith("/") else joined(base, "/", tail)


def method(text: str | None, place: str) -> str:
    """Return an HTTP method that comes from a value: letters only, or it could change the request line.

    It is written in capitals, as the client sends it.
    """
    text = needed(text, place)
    if not (text.isascii() and text.isalpha()) or text.upper() == "CONNECT":  # which asks for a tunnel
        invalid(place, f"{shown(text)} is not an HTTP method")
    return text.upper() if type(text) is str else text  # the capitals of a `Secret` would be no secret


def header(text: str, place: str) -> str:
    """Return a header's text; what HTTP does not carry makes the event invalid."""
    fault = header_fault(text.reveal() if isinstance(text, Secret) else text)
    if fault is not None:
        invalid(place, fault)
    return text


def header_fault(text: str) -> str | None:
    """Return why HTTP does not carry a text as the value of a header (RFC 9110, section 5.5), or None."""
    if not (text.isascii() and text.isprintable()):
        return "a header cannot contain control characters or characters outside ASCII"
    return "a header cannot begin or end with a space" if text[:1] == " " or text[-1:] == " " else None


def sendable_url(url: str, place: str) -> str:
    """Return a whole URL, unless HTTP clients refuse it or change where it leads."""
    if type(url) is str and len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and "/." not in url:
        return url
    real = revealed(url)
    if len(real) > LONGEST_URL:
        invalid(place, f"the URL has {len(real):,} characters; at most {LONGEST_URL:,} are possible")
    if not (real.isascii() and real.isprintable()):
        _check_characters(real, place)
    if "/." in real:
        for part in DOTS.intersection(real.partition("?")[0].split("/")):
            segment(part, place)
    return url


def _check_characters(url: str, place: str) -> None:
    if any(character < " " or character == "\x7f" for character in url):
        invalid(place, "the URL would contain a control character")
    if not _is_encodable(url):
        invalid(place, LONE_SURROGATE_IN_URL)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def sendable_query(query: dict[str, str | list[str]], url: str, place: str) -> dict[str, str | list[str]]:
    """Return a query, unless it cannot be part of a URL."""
    pairs = [
        (name, revealed(text))
        for name, found in query.items()
        for text in (found if isinstance(found, list) else [found])
    ]
    length = len(url) + sum(len(name) + len(text) + 2 for name, text in pairs)
    if length * LONGEST_ENCODED > LONGEST_URL or not all(name.isascii() and text.isascii() for name, text in pairs):
        try:
            length = len(url) + 1 + len(urlencode(pairs))
        except UnicodeEncodeError:
            invalid(place, LONE_SURROGATE_IN_URL)
        if length > LONGEST_URL:
            invalid(place, f"the URL has {length:,} characters with its query; at most {LONGEST_URL:,} are possible")
    return query


def basic_auth(user: str | None, password: str | None) -> str | None:
    """Return the Authorization header of HTTP Basic (RFC 7617)."""
    if user is None or password is None:
        return None
    from base64 import b64encode

    pair = ":".join(map(revealed, (user, password)))
    return Secret("Basic " + b64encode(pair.encode(errors="surrogatepass")).decode(), "Basic ***")


def after_host(url: str) -> str:
    """Return what follows scheme and host, so that a request through a proxy or another host keeps its id."""
    return "".join(url.split("/", 3)[3:])


def identified(
    headers: dict[str, str], name: str, message_id: Json, request: list[Json], reports: Reports
) -> dict[str, str]:
    """Add the id of `request`, made from everything that distinguishes it; an event without a messageId has none.

    The headers may be shared by all events of a connection, so they are copied.
    """
    text = text_in(message_id, reports, "http.request_id")
    if text is None or not text.strip():
        return headers
    try:
        return {**headers, name: str(uuid5(REQUEST_IDS, compact_json([text, *request])))}
    except ValueError:  # what JSON cannot express is not sent either
        return headers


class LiteralText(str):
    """A piece of a URL that is written in the mapping: it is not encoded."""

    __slots__ = ()


def url_path(value: Json, reports: Reports, place: str) -> str:
    """Return the path an instruction made: text of the mapping as it is, any other value encoded whole."""
    if type(value) is LiteralText:
        return value
    return segment(url_text(value, reports, place), place)


def address(text: str) -> str:
    """Return a setting of type url as the beginning of a base URL, without its last slash."""
    if isinstance(text, Secret):
        return Secret(text.reveal().rstrip("/"), text.masked.rstrip("/"))
    return text.rstrip("/")


def sendable(url: str, place: str) -> str:
    """Return a base URL that settings made, if it is an address."""
    if fault := authority_fault(url):
        invalid(place, fault)
    return url
