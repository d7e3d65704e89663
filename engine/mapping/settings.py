"""The settings of a connection: defaults, `${env:NAME}`, conversion of texts by type, checks by JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import replace
from math import isfinite
from typing import cast
from urllib.parse import urlsplit

from engine.errors import SettingsError
from engine.language.sizes import json_size
from engine.language.suggest import closest
from engine.language.texts import kind_of
from engine.mapping import templates
from engine.mapping.model import Mapping
from engine.mapping.schema import own_validator
from engine.mapping.setting import Setting
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, JsonObject, Secret, Secrets

ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
NOT_FILLED = re.compile(r"\$\{\s*(?:\w+\s*:[^}]*\}|env\b)", re.IGNORECASE)
HOW_FILLED = "it contains a ${...} that cannot be filled in; write ${env:NAME}, with letters, digits and _ in NAME."
LONE_SURROGATES = re.compile(r"[\ud800-\udfff]")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


SHORTEST_SECRET_PATH = 12
"""Characters of a secret URL's path; a shorter one, such as `/events`, would be found in innocent text."""
MOST_ROWS = 1000
"""Rows of one setting, those inside rows too."""
LARGEST_ROWS = 262_144
"""Characters of one setting's rows as JSON."""
MOST_HOLES = 5_000
"""`${}` in the templates of one setting's rows: each takes about a millisecond when the connection is made."""
MOST_FAULTS = 20
"""Of one setting that are shown."""


class Written(str):
    """A setting that came as text (`--set`, `${env:}`) and must be converted by its type."""

    __slots__ = ()


class NotSet(ValueError):  # noqa: N818  reads as what it is
    """A value names environment variables that are not set."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        what = f"variable {names[0]} is" if len(names) == 1 else f"variables {', '.join(names)} are"
        super().__init__(f"the environment {what} not set.")


class SettingFaults(ValueError):  # noqa: N818  reads as what it is
    """Several things that are wrong with the value of one setting, as sentences."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults[:MOST_FAULTS])
        super().__init__(self.faults[0])


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
            value = typed(mapping, setting, given.get(name), environment)
        except NotSet as error:
            if unset is None:
                problems.append((name, f"{label(setting)}: {error}"))
            else:
                unset += error.names
            continue
        except SettingFaults as error:
            problems += [(name, f"{label(setting)}: {fault}") for fault in error.faults]
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
        "template": {"type": "string", "minLength": 1} if setting.format == "text" else {},
        "rows": {"type": "array"},
    }
    result: JsonObject = dict(types[setting.type])
    if setting.choices:
        result["enum"] = list(setting.choices)
    if setting.pattern is not None:
        result = {"allOf": [result, {"pattern": setting.pattern}]}
    return result


def secrets_of(mapping: Mapping, settings: JsonObject, *, only_numbers: bool = False) -> Secrets:
    """Return the texts of secret settings, those in lists and tables too, which must be masked wherever they stand.

    Of a URL, its path too: it is all that a server sees, and names when it refuses a request (`Cannot POST /path`).
    """
    secret = [(setting, settings.get(name)) for name, setting in mapping.settings.items() if setting.secret]
    texts = [text for _, value in secret for text in _secret_texts(value, only_numbers=only_numbers)]
    urls = [
        text for setting, value in secret if setting.type == "url" for text in _secret_texts(value, only_numbers=False)
    ]
    paths = () if only_numbers else [urlsplit(url).path.rstrip("/") for url in urls]
    return Secrets([*texts, *(path for path in paths if len(path) >= SHORTEST_SECRET_PATH)])


def revealed(mapping: Mapping, other: Mapping) -> list[str]:
    """Return the secret settings of a mapping that are ordinary ones of another, which would show their values."""
    shared = [name for name in mapping.settings if name in other.settings]
    return [name for name in shared if mapping.settings[name].secret and not other.settings[name].secret]


def _secret_texts(value: Json, *, only_numbers: bool) -> Iterator[str]:
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _secret_texts(member, only_numbers=only_numbers)
    elif isinstance(value, str):
        if not only_numbers:
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


def typed(
    mapping: Mapping,
    setting: Setting,
    given: Json,
    environment: Table[str, str] | None = None,
    fits: Callable[[Json], str | None] | None = None,
) -> Json:
    """Return the value of a setting, or of a field of rows: what is given or the default, converted and checked.

    Without `environment` nothing is filled in: the value is written in the mapping itself. `fits` is the validator of
    the setting's schema where it is known. Raises ValueError.
    """
    if setting.type == "rows":
        return _rows(mapping, setting, given, environment)
    try:
        value = setting.default if given is None else given if environment is None else filled(given, environment)
    except RecursionError:
        raise ValueError("the value is nested too deeply.") from None
    if isinstance(value, Written):
        value = _converted(setting, str(value))
    if value is None:
        return None
    if isinstance(value, str):
        _check_text(setting, value)
    _check_writable(value)
    problem = (fits or own_validator(schema_of(setting)))(value)
    if setting.type == "url" and isinstance(value, str) and (fault := url_fault(value)):
        raise ValueError(f"{fault}.")
    if problem is None and setting.type == "template" and (found := templates.faults(mapping, setting, value)):
        raise SettingFaults(found)
    if problem is None:
        return value
    if setting.secret:
        raise ValueError(f"the value does not fit the type {setting.type}; it is secret and not shown.")
    raise ValueError(problem)


def _rows(mapping: Mapping, setting: Setting, given: Json, environment: Table[str, str] | None) -> Json:
    """Return rows with every field of them typed; raises SettingFaults that name row and field, and NotSet."""
    if given is None:
        given, environment = setting.default, None
    value = given
    if isinstance(value, str) and environment is not None:
        value = filled(value, environment)
    if isinstance(value, Written):
        value = _from_json(setting, str(value))
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f"this must be a list of rows, not {kind_of(value)}.")  # noqa: TRY004  wrong input
    if len(value) > MOST_ROWS:
        raise ValueError(f"there are {len(value):,} rows; at most {MOST_ROWS:,} are allowed.")
    if json_size(value) > LARGEST_ROWS:
        raise ValueError(f"the rows have more than {LARGEST_ROWS:,} characters.")
    if setting.holds_template and sum(text.count("${") for text in _texts(value)) > MOST_HOLES:
        raise ValueError(f"the templates in the rows have more than {MOST_HOLES:,} ${{}}.")
    reader = _RowReader(mapping, setting, environment)
    rows: list[Json] = [reader.row(f"row {number}", row) for number, row in enumerate(value, 1)]
    if reader.faults:
        raise SettingFaults(reader.faults)
    if reader.unset:
        raise NotSet(list(dict.fromkeys(reader.unset)))
    if (count := _row_count(setting, rows)) > MOST_ROWS:
        raise ValueError(f"there are {count:,} rows, with those inside rows; at most {MOST_ROWS:,} are allowed.")
    return rows


class _RowReader:
    """Reads the rows of one setting and collects what is wrong with them."""

    def __init__(self, mapping: Mapping, setting: Setting, environment: Table[str, str] | None) -> None:
        self.faults: list[str] = []
        self.unset: list[str] = []
        self._mapping = mapping
        self._fields = {name: replace(field, secret=setting.secret) for name, field in setting.fields.items()}
        self._fits = {name: own_validator(schema_of(field)) for name, field in self._fields.items()}
        self._environment = environment

    def row(self, at: str, row: Json) -> JsonObject:
        """Return a row with its fields typed and defaults put in."""
        if not isinstance(row, dict):
            self.faults.append(f"{at}: this must be an object with {', '.join(self._fields)}, not {kind_of(row)}.")
            return {}
        self.faults += [f"{at}: {_no_field(name, self._fields)}" for name in row if name not in self._fields]
        values = {name: self._field(at, field, row.get(name)) for name, field in self._fields.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _field(self, at: str, field: Setting, given: Json) -> Json:
        try:
            value = typed(self._mapping, field, given, self._environment, self._fits[field.name])
        except NotSet as error:
            self.unset += error.names
            return None
        except SettingFaults as error:
            self.faults += [f"{at}, {label(field)}: {fault}" for fault in error.faults]
            return None
        except ValueError as error:
            self.faults.append(f"{at}, {label(field)}: {error}")
            return None
        if value is None and not field.optional:
            self.faults.append(f"{at}, {label(field)} is not set.")
        return value


def _no_field(name: str, fields: Table[str, Setting]) -> str:
    guess = closest(name, list(fields))
    advice = f"; did you mean {guess}?" if guess else f"; available: {', '.join(fields)}."
    return f'there is no field "{name[:60]}"{advice}'


def _row_count(setting: Setting, rows: Sequence[Json]) -> int:
    inner = [field for field in setting.fields.values() if field.type == "rows"]
    lists = (row.get(field.name) or [] for row in rows if isinstance(row, dict) for field in inner)
    return len(rows) + sum(_row_count(field, held) for field in inner for held in lists if isinstance(held, list))


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
    if missing := [name for name in variables(value) if name not in environment]:
        raise NotSet(missing)
    return _put_in(value, environment)


def variables(value: Json) -> list[str]:
    """Return the names of the environment variables that a value refers to, each once."""
    return list(dict.fromkeys(name for text in _texts(value) for name in ENVIRONMENT.findall(text)))


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
    if setting.type == "template":
        return text
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

    shapes: dict[str, tuple[str, type | tuple[type, ...]]] = {
        "integer": ("a whole number", int),
        "number": ("a number", (int, float)),
        "list": ('a JSON list, such as ["a", "b"]', list),
        "table": ('a JSON object, such as {"a": "b"}', dict),
        "rows": ('a JSON list, such as [{"a": "b"}]', list),
    }
    name, shape = shapes[setting.type]
    try:
        value = cast("Json", orjson.loads(text))
    except orjson.JSONDecodeError:
        value = None
    if value is None or isinstance(value, bool) or not isinstance(value, shape):
        raise ValueError(f'"{_seen(setting, text)}" is not {name}.')
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
