"""What the schema says about a place in a mapping: which keys it may have, which words, and what each is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from engine.mapping.schema import files
from engine.records import Place

Rule = dict[str, Any]
OWN = frozenset({"json_schema", "json_schema_or_nothing", "draft_7"})
"""Definitions of what authors write as JSON Schema: its keys are not ours to explain."""
PATHS = frozenset({"path", "path or nothing", "value", "alternative"})
"""The nouns of values whose text is a path."""
MOST_SCHEMAS = 400


class SchemaWord(NamedTuple):
    """A key or a value that the schema knows at a place, and its description."""

    text: str
    about: str
    opens: str = ""
    """`object` or `list` where its value is nothing else, else ''."""


def keys(kind: str, place: Place) -> list[SchemaWord]:
    """Return the keys that the mapping at a place may have, in the order of the schema."""
    found: dict[str, SchemaWord] = {}
    for rule in _rules(kind, place):
        for key, inner in rule.get("properties", {}).items():
            if inner is not False:
                found.setdefault(key, SchemaWord(key, _about(key, inner), _opens(inner)))
    return list(found.values())


def values(kind: str, place: Place) -> list[SchemaWord]:
    """Return the words that may stand at a place where only some may: functions, `drop`, `true`."""
    found: dict[str, SchemaWord] = {}
    for rule in _rules(kind, place):
        abouts = rule.get("enumDescriptions", ())
        for number, choice in enumerate(rule.get("enum", ())):
            text = {True: "true", False: "false"}.get(choice, choice) if isinstance(choice, bool) else choice
            if isinstance(text, str):
                found.setdefault(text, SchemaWord(text, abouts[number] if number < len(abouts) else ""))
        if rule.get("type") == "boolean":
            found |= {text: found.get(text, SchemaWord(text, "")) for text in ("true", "false")}
    return list(found.values())


def about(kind: str, place: Place) -> str:
    """Return the description of the key at the end of a place, or ''."""
    key = place[-1] if place else ""
    return next((word.about for word in keys(kind, place[:-1]) if word.text == key), "")


def nouns(kind: str, place: Place) -> frozenset[str]:
    """Return what a text at a place may be: `path`, `function`, `name`, ..."""
    return frozenset(str(rule["$comment"]) for rule in _rules(kind, place) if "$comment" in rule)


def is_path(kind: str, place: Place) -> bool:
    """Whether a text at a place is a path."""
    return bool(nouns(kind, place) & PATHS)


def _about(key: str, rule: Rule) -> str:
    own = rule.get("description")
    words = files.read("mapping")["definitions"]["instruction"]["properties"]
    return str(own or words.get(key, {}).get("description", ""))


def _opens(rule: Rule) -> str:
    types = {str(each["type"]) for each in _expanded([rule]) if isinstance(each.get("type"), str | list)}
    if types and all("string" not in each and "number" not in each for each in types):
        objects, lists = (any(name in each for each in types) for name in ("object", "array"))
        return "object" if objects and not lists else "list" if lists and not objects else ""
    return ""


@lru_cache(maxsize=2000)
def _rules(kind: str, place: Place) -> tuple[Rule, ...]:
    current = _expanded([files.read(kind)])
    for key in place:
        current = _expanded(inner for rule in current for inner in _below(rule, key))
    return tuple(current)


def _below(rule: Rule, key: str | int) -> Iterator[Rule]:
    if isinstance(key, int):
        items = rule.get("items")
        if isinstance(items, dict):
            yield items
        return
    inner = rule.get("properties", {}).get(key)
    if inner is None:
        inner = rule.get("additionalProperties")
    if isinstance(inner, dict):
        yield inner


def _expanded(rules: Iterable[Rule]) -> list[Rule]:
    """Return schemas with everything that they consist of, each once."""
    found: dict[int, Rule] = {}
    pending = list(rules)
    for rule in pending:  # grows
        if id(rule) in found or len(found) > MOST_SCHEMAS:
            continue
        found[id(rule)] = rule
        pending += [rule[word] for word in ("then", "else") if isinstance(rule.get(word), dict)]
        pending += [each for word in ("allOf", "anyOf", "oneOf") for each in rule.get(word, ())]
        if "$ref" in rule and (named := _named(rule["$ref"])) is not None:
            pending.append(named)
    return list(found.values())


def _named(reference: str) -> Rule | None:
    """Return the definition that a `$ref` names; None where authors write a schema of their own."""
    _, *way = reference.partition("#")[2].split("/")
    if not way or OWN.intersection(way):
        return None
    found: Any = files.read("mapping")
    for key in way:
        found = found[key]
    return found if isinstance(found, dict) else None
