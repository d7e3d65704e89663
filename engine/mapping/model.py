"""A mapping as typed nouns; every key of the file is declared here, beside the attribute that keeps its value.

Made from a file that has passed the JSON Schema, so the shapes are certain; what the *names* in it mean (paths,
parts, settings) is for the checks to find out.  Every value knows its `place`, the path to it in the file, from
which the line and column of messages and reports are found.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import field
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, get_args

from engine.language.functions import read_chain
from engine.language.objects import reversed_table
from engine.language.template import Text
from engine.mapping.example import MappingExample
from engine.mapping.keys import IN_ENVELOPE, IN_LIST, IN_OBJECT, Holds, Key, declare, keys_of, plain
from engine.mapping.response_rules import Response, Results
from engine.mapping.setting import Setting
from engine.mapping.signature import RequestSignature
from engine.mapping.word_schemas import FLATTEN, KEYS, PERSONAL, WITHIN, defined
from engine.noun import Noun
from engine.records import Json, JsonObject, Place

Found = TypeVar("Found")


class PathValue(Noun, kw_only=False):
    """A text: a JMESPath over the scope."""

    place: Place
    path: str


class Choice(Noun, kw_only=False):
    """A list: the first alternative that is present."""

    place: Place
    alternatives: tuple[Value, ...]


class Instruction(Noun, kw_only=False):
    """A mapping: exactly one source, any modifiers."""

    place: Place
    source: Source
    modifiers: Modifiers


Value: TypeAlias = PathValue | Choice | Instruction
TextOrValue: TypeAlias = Text | Instruction


# The sources of an instruction. The word of a source is that of its first key; `gives` is the type of what it makes.


class From(Noun):
    """`from`: another value, to be modified."""

    value: Value = declare(
        Holds.VALUE,
        "Takes a value: a path, a choice or an instruction. Add modifiers to change it: "
        "`{ from: traits.email, as: lowercase }`.",
        word="from",
    )


class Const(Noun):
    """`const`: the thing itself."""

    value: Json = declare(
        Holds.JSON,
        "The value itself: `{ const: page_visit }`. It is sent as written; `${...}` in it is not filled in.",
        word="const",
    )


class TextOf(Noun):
    """`text`: text with `${path}`."""

    gives: ClassVar[str] = "text"
    text: Text = declare(
        Holds.TEXT,
        'Text with values in it: `{ text: "${traits.firstName} ${traits.lastName}" }`. If one of its paths is missing, '
        "there is no text at all. `$${` writes `${` itself.",
    )


class Fields(Noun):
    """`fields`: an object, key by key."""

    gives: ClassVar[str] = "object"
    entries: tuple[tuple[Text, Value], ...] = declare(
        Holds.VALUE_BY_KEY,
        "An object, key by key: `{ fields: { email: traits.email, name: traits.name } }`. "
        "A key whose value is missing is left out. A key may hold `${path}`.",
        word="fields",
    )


class Merge(Noun):
    """`merge`: one object of several, or of a list of any length; later wins."""

    gives: ClassVar[str] = "object"
    members: tuple[Value, ...] | Value = declare(
        Holds.VALUES_OR_VALUE,
        "One object made of several; where they share a key, the later one wins: "
        "`{ merge: [traits, { fields: { id: userId } }] }`. Missing ones are skipped. Or a value that gives a list of "
        "objects: `{ merge: properties.attributes }`.",
        word="merge",
    )


class ListOf(Noun):
    """`list`: a list of values."""

    gives: ClassVar[str] = "list"
    members: tuple[Value, ...] = declare(
        Holds.VALUES,
        "A list of these values: `{ list: [userId, anonymousId] }`. Missing ones are left out.",
        word="list",
    )


class Each(Noun):
    """`each`: `value` for every item of a list."""

    gives: ClassVar[str] = "list"
    of: Value = declare(
        Holds.VALUE,
        "Makes a list from a list: `value` is evaluated for every item, as `item` (and `index`): "
        "`{ each: properties.products, value: { fields: { sku: item.sku } } }`.",
        word="each",
        opens=IN_LIST,
    )
    where: str | None = declare(
        Holds.PATH, "Keeps only the items or entries for which this path holds: `where: item.price`.", default=None
    )
    value: Value = declare(
        Holds.VALUE, "The value made of every `item` of `each` or `entries`: a path, a choice or an instruction."
    )


class Entries(Noun):
    """`entries`: an object made entry by entry."""

    gives: ClassVar[str] = "object"
    of: Value = declare(
        Holds.VALUE,
        "Makes an object from an object, entry by entry: `key` is the entry's key, `item` its value. "
        "With any of `where`, `key` and `value`. Or from a list, where `key` is needed: "
        "`{ entries: properties.products, key: item.sku, value: item.quantity }`.",
        word="entries",
        opens=IN_OBJECT,
    )
    where: str | None = declare(Holds.PATH, default=None)
    key: Value | None = declare(
        Holds.VALUE,
        'The new key of every entry of `entries`: `key: { text: "trait_${key}" }`. Without it keys stay.',
        default=None,
    )
    value: Value | None = declare(Holds.VALUE, default=None)


Source: TypeAlias = From | Const | TextOf | Fields | Merge | ListOf | Each | Entries
SOURCES: dict[str, type[Any]] = {keys_of(source)[0].word: source for source in get_args(Source)}
"""Every source by its word."""


def source_word(value: Instruction) -> str:
    """Return the word of an instruction's source."""
    return keys_of(type(value.source))[0].word


# The modifiers of an instruction.


class FunctionUse(Noun, kw_only=False):
    """One function of an `as` chain with what is written beside it."""

    name: str
    written: Json

    @staticmethod
    def chain(written: Json) -> tuple[FunctionUse, ...]:
        """Read `as`: a name, a name with its parameters, or a list of those."""
        return tuple(FunctionUse(name, parameters) for name, parameters in read_chain(written))


class Flatten(Noun):
    """`flatten`: `wanted` is true or a path."""

    wanted: Literal[True] | str = True
    separator: str = "_"
    lists: str = "keep"

    @staticmethod
    def of(written: bool | str | dict[str, Any]) -> Flatten | None:
        """Read `flatten`; false is as if it was not there."""
        if isinstance(written, dict):
            options = {word: option for word, option in written.items() if word != "if"}
            separator = "." if written.get("lists") == "brackets" else "_"
            return Flatten(wanted=written.get("if", True), **{"separator": separator, **options})
        return Flatten(wanted=written) if written is not False else None


class KeyPattern(Noun):
    """`keys` with a pattern: keys in which it is not found are left out."""

    pattern: str

    @staticmethod
    def of(written: str | dict[str, Any]) -> str | KeyPattern:
        """Read `keys`: a style, or a pattern and what happens to other keys, which `else` may only `drop`."""
        return KeyPattern(pattern=written["pattern"]) if isinstance(written, dict) else written


def _names(written: list[str] | str) -> tuple[str, ...] | str:
    return written if isinstance(written, str) else tuple(written)


_TABLE: JsonObject = {"type": ["object", "string"], "minProperties": 1, "minLength": 1}
_KEYS: JsonObject = defined("keys")


class Modifiers(Noun):
    """The modifiers of an instruction, in the order in which they are applied."""

    when: str | None = declare(
        Holds.PATH,
        "A path. There is a value only where it holds; null, false, '', [] and {} do not hold: `when: traits.email`.",
        default=None,
        stage="condition",
    )
    unless: str | None = declare(
        Holds.PATH,
        "A path. Where it holds there is no value: `unless: anonymousId`.",
        default=None,
        stage="condition",
    )
    as_: tuple[FunctionUse, ...] = declare(
        Holds.PLAIN,
        "A function, or a list of functions applied from left to right: `as: lowercase`, `as: { round: 2 }`, "
        "`as: [trim, lowercase, sha256]`. A value that cannot be converted is left out and reported.",
        schema=defined("as"),
        convert=FunctionUse.chain,
        default=(),
        stage="change",
    )
    map: JsonObject | str | None = declare(
        Holds.PATH_OR_PLAIN,
        "Replaces known values, by a table (`map: { male: 1, female: 2 }`) or by the path to one "
        "(`map: settings.genders`). Values not in it are left out, unless `unmapped: keep`.",
        schema=_TABLE,
        default=None,
        stage="change",
    )
    unmapped: str = declare(
        Holds.PLAIN,
        "What happens to a value that `map` does not list.",
        schema={
            "enum": ["drop", "keep"],
            "enumDescriptions": ["it is left out (the default)", "it stays as it is"],
            "default": "drop",
        },
        default="drop",
        beside="map",
    )
    ignore_case: bool = declare(
        Holds.PLAIN,
        "true: `map` treats `Male`, `MALE` and `male` as the same.",
        schema={"type": "boolean", "default": False},
        default=False,
        beside="map",
    )
    reverse: bool = declare(
        Holds.PLAIN,
        "true: the table of `map` is read from its entries to its keys, so that many values become one: "
        "`map: { purchase: [Order Completed, paid] }`.",
        schema={"type": "boolean", "default": False},
        default=False,
        beside="map",
    )
    only: tuple[str, ...] | str | None = declare(
        Holds.PATH_OR_PLAIN,
        "Keeps only these keys of an object: `only: [app, device]`, or the path to a list of them: "
        "`only: settings.traits`.",
        schema=_KEYS,
        convert=_names,
        default=None,
        stage="object",
    )
    except_: tuple[str, ...] | str | None = declare(
        Holds.PATH_OR_PLAIN,
        "Drops these keys of an object: `except: [password]`, or the path to a list of them.",
        schema=_KEYS,
        convert=_names,
        default=None,
        stage="object",
    )
    rename: Table[str, str] | str | None = declare(
        Holds.PATH_OR_PLAIN,
        "Renames keys of an object, old key to new key: `rename: { userAgent: user_agent }`, or the path to such a "
        "table.",
        schema={**_TABLE, "additionalProperties": {"$comment": "new key", "type": "string", "minLength": 1}},
        default=None,
        stage="object",
    )
    flatten: Flatten | None = declare(
        Holds.PATH_OR_PLAIN,
        "Joins nested keys, so that `{ app: { name: x } }` becomes `{ app_name: x }`: `true`, `false`, the path to a "
        "setting, or options.",
        schema=FLATTEN,
        convert=Flatten.of,
        default=None,
        stage="object",
    )
    keys: str | KeyPattern | None = declare(
        Holds.PLAIN,
        "Changes how every key of an object is written, or leaves out those a vendor refuses: "
        "`keys: { pattern: '^[ -~]+$', else: drop }`.",
        schema=KEYS,
        convert=KeyPattern.of,
        default=None,
        stage="object",
    )
    prefix: Text | None = declare(
        Holds.TEXT,
        "Text put before every key of an object: `prefix: group_`. May hold `${path}`.",
        default=None,
        stage="object",
    )
    default: tuple[Json] | None = declare(
        Holds.JSON,
        "Used where there is still no value: `default: 0`, `default: {}`. The value itself, not a path.",
        convert=lambda written: (written,),
        default=None,
        stage="default",
    )
    within: Table[str, str] | None = declare(
        Holds.PLAIN,
        "For a time: how far from now it may be, else the event is invalid: `within: { past: 7d, future: 1m }`.",
        schema=WITHIN,
        default=None,
        stage="test",
    )
    must: JsonObject | None = declare(
        Holds.PLAIN,
        "JSON Schema (draft 7) that the value must meet, else the event is invalid: "
        "`must: { type: string, maxLength: 100 }`. `$ref` only to `#/...`; `format` is not checked, use `pattern` "
        "(RE2).",
        schema=defined("json_schema"),
        default=None,
        stage="test",
    )
    required: bool = declare(
        Holds.PLAIN,
        "true: without this value the event is invalid, and the message names the paths that were tried.",
        schema={"type": "boolean", "default": False},
        default=False,
        stage="required",
    )
    nulls: str | None = declare(
        Holds.PLAIN,
        "`send`: where there is no value because a path that was tried leads to null, not just to nothing, null is "
        "sent. For a key of `fields`, where the vendor takes null as an order to remove the value.",
        schema={"enum": ["send"], "enumDescriptions": ["null in the event is sent as null"]},
        default=None,
        stage="null",
    )
    personal: tuple[str, ...] | None = declare(
        Holds.PLAIN,
        "The kinds of personal data that this value is: `personal: [email]`. It changes nothing that is sent; "
        "`engine fields` marks it, and `privacy` is checked for it. `[]`: it is none, whatever its field is called.",
        schema=PERSONAL,
        convert=tuple,
        default=None,
    )


MODIFIERS: tuple[Key, ...] = keys_of(Modifiers)
OBJECT_WORDS = tuple(key for key in MODIFIERS if key.stage == "object")
"""The modifiers that need an object."""


def looked_up(modifiers: Modifiers) -> JsonObject:
    """Return the table of a `map` that is written in place, from the text of a value to what takes its place."""
    table = modifiers.map if isinstance(modifiers.map, dict) else {}
    return reversed_table(table) if modifiers.reverse else table


def whole_list(value: Instruction) -> ListOf | None:
    """Return the written list that is added up or multiplied: one that lacks a member has no total."""
    source, first = value.source, value.modifiers.as_[0] if value.modifiers.as_ else None
    if first is None or first.name not in ("sum", "product") or first.written in ("skip", {"missing": "skip"}):
        return None
    while isinstance(source, From) and isinstance(source.value, Instruction) and source.value.modifiers == Modifiers():
        source = source.value.source
    return source if isinstance(source, ListOf) else None


# What a mapping consists of.

NamedTexts: TypeAlias = tuple[tuple[str, TextOrValue], ...]
POST = Text(("POST",))


class Request(Noun):
    """One kind of HTTP request."""

    name: str
    place: Place
    path: TextOrValue | None = declare(Holds.TEXT_OR_VALUE, default=None)
    method: TextOrValue = declare(Holds.TEXT_OR_VALUE, default=POST)
    query: NamedTexts = declare(Holds.TEXT_BY_NAME, default=())
    query_from: Value | None = declare(Holds.VALUE, default=None)
    headers: NamedTexts = declare(Holds.TEXT_BY_NAME, default=())
    headers_from: Value | None = declare(Holds.VALUE, default=None)
    encode: str = plain("json")
    envelope: Value | None = declare(Holds.VALUE, default=None, scope="envelope", adds=IN_ENVELOPE)
    max_bytes: int = plain(1024 * 1024)
    batch: str | None = plain()
    item: Value | None = declare(Holds.VALUE, default=None, scope="item")
    if_missing: str | None = plain()
    signature: RequestSignature | None = declare(Holds.SIGNATURE, default=None)
    responses: tuple[Response, ...] = declare(Holds.RULES, default=(), scope="reply")
    body_schema: JsonObject | None = plain()


class Batch(Noun):
    """How several requests travel in one."""

    name: str
    place: Place
    path: TextOrValue = declare(Holds.TEXT_OR_VALUE)
    method: TextOrValue = declare(Holds.TEXT_OR_VALUE, default=POST)
    query: NamedTexts = declare(Holds.TEXT_BY_NAME, default=(), scope="parameters")
    query_from: Value | None = declare(Holds.VALUE, default=None, scope="parameters")
    headers: NamedTexts = declare(Holds.TEXT_BY_NAME, default=())
    headers_from: Value | None = declare(Holds.VALUE, default=None, scope="parameters")
    group_by: Value | None = declare(Holds.VALUE, default=None, scope="group")
    max_items: int = plain(100)
    max_bytes: int | None = plain()
    max_wait: str | None = plain()
    signature: RequestSignature | None = declare(Holds.SIGNATURE, default=None)
    fields: tuple[tuple[Text, Value], ...] = declare(Holds.VALUE_BY_KEY, default=(), scope="items")
    results: Results | None = declare(Holds.RESULTS, default=None)


class Http(Noun):
    """What all requests of a mapping share."""

    place: ClassVar[Place] = ("http",)
    base_url: TextOrValue = declare(
        Holds.TEXT_OR_VALUE,
        "The address every path is added to: `https://api.example.com`, `${settings.api_url}`, or an instruction.",
        schema=defined("text_or_nothing"),
        scope="settings",
    )
    headers: NamedTexts = declare(
        Holds.TEXT_BY_NAME,
        'Headers of every request: `headers: { Authorization: "Bearer ${settings.api_key}" }`.',
        schema={
            "type": ["object", "null"],
            "propertyNames": {"$ref": "#/definitions/header"},
            "additionalProperties": {"$ref": "#/definitions/text_or_nothing"},
        },
        default=(),
    )
    headers_from: Value | None = declare(
        Holds.VALUE,
        "A value that gives an object: each member is a header of every request: `headers_from: settings.headers`. "
        "A header written in `headers` wins.",
        schema=defined("value_or_nothing"),
        default=None,
    )
    query_from: Value | None = declare(
        Holds.VALUE,
        "A value that gives an object: each member is a query parameter of every request: "
        "`query_from: settings.parameters`. A parameter written in `query` wins.",
        schema=defined("value_or_nothing"),
        default=None,
    )
    timeout: str = plain(
        "30s",
        about="How long a request may take, from connecting to the last byte of the response: `30s` (the default).",
        schema={**defined("duration_or_nothing"), "default": "30s"},
    )
    rate_limit: str | None = plain(
        about="How many requests the vendor accepts: `100/s`, `100/m`, `5000/h`.",
        schema={"$comment": "rate limit", "type": ["string", "null"], "pattern": "^[1-9][0-9]*/(s|m|h)$"},
    )
    basic: tuple[Value, Value] | None = declare(
        Holds.VALUES,
        'User and password of HTTP basic authentication, each a value: `basic: [settings.api_key, { const: "" }]`.',
        schema={"type": ["array", "null"], "minItems": 2, "maxItems": 2, "items": {"$ref": "#/definitions/value"}},
        default=None,
    )
    compress: str | None = plain(
        about="How bodies are compressed, if the vendor accepts it.",
        schema={"enum": ["gzip", None], "enumDescriptions": ["with gzip", "remove the inherited value"]},
    )
    request_id: str | None = plain(
        about="The header in which every request sent alone carries an id that stays the same when the request is "
        "sent again: `Idempotency-Key`.",
        schema={"$comment": "header", "type": ["string", "null"], "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},
    )
    oauth2: Any = declare(  # an OAuth2, whose module needs this one, or None
        Holds.OAUTH2,
        "Where requests get the access token that they carry as `Authorization: Bearer ...`.",
        default=None,
    )
    signature: RequestSignature | None = declare(
        Holds.SIGNATURE,
        "How requests are signed: `signature: { header: X-Signature, secret: settings.signing_secret }`.",
        default=None,
    )


class Step(Noun):
    """One step of a call: a request and the source of its body, an instruction whose words stand beside these."""

    place: Place
    request: str = declare(Holds.PLAIN)
    when: str | None = declare(Holds.PATH, default=None)
    unless: str | None = declare(Holds.PATH, default=None)
    require: tuple[tuple[str, str], ...] = declare(
        Holds.MESSAGE_BY_PATH, default=(), convert=lambda written: tuple(written.items())
    )
    for_each: Value | None = declare(Holds.VALUE, default=None, opens=IN_LIST)
    where: str | None = declare(Holds.PATH, default=None, beside="for_each")
    max_requests: int = declare(Holds.PLAIN, default=1000, beside="for_each")
    value: Instruction | None = declare(Holds.BODY, default=None)
    save: Table[str, str] = declare(Holds.PATH_BY_NAME, default={}, scope="reply")


class Mapping(Noun):
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
    privacy: Table[str, str]
    parts: Table[str, Value]
    calls: Table[str, tuple[Step, ...]]
    shared: Table[str, str]
    examples: tuple[MappingExample, ...]
    memory: dict[tuple[object, ...], Any] = field(default_factory=dict, compare=False, repr=False)
    """What has been found out about the parts, so that each is looked at once, however many values use it."""

    def once(self, key: tuple[object, ...], meanwhile: Found, find: Callable[[], Found]) -> Found:
        """Return what `find` finds, found once; `meanwhile` is what a part that leads back to itself sees of it."""
        if key not in self.memory:
            self.memory[key] = meanwhile
            self.memory[key] = find()
        found: Found = self.memory[key]
        return found
