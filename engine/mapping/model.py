"""A mapping as typed nouns: what the words of the YAML file hold, word for word.

Made from a file that has passed the JSON Schema, so the shapes are certain; what the *names* in it mean
(paths, parts, settings) is the checker's business.  Every value knows its `place`, the path to it in the
file, from which line and column, messages and reports are made.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.language.template import Text
from engine.records import Json, JsonObject, Place


@dataclass(frozen=True, slots=True)
class PathValue:
    """A text: a JMESPath over the scope."""

    place: Place
    path: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A list: the first alternative that is present."""

    place: Place
    alternatives: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """A mapping: exactly one source, any modifiers."""

    place: Place
    source: Source
    modifiers: Modifiers


Value: TypeAlias = PathValue | Choice | Instruction


@dataclass(frozen=True, slots=True)
class From:
    """`from`: another value, to be modified."""

    value: Value


@dataclass(frozen=True, slots=True)
class Const:
    """`const`: the thing itself."""

    value: Json


@dataclass(frozen=True, slots=True)
class TextOf:
    """`text`: text with `${path}`."""

    text: Text


@dataclass(frozen=True, slots=True)
class Fields:
    """`fields`: an object, key by key."""

    entries: tuple[tuple[Text, Value], ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """`merge`: one object of several; later wins."""

    members: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """`list`: a list of values."""

    members: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """`each`: `value` for every item of a list."""

    of: Value
    value: Value
    where: str | None


@dataclass(frozen=True, slots=True)
class Entries:
    """`entries`: an object made entry by entry."""

    of: Value
    where: str | None
    key: Value | None
    value: Value | None


Source: TypeAlias = From | Const | TextOf | Fields | Merge | ListOf | Each | Entries


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """One function of an `as` chain with what is written beside it."""

    name: str
    written: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """`flatten`: `wanted` is true, false or a path."""

    wanted: bool | str = True
    separator: str = "_"
    lists: str = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifiers:
    """The modifiers of an instruction, in the order in which they are applied."""

    when: str | None = None
    unless: str | None = None
    as_: tuple[FunctionUse, ...] = ()
    map: JsonObject | str | None = None
    unmapped: str = "drop"
    ignore_case: bool = False
    only: tuple[str, ...] | str | None = None
    except_: tuple[str, ...] | str | None = None
    rename: Table[str, str] | str | None = None
    flatten: Flatten | None = None
    keys: str | None = None
    prefix: Text | None = None
    default: tuple[Json] | None = None
    within: Table[str, str] | None = None
    must: JsonObject | None = None
    required: bool = False


TextOrValue: TypeAlias = Text | Instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a person fills in."""

    name: str
    title: str
    type: str
    about: str = ""
    default: Json = None
    optional: bool = False
    secret: bool = False
    sent_in: str | None = None
    choices: tuple[Json, ...] = ()
    pattern: str | None = None
    example: Json = None
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One rule of `responses`; `status` holds codes and classes (`4xx`)."""

    place: Place
    status: tuple[int | str, ...] = ()
    when: str | None = None
    unless: str | None = None
    then: str = "accept"
    error: str | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One kind of HTTP request."""

    name: str
    place: Place
    path: TextOrValue | None
    method: TextOrValue
    query: tuple[tuple[str, TextOrValue], ...] = ()
    headers: tuple[tuple[str, TextOrValue], ...] = ()
    encode: str = "json"
    batch: str | None = None
    item: Value | None = None
    if_missing: str | None = None
    responses: tuple[Response, ...] = ()
    body_schema: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Where a batch's answer says how each item went."""

    list: str
    ok: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How several requests travel in one."""

    name: str
    place: Place
    path: TextOrValue
    method: TextOrValue
    headers: tuple[tuple[str, TextOrValue], ...] = ()
    max_items: int = 100
    max_bytes: int | None = None
    max_wait: str | None = None
    fields: tuple[tuple[Text, Value], ...] = ()
    results: Results | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """What all requests of a mapping share."""

    base_url: TextOrValue
    headers: tuple[tuple[str, TextOrValue], ...] = ()
    timeout: str = "30s"
    rate_limit: str | None = None
    basic: tuple[Value, Value] | None = None
    compress: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a call: a request and the source of its body."""

    place: Place
    request: str
    value: Instruction | None
    when: str | None = None
    unless: str | None = None
    require: tuple[tuple[str, str], ...] = ()
    for_each: Value | None = None
    where: str | None = None
    save: Table[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingExample:
    """An event and what the vendor's documentation says it becomes."""

    place: Place
    title: str
    settings: JsonObject
    event: Json
    replies: tuple[JsonObject, ...]
    expect: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A whole destination. `calls` holds only calls with steps of their own; `shared` those that use another's."""

    name: str
    title: str
    integrations: tuple[str, ...]
    about: str
    docs: str
    nulls: str
    empty_text: str
    settings: Table[str, Setting]
    http: Http
    requests: Table[str, Request]
    batches: Table[str, Batch]
    responses: tuple[Response, ...]
    retry: Table[str, str]
    check: str | None
    parts: Table[str, Value]
    calls: Table[str, tuple[Step, ...]]
    shared: Table[str, str]
    examples: tuple[MappingExample, ...]
