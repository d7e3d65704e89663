"""Templates: texts with `${path}` that a person writes as a setting, read and checked when the connection is made.

A template has the fields of the event, `message`, `options` and the other settings.  It has no parts and no saved
values: those are names inside the mapping, which the person who fills in a setting does not see.  A template with
`format: json` is read as JSON before anything is filled in, so that no value of an event can change its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple, TypeAlias, cast

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths, template
from engine.language.suggest import closest
from engine.language.template import Text
from engine.mapping.model import Mapping
from engine.mapping.problems import place_text
from engine.mapping.setting import Setting
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, JsonObject, Place

LARGEST = 65_536
"""Characters of a template, or of its JSON."""
MOST_HOLES = 500
"""`${}` of a template."""
DEEPEST = 32
"""Levels of a template that is JSON."""
MOST_FAULTS = 10
"""Of one template that are shown."""

LONGEST_INTEGER = 20
"""Characters of a number of 64 bits."""

EVENT_NAMES = frozenset(name for fields in FIELDS.values() for name in fields)
NAMES = EVENT_NAMES | {"message", "options", "settings"}

Content: TypeAlias = "Text | int | float | bool | list[Content] | dict[str, Content] | None"
"""What a template consists of: every text in it split at its `${path}`."""


class Leaf(NamedTuple):
    """One text of a template, and where it is: () where it is the whole template."""

    place: Place
    written: str
    text: Text


def faults(mapping: Mapping, setting: Setting, written: Json) -> list[str]:
    """Return what is wrong with a template, as sentences with their place in it; at most MOST_FAULTS."""
    try:
        content = read(setting, written)
    except ValueError as error:
        return [str(error)]
    leaves = list(leaves_of(content, written if setting.format == "text" else _document(written)))
    if sum(len(leaf.text.holes) for leaf in leaves) > MOST_HOLES:
        return [f"the template has more than {MOST_HOLES} ${{}}."]
    return list(islice(_faults(mapping, leaves), MOST_FAULTS))


def read(setting: Setting, written: Json) -> Content:
    """Read a template that was written for a setting; raises ValueError with a sentence."""
    if setting.format == "text":
        if not isinstance(written, str):
            raise ValueError("a template is a text.")
        if len(written) > LARGEST:
            raise ValueError(f"the template has {len(written):,} characters; at most {LARGEST:,} are allowed.")
        return _text((), written)
    return _content((), _document(written), 0)


def leaves_of(content: Content, written: Json, place: Place = ()) -> Iterator[Leaf]:
    """Return the texts of a template in order; `written` is what it was read from."""
    if isinstance(content, Text):
        yield Leaf(place, cast("str", written), content)
    elif isinstance(content, dict):
        for key, member in content.items():
            yield from leaves_of(member, cast("dict[str, Json]", written)[key], (*place, key))
    elif isinstance(content, list):
        for number, item in enumerate(content):
            yield from leaves_of(item, cast("list[Json]", written)[number], (*place, number))


def _document(written: Json) -> Json:
    """Return the JSON of a template: given as text, or as an object or list."""
    import orjson

    try:
        text = written if isinstance(written, str) else orjson.dumps(written).decode()
        if len(text) > LARGEST:
            raise ValueError(f"the template has {len(text):,} characters; at most {LARGEST:,} are allowed.")
        found = cast("Json", orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"the template is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except TypeError:  # orjson's error for what it cannot write
        raise ValueError("the template cannot be written as JSON.") from None
    _check_json(text)
    if not isinstance(found, dict | list):
        raise ValueError("the template is JSON, but neither an object nor a list.")  # noqa: TRY004  wrong input
    return found


def _check_json(text: str) -> None:
    """Raise ValueError for JSON that orjson would change in silence: a key twice, a number beyond 64 bits."""
    import json

    with suppress(RecursionError):  # too deep for Python's reader, and for a template
        json.loads(text, object_pairs_hook=_unique, parse_int=_integer)


def _unique(pairs: list[tuple[str, Json]]) -> JsonObject:
    found: JsonObject = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'the template has the key "{key[:60]}" twice in one object.')
        found[key] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER or not SMALLEST_INTEGER <= int(digits) <= LARGEST_INTEGER:
        raise ValueError(f"the number {digits[:20]}... of the template does not fit into 64 bits.")
    return int(digits)


def _content(place: Place, value: Json, depth: int) -> Content:
    if depth > DEEPEST:
        raise ValueError(f"the template is nested more than {DEEPEST} levels deep.")
    if isinstance(value, str):
        return _text(place, value)
    if isinstance(value, list):
        return [_content((*place, number), item, depth + 1) for number, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if template.parse_or_none(key) is None or template.parse(key).holes:
                at = place_text((*place, key))
                raise ValueError(f"the key {at}: keys are not filled in; write $${{ for a literal ${{.")
        return {_literal(key): _content((*place, key), member, depth + 1) for key, member in value.items()}
    return value


def _literal(key: str) -> str:
    return template.parse(key).literal or ""


def _text(place: Place, written: str) -> Text:
    try:
        return template.parse(written)
    except PathError as error:
        raise ValueError(f"{_where(place, written, error.column)}: {error}.") from None


def _faults(mapping: Mapping, leaves: Iterable[Leaf]) -> Iterator[str]:
    for leaf in leaves:
        for hole in leaf.text.holes:
            try:
                path = paths.parse(hole.path)
            except PathError as error:
                column = hole.column + error.column - 1
                yield f"{_where(leaf.place, leaf.written, column)}: {_sentence(str(error))}"
                continue
            if path.uses_current_root:
                where = _where(leaf.place, leaf.written, hole.column + path.current_column - 1)
                yield f"{where}: `@` is not defined at the top level; for the whole event, write message."
            for root in path.roots:
                if fault := _root_fault(mapping, root):
                    yield f"{_where(leaf.place, leaf.written, hole.column + root.column - 1)}: {fault}"


def _root_fault(mapping: Mapping, root: paths.Root) -> str | None:
    name = root.name
    if name not in NAMES:
        guess = closest(name, sorted(NAMES))
        return f'events have no field "{name[:60]}"' + (f"; did you mean {guess}?" if guess else _available())
    if name != "settings":
        return None
    if not root.members:
        return "name a setting after `settings.`."
    member = root.members[0]
    setting = mapping.settings.get(member)
    if setting is None:
        guess = closest(member, list(mapping.settings))
        return f'there is no setting "{member[:60]}"' + (f"; did you mean settings.{guess}?" if guess else ".")
    if setting.secret:
        return f'the setting "{member}" is secret, and a template may be sent anywhere; remove it.'
    return f'the setting "{member}" contains a template itself.' if setting.holds_template else None


def _available() -> str:
    return "; they have userId, event, properties, traits, context and others."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _where(place: Place, written: str, column: int) -> str:
    """Return where a character of a template is, counted from 1; `column` counts from the beginning of its text."""
    before = written[: column - 1]
    line = before.count("\n") + 1
    at = f"{place_text(place)}, " if place else ""
    return f"{at}line {line}, column {column - 1 - before.rfind(chr(10))}"
