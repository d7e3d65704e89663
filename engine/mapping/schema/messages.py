"""Messages for the errors of the mapping schema: one for each mistake, at the key where it was made.

jsonschema reports one mistake several times, once for each schema that rejects it. The first half of this file reduces
the errors about one object to one fault for each mistake; the second half writes the messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.language.other_names import advice_for, function_named
from engine.language.suggest import closest
from engine.mapping.model import OBJECT_WORDS, SOURCES
from engine.mapping.personal import no_kind
from engine.mapping.problems import Fix, Message
from engine.mapping.schema.files import Vocabulary
from engine.noun import Noun
from engine.records import Json, Place

OTHER_NAMES = {
    "coalesce": "from",
    "constant": "const",
    "condition": "when",
    "convert": "as",
    "exclude": "except",
    "format": "as",
    "foreach": "for_each",
    "function": "as",
    "if": "when",
    "include": "only",
    "literal": "const",
    "lookup": "map",
    "object": "fields",
    "omit": "except",
    "pick": "only",
    "static": "const",
    "template": "text",
    "transform": "as",
    "url": "base_url",
}
"""Other tools' names for our keys, tried when no key of ours is close."""


class SchemaFault(Noun, kw_only=False):
    """One mistake: about the value at `path`, shown at `place` (at its key, with `on_key`)."""

    path: Place
    message: Message
    place: Place
    on_key: bool = False


@dataclass(slots=True)
class _Object:
    """The schema's errors about the keys of one object."""

    path: Place
    instance: dict[str, Any]
    noun: str = ""
    known: tuple[str, ...] = ()
    unknown: dict[str, str | None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)
    alone: dict[str, tuple[str, ...]] = field(default_factory=dict)
    no_source: bool = False


def faults(errors: Iterable[Any], vocabulary: Vocabulary) -> list[SchemaFault]:
    """Reduce the errors of a file (jsonschema's ValidationError) to one fault for each mistake, unordered."""
    objects: dict[Place, _Object] = {}
    found: dict[Place, SchemaFault] = {}
    for error in errors:
        if error.validator not in ABOUT_KEYS:
            fault = _simple(error, vocabulary)
            found.setdefault(fault.path, fault)  # errors of the outer schema come first and are the most specific
        elif isinstance(error.instance, dict):
            _note(objects, error)
    return [*found.values(), *(fault for each in objects.values() for fault in _faults_of(each, vocabulary))]


def _simple(error: Any, vocabulary: Vocabulary) -> SchemaFault:
    path = tuple(error.absolute_path)
    if "propertyNames" in list(error.relative_schema_path)[-2:]:
        at = (*path, error.instance)
        return SchemaFault(at, bad_key(error), at, on_key=True)
    return SchemaFault(path, value(error, path, vocabulary), path)


ABOUT_KEYS = ("additionalProperties", "required", "dependencies", "oneOf", "anyOf")


def _note(objects: dict[Place, _Object], error: Any) -> None:
    """Add an error about the keys of an object to the others about that object."""
    path = tuple(error.absolute_path)
    key = path[-1] if error.validator == "additionalProperties" else None
    path = path if key is None else path[:-1]
    instance, schema = error.instance, error.schema
    here = objects.setdefault(path, _Object(path, instance))
    if error.validator in ("additionalProperties", "required"):
        here.noun = schema.get("$comment", "")
        here.known = tuple(schema.get("properties", ()))
    if isinstance(key, str):
        here.unknown[key] = _guess(key, here.known, here.noun)
    elif error.validator == "required":
        here.missing |= {name: None for name in schema["required"] if name not in instance}
    elif error.validator == "dependencies":
        _note_dependencies(here, schema["dependencies"])
    elif error.validator == "oneOf":
        here.no_source = True
    else:
        word = str(list(error.relative_schema_path)[-2])
        here.alone[word] = tuple(name for option in schema["anyOf"] for name in option["required"])


def _note_dependencies(here: _Object, dependencies: dict[str, Any]) -> None:
    for word, needed in dependencies.items():
        if word in here.instance and isinstance(needed, list):
            absent = tuple(name for name in needed if name not in here.instance)
            if absent:
                here.alone[word] = absent


def _guess(key: str, known: Collection[str], noun: str) -> str | None:
    other = OTHER_NAMES.get(key.lower())
    if noun == "instruction" and (advice_for(key) or function_named(key)):
        return other if other in known else None
    return closest(key, known) or (other if other in known else None)


def _faults_of(here: _Object, vocabulary: Vocabulary) -> Iterator[SchemaFault]:
    guesses = set(here.unknown.values())
    sources = [word for word in here.instance if word in SOURCES]
    if here.noun == "expected invalid":
        yield SchemaFault(here.path, EXPECT, here.path)
        return
    if here.no_source and len(sources) > 1:
        yield SchemaFault(here.path, two_sources(sources, here.path), (*here.path, sources[1]), on_key=True)
        here.alone.clear()
    elif here.no_source and (None in guesses or not guesses & set(SOURCES)):
        message = no_source(list(here.unknown), list(here.instance), vocabulary)
        yield SchemaFault(
            here.path, message._replace(advice=_set_advice(here.path, here.instance) or message.advice), here.path
        )
        return
    for key, guess in here.unknown.items():
        at = (*here.path, key)
        yield SchemaFault(at, unknown(at, guess, (here.noun, here.known), vocabulary), at, on_key=True)
    absent = [name for name in here.missing if name not in guesses]
    if absent:
        yield SchemaFault(here.path, missing(absent, here.noun, here.path, vocabulary), here.path, on_key=True)
    for word, needed in here.alone.items():
        if not guesses & set(needed):
            at = (*here.path, word)
            yield SchemaFault(at, alone(word, needed), at, on_key=True)


NOUNS = {
    "batch": "a batch",
    "calls": "`calls`",
    "example": "an example",
    "file": "a mapping file",
    "flatten": "`flatten`",
    "http": "`http`",
    "instruction": "an instruction",
    "oauth2": "`oauth2`",
    "parts file": "a file of parts",
    "reply": "a reply",
    "request": "a request",
    "response rule": "a rule of `responses`",
    "results": "`results`",
    "retry": "`retry`",
    "row field": "a field of rows",
    "setting": "a setting",
    "signature": "a signature",
    "step": "a step",
}
TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
IS = {
    "file": "A mapping file is a mapping: `mapping: 1`, `name: ...` and so on",
    "parts file": "A file of parts is a mapping: `parts:` and names with values",
    "value": "A value is a path (text), a choice (list) or an instruction (mapping)",
    "alternative": "An entry of a choice is a path (text) or an instruction (mapping)",
    "function": "A function is written as its name, or as { name: parameters }",
    "step": "A step is a mapping with `request`",
    "expected": "An entry of `expect` is a mapping, { request: { key of its body: value } }",
}
TAKES = {
    "path": "a path (text)",
    "text": "text or an instruction (mapping)",
    "as": "the name of a function, { name: parameters }, or a list of those",
    "keys": "a list of keys, or the path to one (text)",
    "flatten": "true, false, a path (text) or options (a mapping)",
    "expect": "a list of requests, or { invalid: text }",
    "call": "a list of steps, or the name of another call",
    "duration": "a duration (text)",
    "rate limit": "a rate limit (text)",
    "header": "the name of a header (text)",
}
FORMS = {
    "name": ("a name", "Names have lowercase letters, digits and _, and begin with a letter."),
    "header": ("the name of a header", "It has letters, digits and -, and no spaces or colons."),
    "duration": ("a duration", "Write a whole number and ms, s, m, h or d: 30s."),
    "rate limit": ("a rate limit", "Write a number per second, minute or hour: 100/s, 100/m, 5000/h."),
    "status": ("a status", "Write a code (404) or a class of codes (4xx)."),
    "address": ("an address", "It begins with https:// or http://."),
    "method": ("an HTTP method", "Write methods in capital letters: POST."),
}
SETS = {"headers": "headers", "query": "query parameters"}
SET_WORDS = frozenset({"from", "fields", "merge", "each", "entries", *(key.word for key in OBJECT_WORDS)})
"""Words of an instruction that would give a whole object."""
TABLE_OF_HTTP, TABLE_OF_REQUEST = 3, 4
"""The length of a place such as `http.headers.X` and `requests.send.headers.X`."""
INSTEAD = {
    ("request", "body"): "The step holds the body: write it there, with `fields` or `from`.",
    ("step", "body"): "The step itself holds the body: write its keys under `fields`, or take an object with `from`.",
    ("setting", "required"): "A setting is required unless it has a default or `optional: true`.",
}
"""What to write for a key that a noun does not have, where the key shows what was meant."""
EXPECT = Message(
    "wrong-type",
    "`expect` must be a list of requests, or { invalid: text }.",
    "Begin each request with `- `: `- name_of_request: { key: value }`.",
)
MOST_NAMED = 12
STEP = ("calls", "the call", "its number")
LONGEST_PATH = 200


def two_sources(sources: Sequence[str], path: Place) -> Message:
    named = " and ".join(f"`{word}`" for word in sources)
    advice = "Keep one of them; `from: { ... }` takes what another instruction makes."
    other = next((word for word in sources if word not in ("each", "entries")), "")
    if "each" in sources and path[:1] == ("calls",) and len(path) == len(STEP):
        advice = "For one request for each item, write `for_each` instead of `each`."
    elif {"each", "entries"} & set(sources) and other:
        advice = f"What is made of each item stands under `value`: value: {{ {other}: ... }}."
    return Message("two-sources", f"An instruction has exactly one source; this has {named}.", advice)


def no_source(unknown: Sequence[str], keys: Sequence[str], vocabulary: Vocabulary) -> Message:
    advice = f"Add one of {', '.join(SOURCES)}."
    if unknown:
        other = _other_tool(unknown[0], vocabulary) if len(unknown) == 1 else ""
        named = ", ".join(_quoted(key) for key in unknown[:MOST_NAMED])
        message = f"An instruction has no {'keys' if len(unknown) > 1 else 'key'} {named}."
        return Message("no-source", message, other or "If these are keys of an object, put them under `fields`.")
    if not keys:
        return Message("no-source", "This instruction is empty.", advice)
    return Message("no-source", f"This instruction has {_named(keys)} but no source.", advice)


def unknown(path: Place, guess: str | None, known: tuple[str, Sequence[str]], vocabulary: Vocabulary) -> Message:
    """Return the message for the unknown key at the end of `path`; `known` is the object's noun and its keys."""
    key, (noun, keys) = str(path[-1]), known
    if noun == "function":
        return function(key, vocabulary)
    message = f"{_thing(noun, path[:-1])} has no key {_quoted(key)}."
    if (noun, key) in INSTEAD:
        return Message("unknown-key", message, INSTEAD[noun, key])
    if guess is not None:
        return Message("unknown-key", message, f'Did you mean "{guess}"?', fix=Fix(key, guess))
    if noun == "instruction" and (other := _other_tool(key, vocabulary)):
        return Message("unknown-key", message, other)
    owner = vocabulary.owner(key)
    if owner in NOUNS and owner != noun:
        return Message("unknown-key", message, f"`{key}` is a key of {NOUNS[owner]}.")
    if noun == "step":
        return Message("unknown-key", message, "Put the keys of its body under `fields`.")
    return Message("unknown-key", message, f"Allowed keys: {', '.join(keys)}." if keys else "")


def _other_tool(key: str, vocabulary: Vocabulary) -> str:
    """Return what to write for a function that is used as a key, or ''."""
    name = key if key in vocabulary.functions else function_named(key)
    if name is None:
        return advice_for(key)
    inner = ", ".join(f"{parameter}: ..." for parameter in vocabulary.functions.get(name, ()))
    written = f"{{ {name}: {{ {inner} }} }}" if inner else name
    return f"Functions stand under `as`: write {{ from: ..., as: {written} }}."


def missing(names: Sequence[str], noun: str, path: Place, vocabulary: Vocabulary) -> Message:
    about = vocabulary.about(noun, names[0]) if len(names) == 1 else ""
    return Message("missing-key", f"{_thing(noun, path)} needs {_named(names)}.", about and f"{names[0]}: {about}")


def alone(word: str, needed: Sequence[str]) -> Message:
    return Message("word-alone", f"`{word}` needs {_or([f'`{name}`' for name in needed])} beside it.")


def function(name: str, vocabulary: Vocabulary) -> Message:
    if name in vocabulary.functions:
        inner = ", ".join(f"{parameter}: ..." for parameter in vocabulary.functions[name])
        advice = f"Write {{ {name}: {{ {inner} }} }}."
        return Message("missing-key", f"The function `{name}` requires parameters.", advice)
    several = [part.strip() for part in re.split("[|,]", name)]
    if len(several) > 1 and all(part in vocabulary.functions or function_named(part) for part in several):
        ours = [part if part in vocabulary.functions else str(function_named(part)) for part in several]
        return Message("unknown-function", f"Unknown function {_quoted(name)}.", f"Write a list: [{', '.join(ours)}].")
    guess = function_named(name) or (None if advice_for(name) else closest(name, vocabulary.functions))
    advice = f'Did you mean "{guess}"?' if guess else advice_for(name) or "`engine docs functions` lists them all."
    fix = Fix(name, guess) if guess else None
    return Message("unknown-function", f"Unknown function {_quoted(name)}.", advice, fix=fix)


def bad_key(error: Any) -> Message:
    """Return the message for a key that is refused for what it is."""
    if error.validator == "pattern":
        return _form(error)
    if error.validator == "enum":
        return _kind_of_data(str(error.instance), error.validator_value)
    return Message("empty", "A key cannot be empty.")


def _kind_of_data(written: str, kinds: Sequence[str]) -> Message:
    guess = closest(written, kinds)
    fix = Fix(written, guess) if guess else None
    return Message("not-allowed", no_kind(written), f'Did you mean "{guess}"?' if guess else "", fix=fix)


def value(error: Any, path: Place, vocabulary: Vocabulary) -> Message:
    """Return the message for an error of a single value."""
    message = MESSAGES.get(error.validator)
    if message is not None:
        return message(error, path)
    if error.validator == "enum":
        return _enum(error, path, vocabulary)
    return Message("bad-schema", error.message)


def _enum(error: Any, path: Place, vocabulary: Vocabulary) -> Message:
    written, choices = error.instance, [choice for choice in error.validator_value if choice is not None]
    if error.schema.get("$comment") == "function" and isinstance(written, str):
        return function(written, vocabulary)
    named = _or([_plain(choice) for choice in choices])
    guess = closest(written, filter(_is_text, choices)) if isinstance(written, str) else None
    message = f"{_subject(path)} must be {named}, not {_plain(written)}."
    fix = Fix(str(written), guess) if guess else None
    return Message("not-allowed", message, f'Did you mean "{guess}"?' if guess else "", fix=fix)


def _type(error: Any, path: Place) -> Message:
    noun, written = error.schema.get("$comment", ""), error.instance
    if written is None:
        return _nothing(noun, path)
    if noun == "alternative" and isinstance(written, list):
        advice = "Move its entries to the outer list; to make a list, write { list: [...] }."
        return Message("wrong-type", "A choice cannot contain a choice.", advice)
    types = [name for name in _list(error.validator_value) if name != "null"]
    takes = TAKES.get(noun) or _or([TYPES[name] for name in types]) or "nothing"
    message = f"{IS.get(noun) or f'{_subject(path)} takes {takes}'}; this is {_kind(written)}."
    return Message("wrong-type", message, _set_advice(path, written) or _type_advice(noun, types, written, path))


def _operand(path: Json) -> str:
    """Return a condition as it stands beside `&&`."""
    return f"({path})" if "||" in str(path) else str(path)


def _nothing(noun: str, path: Place) -> Message:
    advice = "Add a value or remove the key."
    if noun in ("value", "alternative"):
        advice = "Write a path, or { const: null } for null itself."
    return Message("empty", f"{_subject(path)} has no value.", advice)


def _type_advice(noun: str, types: Sequence[str], written: Json, path: Place) -> str:
    simple = isinstance(written, str | bool | int | float)
    if noun in ("value", "alternative"):
        itself = "the number" if _kind(written) == "a number" else _kind(written)
        return f"If you mean {itself} itself, write {{ const: {json.dumps(written)} }}." if simple else ""
    if noun == "path" and isinstance(written, list) and written and all(isinstance(each, str) for each in written):
        if len(written) == 1:
            return f"Write it without a list: {str(written[0])[:LONGEST_PATH]}"
        sign = "||" if path[-1:] == ("unless",) else "&&"
        joined = f" {sign} ".join(map(_operand if sign == "&&" else str, written))
        return f"Join conditions with {sign}: {joined if len(joined) <= LONGEST_PATH else joined[:LONGEST_PATH] + '…'}"
    if noun in FORMS and simple:
        return FORMS[noun][1]
    if noun == "text" and isinstance(written, list) and all(isinstance(each, str) for each in written):
        return f"A choice goes under `from`: {{ from: [{', '.join(map(str, written))}] }}."
    if "boolean" in types and isinstance(written, str):
        return "Write true or false, in lowercase and without quotes."
    if noun == "path" and isinstance(written, bool):
        return f"Write a path that can be true or false; {_plain(written)} never changes."
    if "string" in types and simple and (noun not in TAKES or noun == "text"):
        return f'Put it in quotes: "{json.dumps(written)}".'
    if "array" in types and simple and noun not in TAKES:
        return f"Write it as a list: [{written if isinstance(written, str) else json.dumps(written)}]."
    if "array" in types and isinstance(written, dict):
        return "Begin each entry with `- `."
    if isinstance(written, str) and ("integer" in types or "number" in types):
        return "Write it as a number, without quotes."
    return ""


def _set_advice(path: Place, written: Json) -> str:
    """Return the advice for a word of instructions among the names of headers or parameters, or in their place."""
    if path and path[-1] in SETS and path[0] in ("http", "requests", "batches") and isinstance(written, str):
        return f"For a whole set of {SETS[str(path[-1])]}, write {path[-1]}_from: {written}."
    table, word = path[-2:] if len(path) in (TABLE_OF_HTTP, TABLE_OF_REQUEST) else ("", "")
    if table not in SETS or word not in SET_WORDS or (len(path) == TABLE_OF_HTTP) != (path[0] == "http"):
        return ""
    return f"For a whole set of {SETS[str(table)]}, use `{table}_from`."


def _form(error: Any, _path: Place = ()) -> Message:
    what, advice = FORMS[error.schema["$comment"]]
    if error.schema["$comment"] == "method" and re.fullmatch(r"(settings|parts)\.\w+", error.instance):
        advice = f"For its value, write ${{{error.instance}}}."
    return Message("pattern", f"{_quoted(error.instance)} is not {what}.", advice)


def _short(error: Any, path: Place) -> Message:
    least = error.validator_value
    if error.instance and least > 1:
        return Message(
            "wrong-count", f"{_subject(path)} must have exactly {least} entries; this has {len(error.instance)}."
        )
    kind = "text" if isinstance(error.instance, str) else "list" if isinstance(error.instance, list) else "mapping"
    if error.schema.get("$comment") == "function":
        return Message("empty", IS["function"] + "; this is an empty mapping.")
    return Message("empty", f"{_subject(path)} is an empty {kind}.", "Fill it or remove the key.")


def _long(error: Any, path: Place) -> Message:
    noun, most = error.schema.get("$comment"), error.validator_value
    if noun == "function":
        advice = "To use several functions, write a list: as: [trim, { round: 2 }]."
        return Message("wrong-count", f"{IS['function']}; this has {_named(list(error.instance))}.", advice)
    if noun == "expected":
        message = f"An entry of `expect` is one request; this has {_named(list(error.instance))}."
        return Message("wrong-count", message, "Put the keys of a request's body one level deeper, under its name.")
    return Message("wrong-count", f"{_subject(path)} must have exactly {most} entries; this has {len(error.instance)}.")


def _twice(_error: Any, path: Place) -> Message:
    return Message("duplicate-entry", f"{_subject(path)} contains a duplicate entry.", "Remove one of them.")


def _small(error: Any, path: Place) -> Message:
    message = f"{_subject(path)} must be at least {error.validator_value}, not {_plain(error.instance)}."
    return Message("out-of-range", message)


def _large(error: Any, path: Place) -> Message:
    message = f"{_subject(path)} must be at most {error.validator_value}, not {_plain(error.instance)}."
    return Message("out-of-range", message)


MESSAGES: dict[str, Callable[[Any, Place], Message]] = {
    "type": _type,
    "pattern": _form,
    "minLength": _short,
    "minItems": _short,
    "minProperties": _short,
    "maxItems": _long,
    "maxProperties": _long,
    "uniqueItems": _twice,
    "minimum": _small,
    "maximum": _large,
}


def _subject(path: Place) -> str:
    if not path:
        return "A mapping file"
    return f"`{path[-1]}`" if isinstance(path[-1], str) else "This entry"


def _kind(written: Json) -> str:
    if isinstance(written, bool):
        return "true" if written else "false"
    if isinstance(written, int | float):
        return "a number"
    return "text" if isinstance(written, str) else "a list" if isinstance(written, list) else "a mapping"


def _plain(written: Json) -> str:
    if isinstance(written, list | dict):
        return _kind(written)
    return _quoted(written) if isinstance(written, str) else json.dumps(written)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else text[:59] + "…", ensure_ascii=False)


def _named(words: Sequence[str]) -> str:
    named = [f"`{word}`" for word in words]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else ""


def _list(types: Any) -> list[str]:
    return types if isinstance(types, list) else [types]


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _thing(noun: str, path: Place) -> str:
    named = NOUNS.get(noun)
    return named[:1].upper() + named[1:] if named else _subject(path)
