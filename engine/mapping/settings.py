"""The settings of a connection: defaults, `${env:NAME}`, conversion of texts by type, checks by JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from math import isfinite
from typing import cast
from urllib.parse import urlsplit

from engine.errors import SettingsError
from engine.language.suggest import closest
from engine.mapping.model import Mapping, Setting
from engine.mapping.schema import validator
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, JsonObject, Secret, Secrets

ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
NOT_FILLED = re.compile(r"\$\{\s*(?:\w+\s*:[^}]*\}|env\b)", re.IGNORECASE)
HOW_FILLED = "it contains a ${...} that cannot be filled in; write ${env:NAME}, with letters, digits and _ in NAME."
LONE_SURROGATES = re.compile(r"[\ud800-\udfff]")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Written(str):
    """A setting that came as text (`--set`, `${env:}`) and must be converted by its type."""

    __slots__ = ()


class NotSet(ValueError):  # noqa: N818  reads as what it is
    """A value names environment variables that are not set."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        what = f"variable {names[0]} is" if len(names) == 1 else f"variables {', '.join(names)} are"
        super().__init__(f"the environment {what} not set.")


def complete(
    mapping: Mapping, given: Table[str, Json], environment: Table[str, str], unset: list[str] | None = None
) -> JsonObject:
    """Return the complete settings of a connection: typed, with defaults, secrets wrapped.

    Raises SettingsError with all problems. With `unset`, missing environment variables are added to it instead, and the
    settings that use them are left out.
    """
    if not isinstance(given, Table):
        raise SettingsError(mapping.title, ["settings must be an object of names and values."])
    problems = _unknown(mapping, given)
    result: JsonObject = {}
    for name, setting in mapping.settings.items():
        try:
            value = _value(setting, given.get(name), environment)
        except NotSet as error:
            if unset is None:
                problems.append((name, f"{label(setting)}: {error}"))
            else:
                unset += error.names
            continue
        except ValueError as error:
            problems.append((name, f"{label(setting)}: {error}"))
            continue
        if value is not None:
            result[name] = _wrapped(value) if setting.secret else value
        elif not setting.optional:
            problems.append((name, f"{label(setting)} is not set."))
    if problems:
        raise SettingsError(mapping.title, [text for _, text in problems], [name for name, _ in problems])
    return result


def examples(mapping: Mapping) -> JsonObject:
    """Return the `example` of every setting that has one and no default."""
    return {
        name: setting.example
        for name, setting in mapping.settings.items()
        if setting.example is not None and setting.default is None
    }


def label(setting: Setting) -> str:
    """Return the name of a setting as people see it: its title and its key."""
    return f"{setting.title} ({setting.name})"


def schema_of(setting: Setting) -> JsonObject:
    """Return the JSON Schema of a setting's value."""
    types: dict[str, JsonObject] = {
        "string": {"type": "string", "minLength": 1},
        "url": {"type": "string", "pattern": PATTERN},
        "boolean": {"type": "boolean"},
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "list": {"type": "array", "items": {"type": "string"}},
        "table": {"type": "object", "additionalProperties": _table_entry(setting)},
    }
    result: JsonObject = dict(types[setting.type])
    if setting.choices:
        result["enum"] = list(setting.choices)
    if setting.pattern is not None:
        result = {"allOf": [result, {"pattern": setting.pattern}]}
    return result


def secrets_of(mapping: Mapping, settings: JsonObject) -> Secrets:
    """Return the texts of secret settings, those in lists and tables too, which must be masked wherever they stand."""
    values = (settings.get(name) for name, setting in mapping.settings.items() if setting.secret)
    return Secrets(text for value in values for text in _secret_texts(value))


def _secret_texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _secret_texts(member)
    elif isinstance(value, str):
        yield str.__str__(value)
    elif type(value) in (int, float):
        yield str(value)


def _table_entry(setting: Setting) -> JsonObject:
    return {"type": "array", "items": {"type": "string"}} if setting.many else {"type": "string"}


def _unknown(mapping: Mapping, given: Table[str, Json]) -> list[tuple[str, str]]:
    problems = []
    for name in given:
        if name not in mapping.settings:
            guess = closest(name, list(mapping.settings))
            advice = f"; did you mean {guess}?" if guess else f"; available: {', '.join(mapping.settings)}."
            problems.append((name, f'There is no setting "{name}"{advice}'))
    return problems


def _value(setting: Setting, given: Json, environment: Table[str, str]) -> Json:
    try:
        value = setting.default if given is None else filled(given, environment)
    except RecursionError:
        raise ValueError("the value is nested too deeply.") from None
    if isinstance(value, Written):
        value = _converted(setting, str(value))
    if value is None:
        return None
    if isinstance(value, str):
        _check_text(setting, value)
    _check_writable(value)
    problem = validator(schema_of(setting))(value)
    if setting.type == "url" and isinstance(value, str) and (fault := url_fault(value)):
        raise ValueError(f"{fault}.")
    if problem is None:
        return value
    if setting.secret:
        raise ValueError(f"the value does not fit the type {setting.type}; it is secret and not shown.")
    raise ValueError(problem)


def url_fault(text: str) -> str | None:
    """Return why a text is not a valid value of a `url` setting, as a clause, or None."""
    return address_fault(text) if re.match(PATTERN, text) else NOT_ONE


def _check_text(setting: Setting, text: str) -> None:
    """Raise ValueError for a text that is certainly a mistake, without showing it."""
    if not text:
        raise ValueError("the text is empty.")
    if setting.secret and CONTROL.search(text):
        raise ValueError(
            "the text contains a line break or another control character; files of secrets often end with one."
        )
    if NOT_FILLED.search(text):
        raise ValueError(HOW_FILLED)


def _check_writable(value: Json) -> None:
    """Raise ValueError for what no request can contain, without showing it."""
    if any(LONE_SURROGATES.search(text) for text in _texts(value)):
        raise ValueError("the text is not valid UTF-8.")
    too_large = isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER
    if too_large or (isinstance(value, float) and not isfinite(value)):
        raise ValueError("the number does not fit into 64 bits.")


def filled(value: Json, environment: Table[str, str]) -> Json:
    """Fill in `${env:NAME}`; a text that had any is converted by the setting's type.

    Raises ValueError for a malformed one, and NotSet with all missing variables.
    """
    texts = list(_texts(value))
    if any(NOT_FILLED.search(ENVIRONMENT.sub("", text)) for text in texts):
        raise ValueError(HOW_FILLED)
    names = dict.fromkeys(name for text in texts for name in ENVIRONMENT.findall(text))
    if missing := [name for name in names if name not in environment]:
        raise NotSet(missing)
    return _put_in(value, environment)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield str.__str__(value)
    elif isinstance(value, list | dict):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


def _put_in(value: Json, environment: Table[str, str]) -> Json:
    if isinstance(value, str):
        if not ENVIRONMENT.search(value):
            return value
        return Written(ENVIRONMENT.sub(lambda match: environment[match[1]], value))
    if isinstance(value, list):
        return [_text(_put_in(item, environment)) for item in value]
    if isinstance(value, dict):
        return {key: _text(_put_in(member, environment)) for key, member in value.items()}
    return value


def _text(value: Json) -> Json:
    return str.__str__(value) if isinstance(value, Written) else value


def _converted(setting: Setting, text: str) -> Json:
    if text != text.strip():
        raise ValueError("the text has white space at its start or end.")
    if setting.type in ("string", "url"):
        return text
    if setting.type == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f'"{_seen(setting, text)}" is neither true nor false.')
        return text == "true"
    return _from_json(setting, text)


def _from_json(setting: Setting, text: str) -> Json:
    import orjson

    names = {"integer": "a whole number", "number": "a number", "list": "a JSON list", "table": "a JSON object"}
    shapes: dict[str, type | tuple[type, ...]] = {"integer": int, "number": (int, float), "list": list, "table": dict}
    try:
        value = cast("Json", orjson.loads(text))
    except orjson.JSONDecodeError:
        value = None
    if value is None or isinstance(value, bool) or not isinstance(value, shapes[setting.type]):
        raise ValueError(f'"{_seen(setting, text)}" is not {names[setting.type]}.')
    return value


def _seen(setting: Setting, text: str) -> str:
    return "***" if setting.secret else text[:60]


def _wrapped(value: Json) -> Json:
    if isinstance(value, str):
        return Secret(str.__str__(value))
    if isinstance(value, list):
        return [_wrapped(item) for item in value]
    if isinstance(value, dict):
        return {key: _wrapped(member) for key, member in value.items()}
    return value


PATTERN = r"^https?://[^/?#\s]+[^?#\s]*$"
ADDRESS = re.compile(PATTERN, re.IGNORECASE)

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Hosts that are this machine."""

NOT_ONE = "this is not an http:// or https:// address without ? and #"
WITH_USER = "this address has a name or password before an @, which proxies and logs would show; remove it"
BAD_PORT = "the port of this address is not a number from 1 to 65535"


def address_fault(text: str) -> str | None:
    """Return why a text is not a valid address, as a clause, or None."""
    real = str.__str__(text)
    if not ADDRESS.match(real):
        return NOT_ONE
    if fault := authority_fault(real):
        return fault
    return None if urlsplit(real).hostname else NOT_ONE


def authority_fault(text: str) -> str | None:
    """Return the problem of the part before the path, as a clause, or None."""
    real = str.__str__(text)
    authority = re.split(r"[/?#]", real.partition("://")[2], maxsplit=1)[0]
    return WITH_USER if "@" in authority else host_fault(real)


def host_fault(text: str) -> str | None:
    """Return the problem of host and port, as a clause, or None."""
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets without an IPv6 address
        return NOT_ONE
    try:
        return BAD_PORT if parts.port == 0 else None
    except ValueError:
        return BAD_PORT
