"""YAML of strangers that is no mapping, such as an OpenAPI document: read leniently, as JSON values, without places.

Anchors and aliases are allowed; a value that many aliases name is one object in memory, so whoever walks it needs a
bound. Scalars are those of the mapping reader, YAML 1.2's: `no` and dates are texts. The depth is measured on the
parser's events before anything recurses.
"""

from __future__ import annotations

import re
from typing import Any

from engine.errors import UsageError
from engine.language.texts import NUMBER
from engine.records import Json

DEEPEST = 100
MOST_EVENTS = 2_000_000


def read(text: str, name: str) -> Json:
    """Return the value of a YAML text; UsageError says what is wrong with the file `name`, and where."""
    from yaml import YAMLError
    from yaml.error import MarkedYAMLError

    try:
        _measure(text, name)
        return _load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(f"{name}{where}: this is not YAML: {error.problem or 'it ends early'}.") from None
    except (YAMLError, ValueError, RecursionError):
        raise UsageError(f"{name}: this is not YAML that can be read.") from None


def _measure(text: str, name: str) -> None:
    from yaml import CLoader, events, parse

    depth = 0
    for count, event in enumerate(parse(text, Loader=CLoader)):
        depth += isinstance(event, events.CollectionStartEvent)
        depth -= isinstance(event, events.CollectionEndEvent)
        if depth > DEEPEST or count > MOST_EVENTS:
            what = f"nests more than {DEEPEST} levels" if depth > DEEPEST else f"has more than {MOST_EVENTS:,} values"
            raise UsageError(
                f"{name}:{event.start_mark.line + 1 if event.start_mark else 1}: this file {what}, so it is not read."
            )


def _load(text: str) -> Json:
    from yaml import CSafeLoader, load

    class Loader(CSafeLoader):
        """Takes only what JSON has for other than texts."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  the library's own name

    Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:|~|null)\Z"), ["", "~", "n"])
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), ["t", "f"])
    Loader.add_implicit_resolver("tag:json,number", re.compile(rf"(?:{NUMBER.pattern})\Z"), list("-0123456789"))
    Loader.add_constructor("tag:json,number", _number)
    value: Json = load(text, Loader=Loader)  # noqa: S506  a safe loader
    return value


def _number(_loader: Any, node: Any) -> Json:
    text: str = node.value
    if len(text) > 20:
        return float(text)
    return float(text) if set(text) & set(".eE") else int(text)
