"""Settings for people who fill them in."""

from __future__ import annotations

from collections.abc import Iterator

from engine.mapping.model import Mapping
from engine.mapping.setting import Setting
from engine.pages import markdown
from engine.pages.markdown import code, prose

KINDS = {
    "string": "text",
    "url": "URL",
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "list": "list of texts",
    "table": "table",
    "rows": "rows",
    "template": "template",
}
SENT_IN = {"body": "body", "url": "URL"}


def settings_table(mapping: Mapping) -> Iterator[str]:
    """Return the settings of a mapping as a table."""
    titles = ["setting", "title", "type", "required", "default", "secret", "about"]
    yield from markdown.table(titles, (_row(setting) for setting in mapping.settings.values()))


def _row(setting: Setting) -> list[str]:
    need = "no" if setting.optional or setting.default is not None else "yes"
    default = "" if setting.default is None else markdown.value(setting.default)
    secret = (
        ("yes" + (f", sent in the {SENT_IN[setting.sent_in]}" if setting.sent_in else "")) if setting.secret else "no"
    )
    example = [] if setting.example is None else [f"Example: {markdown.value(setting.example)}."]
    about = " ".join([*([prose(setting.about)] if setting.about else []), *example])
    return [code(setting.name), prose(setting.title), kind(setting), need, default, secret, about]


def kind(setting: Setting) -> str:
    """Return what a setting's value is: `text`, `one of a, b`, `rows of ...`."""
    found = KINDS[setting.type]
    if setting.choices:
        found = "one of " + ", ".join(map(markdown.value, setting.choices))
    if setting.fields:
        fields = (f"{code(name)} ({', '.join([kind(field), *_need(field)])})" for name, field in setting.fields.items())
        found += f" of {', '.join(fields)}"
    return found


def _need(field: Setting) -> list[str]:
    if field.default is not None:
        return [f"default {markdown.value(field.default)}"]
    return ["optional"] if field.optional else []
