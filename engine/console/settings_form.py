"""The form of a connection, made from its mapping: what it shows, and what becomes of what is typed.

A value that nobody changed stays exactly as the file has it. `${env:NAME}` stays text: only the engine fills it in,
when the file is loaded. A secret is never in a form: its field asks for the name of the environment variable of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, NoReturn

from engine.delivery.connections import SOURCES
from engine.mapping.model import Mapping
from engine.mapping.setting import Setting
from engine.mapping.settings import ENVIRONMENT, label, variables
from engine.records import Json, JsonObject

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
AREAS = ("list", "table", "rows", "template")
"""Types whose values are typed into several lines."""
WRITTEN = ("destination", "enabled", "settings", "calls", "when", "rate_limit")
"""The fields of a connection that the form has, in the order of the file; all others stay as they are."""
NOT_SHOWN, NOT_THERE = "set, not shown", "not set"
NO_CALLS = "Choose at least one call, or all of them."
NO_NAME = "Give the connection a name."
TAKEN = 'There is a connection "{name}" already. Choose another name, or change that one.'
RESERVED = '"sources" says who may send events; a connection needs another name.'
LITERAL = (
    "What was typed looks like the secret itself, so it was not kept. Secrets stay out of the file: set the "
    "environment variable {name} to it where the service starts, and start it again."
)


class FormChoice(NamedTuple):
    """An entry of a list of choices."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One setting as a field.

    `control` is `text`, `area`, `choice` or `secret`. Of a secret, `value` is the name of a variable, `held` says that
    the file has the secret itself, and `is_set` whether this process has the variable.
    """

    setting: Setting
    control: str
    value: str = ""
    choices: tuple[FormChoice, ...] = ()
    placeholder: str = ""
    default: str = ""
    held: bool = False
    is_set: bool | None = None
    errors: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name of its control in the form."""
        return f"setting.{self.setting.name}"

    @property
    def required(self) -> bool:
        """Whether a connection cannot be made without it."""
        return _is_required(self.setting)


class Submitted(NamedTuple):
    """What a form becomes: a connection's name and fields, and errors by the field's key.

    `literals` are the settings for which a secret was typed instead of a name. `shown` is what was typed, by key,
    without those secrets.
    """

    name: str
    fields: JsonObject
    errors: dict[str, str]
    literals: tuple[str, ...]
    shown: dict[str, str]


def proposed_variable(connection: str, setting: str) -> str:
    """Return the name of an environment variable for a setting: `SHOP_API_KEY`."""
    text = re.sub(r"[^A-Z0-9]+", "_", f"{connection}_{setting}".upper())
    return text if NAME.fullmatch(text) else f"_{text}"[:128]


def text_of(value: Json) -> str:
    """Return a value as it is typed: text without quotes, all else as JSON, rows line by line; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        lines = (f"  {json.dumps(each, ensure_ascii=False)}" for each in value)
        return "\n".join(["[", ",\n".join(lines), "]"])
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) and value else None)


def form_fields(
    mapping: Mapping, connection: str, settings: JsonObject, environment: Table[str, str]
) -> list[FormField]:
    """Return the fields of a mapping's settings, with their values as the file has them."""
    return [_field(each, connection, settings.get(each.name), environment) for each in mapping.settings.values()]


def with_input(
    fields: Sequence[FormField],
    submitted: Submitted,
    errors: Table[str, Sequence[str]],
    environment: Table[str, str],
) -> list[FormField]:
    """Return the fields with what was typed, and with errors by key."""
    return [_typed_again(each, submitted, errors.get(each.key, ()), environment) for each in fields]


def _typed_again(
    field: FormField, submitted: Submitted, errors: Sequence[str], environment: Table[str, str]
) -> FormField:
    value = submitted.shown.get(field.key, field.value)
    field = replace(field, value=value, errors=tuple(errors))
    if field.control == "secret":
        name = ENVIRONMENT.sub(r"\1", value)
        return replace(field, value=name, is_set=name in environment if name else None)
    if field.control == "choice" and value not in [each.value for each in field.choices]:
        return replace(field, choices=(*field.choices, FormChoice(value, value)))
    return field


def _field(setting: Setting, connection: str, value: Json, environment: Table[str, str]) -> FormField:
    if setting.secret:
        return _secret_field(setting, connection, value, environment)
    shown, default = text_of(value), text_of(setting.default)
    example = "" if setting.example is None or setting.type == "boolean" else text_of(setting.example)
    field = FormField(setting=setting, control="text", value=shown, placeholder=example, default=default)
    if setting.type in AREAS:
        return replace(field, control="area")
    if not setting.choices and setting.type != "boolean":
        return field
    texts = [text_of(each) for each in setting.choices or (True, False)]
    first = FormChoice("", f"Default: {default}" if default else "Not set" if setting.optional else "Choose …")
    others = [shown] if shown and shown not in texts else []
    return replace(field, control="choice", choices=(first, *(FormChoice(each, each) for each in [*texts, *others])))


def _secret_field(setting: Setting, connection: str, value: Json, environment: Table[str, str]) -> FormField:
    name = _reference(value)
    held = value is not None and name is None
    return FormField(
        setting=setting,
        control="secret",
        value=name or "",
        placeholder=proposed_variable(connection, setting.name) if connection else "",
        held=held,
        is_set=name in environment if name else None,
    )


def _is_required(setting: Setting) -> bool:
    return not setting.optional and setting.default is None


def _reference(value: Json) -> str | None:
    """Return the variable's name of a value that is nothing but `${env:NAME}`."""
    match = ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def submitted_form(
    mapping: Mapping,
    raw: JsonObject,
    typed: Table[str, str],
    calls: Sequence[str],
    environment: Table[str, str],
    *,
    is_new: bool = False,
) -> Submitted:
    """Return what a form becomes; `raw` has the connection's fields as the file has them.

    `typed` has the texts of the controls by name, `calls` the calls that are chosen. A new connection gets the names
    that are proposed for the secrets that it must have.
    """
    name = typed.get("name", "").strip()
    given = {f"setting.{each}": _line_ends(typed.get(f"setting.{each}", "")) for each in mapping.settings}
    if is_new and name:
        needed = (each for each in mapping.settings.values() if each.secret and _is_required(each))
        missing = {f"setting.{each.name}": proposed_variable(name, each.name) for each in needed}
        given |= {key: text for key, text in missing.items() if not given[key].strip()}
    reader = _SettingsReader(name, environment, {key for key in typed if key.startswith("remove.")})
    settings = reader.settings(mapping, _object(raw.get("settings")), given)
    fields = {**raw, "settings": settings}
    if not settings and "settings" not in raw:
        del fields["settings"]
    _rest(mapping, fields, typed, calls, reader.errors)
    if is_new:
        fields = {key: fields[key] for key in WRITTEN if key in fields}
    others = {key: value for key, value in typed.items() if not key.startswith("setting.")}
    return Submitted(name, fields, reader.errors, tuple(reader.literals), others | reader.shown)


class _SettingsReader:
    """Reads the settings of a form; `shown` is what was typed, without secrets."""

    def __init__(self, connection: str, environment: Table[str, str], removed: set[str]) -> None:
        self.errors: dict[str, str] = {}
        self.literals: list[str] = []
        self.shown: dict[str, str] = {}
        self._connection, self._environment, self._removed = connection, environment, removed

    def settings(self, mapping: Mapping, old: JsonObject, given: Table[str, str]) -> JsonObject:
        """Return the settings; those that are not of the mapping stay."""
        settings = dict(old)
        for name, setting in mapping.settings.items():
            key = f"setting.{name}"
            try:
                value = self._value(setting, old.get(name), given[key])
            except ValueError as error:
                self.errors[key] = f"{label(setting)}: {error}"
                continue
            if value is None:
                settings.pop(name, None)
            else:
                settings[name] = value
        return settings

    def _value(self, setting: Setting, old: Json, text: str) -> Json:
        key = f"setting.{setting.name}"
        if not setting.secret:
            self.shown[key] = text
            return _value(setting, old, text)
        text = text.strip()
        is_removed = f"remove.{setting.name}" in self._removed
        value = None if is_removed else _secret(setting, self._connection, old, text, self._environment)
        name = self.shown[key] = _reference(value) or ""
        if name and text not in (name, f"${{env:{name}}}"):
            self.literals.append(setting.name)
        return value


def name_error(name: str, existing: Sequence[str]) -> str | None:
    """Return why a new connection cannot have this name, as far as the file's own rules do not say it."""
    if not name:
        return NO_NAME
    if name == SOURCES:
        return RESERVED
    return TAKEN.format(name=name[:64]) if name in existing else None


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _line_ends(text: str) -> str:
    """Undo what browsers do to the line ends of a text."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _secret(setting: Setting, connection: str, old: Json, text: str, environment: Table[str, str]) -> Json:
    """Return the value of a secret setting: a reference to what was typed, or to what is proposed instead."""
    held = _reference(old)
    if not text:
        return old if held is None else None
    if _reference(text):
        return text
    proposed = proposed_variable(connection, setting.name)
    is_name = text in environment or text in (proposed, held) or _looks_like_a_name(text)
    return f"${{env:{text if is_name else proposed}}}"


def _looks_like_a_name(text: str) -> bool:
    """Whether a text is rather the name of a variable than a secret: capitals, in words if there are digits."""
    is_name = NAME.fullmatch(text) and text == text.upper() and len(text) <= 64
    return bool(is_name) and (text.isalpha() or "_" in text)


def _value(setting: Setting, old: Json, text: str) -> Json:
    """Return the value of what was typed; what does not fit stays text, which the checks of settings explain."""
    if text == _line_ends(text_of(old)):
        return old
    if not text.strip():
        return None
    for each in setting.choices:
        if text == text_of(each):
            return each
    if setting.type == "boolean" and text in ("true", "false"):
        return text == "true"
    is_json = setting.type in ("integer", "number", "list", "table", "rows")
    if setting.type == "template" and setting.format == "json" and not isinstance(old, str | None):
        return _json_or_text(text)
    if not is_json or variables(text):
        return text
    return _json_or_text(text) if setting.type in ("integer", "number") else _json(text)


def _json_or_text(text: str) -> Json:
    try:
        return _json(text)
    except ValueError:
        return text


def _json(text: str) -> Json:
    """Return the value of JSON; raises ValueError that says where it is wrong."""
    try:
        value: Json = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]} ({at}).") from None
    except RecursionError:
        raise ValueError("the value is nested too deeply.") from None
    return value


def _unique(pairs: list[tuple[str, Json]]) -> JsonObject:
    table: JsonObject = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f'this JSON has the key "{key[:60]}" twice.')
        table[key] = value
    return table


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON.")


def calls_of(mapping: Mapping, raw: JsonObject) -> list[str]:
    """Return the calls that a connection can choose from: those of its mapping, and those that it names."""
    own = raw.get("calls")
    named = [each for each in own if isinstance(each, str)] if isinstance(own, list) else []
    return list(dict.fromkeys([*mapping.calls, *mapping.shared, *named]))


def chosen_calls(mapping: Mapping, raw: JsonObject) -> list[str]:
    """Return the calls that are chosen: all of them, unless the connection names some."""
    own = raw.get("calls")
    return [each for each in calls_of(mapping, raw) if not isinstance(own, list) or each in own]


def _rest(
    mapping: Mapping, fields: JsonObject, typed: Table[str, str], calls: Sequence[str], errors: dict[str, str]
) -> None:
    """Put the fields that are no settings into a connection's fields."""
    enabled = "enabled" in typed and typed.get("as") != "disabled"
    if (fields.get("enabled") is not False) != enabled:
        fields["enabled"] = enabled
    known = calls_of(mapping, fields)
    if set(calls) != set(chosen_calls(mapping, fields)):
        if not calls:
            errors["calls"] = NO_CALLS
        elif set(calls) >= set(known):
            fields.pop("calls", None)
        else:
            fields["calls"] = [each for each in known if each in calls]
    for key in ("when", "rate_limit"):
        text = _line_ends(typed.get(key, ""))
        if text == _line_ends(text_of(fields.get(key))):
            continue
        if text.strip():
            fields[key] = text if key == "when" else text.strip()
        else:
            fields.pop(key, None)


def pasted(mapping: Mapping, name: str, fields: JsonObject) -> tuple[JsonObject, list[str]]:
    """Return a connection's fields as they may be shown, and the secret settings that the file itself has.

    Those are shown as the variable that is proposed; settings that the mapping does not have are left out.
    """
    shown: JsonObject = {}
    held: list[str] = []
    for key, value in _object(fields.get("settings")).items():
        setting = mapping.settings.get(key)
        if setting is not None and setting.secret and _reference(value) is None:
            held.append(key)
            shown[key] = f"${{env:{proposed_variable(name, key)}}}"
        elif setting is not None:
            shown[key] = value
    ordered = [*(key for key in WRITTEN if key in fields), *(key for key in fields if key not in WRITTEN)]
    result = {key: shown if key == "settings" else fields[key] for key in ordered}
    return {key: value for key, value in result.items() if key != "settings" or shown}, held


class SettingDifference(NamedTuple):
    """What a field says in the file now, and in a form."""

    name: str
    theirs: str
    mine: str


def differences(mapping: Mapping, theirs: JsonObject, mine: JsonObject) -> list[SettingDifference]:
    """Return what differs between two versions of a connection, without secrets."""
    found = [_difference(key, theirs.get(key), mine.get(key)) for key in (*WRITTEN, "base_url") if key != "settings"]
    one, other = _object(theirs.get("settings")), _object(mine.get("settings"))
    for name, setting in mapping.settings.items():
        found.append(_difference(name, one.get(name), other.get(name), secret=setting.secret))
    return [each for each in found if each is not None]


def _difference(name: str, theirs: Json, mine: Json, *, secret: bool = False) -> SettingDifference | None:
    if json.dumps(theirs, sort_keys=True) == json.dumps(mine, sort_keys=True):
        return None
    texts = [
        NOT_SHOWN if secret and each is not None and not _reference(each) else text_of(each) for each in (theirs, mine)
    ]
    return SettingDifference(name, texts[0] or NOT_THERE, texts[1] or NOT_THERE)
