"""What is known of a vendor's API before there is a mapping: settings, requests, and the fields of their bodies.

The readers (curl.py, openapi.py, answers.py) make an `Outline`, and build.py the file. What strangers wrote enters here
and nowhere else: names go through `snake`, texts through `clean`. Credentials are not in an outline, only the settings
that take their place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice

from engine.language.texts import visible
from engine.records import Json, JsonObject

LONGEST_NAME = 40
LONGEST_TEXT = 200
"""Of a sample, a comment or a title, in characters."""
MOST_FIELDS = 200
"""Of one request, at all depths."""
DEEPEST = 8
"""Objects in objects; deeper ones are taken as they are."""

CALLS = ("identify", "track", "page", "screen", "group", "alias", "delete")
WORD = re.compile(r"[^a-z0-9]+")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class VendorField:
    """A field of a body: `kind` is text, number, integer, boolean, object, list or any.

    `members` are those of an object, or of the objects in a list. `sample` is a value that the vendor accepts;
    `setting` the secret setting whose value the field takes; `schema` is draft 7, if there is one.
    """

    key: str
    kind: str
    sample: Json = None
    required: bool = False
    members: tuple[VendorField, ...] = ()
    note: str = ""
    format: str = ""
    constant: bool = False
    setting: str = ""
    schema: JsonObject | None = None


@dataclass(slots=True)
class NewSetting:
    """A setting of the new mapping."""

    name: str
    title: str
    about: str = ""
    type: str = "string"
    secret: bool = False
    sent_in: str = ""
    example: Json = None
    choices: tuple[str, ...] = ()
    default: str = ""

    def is_like(self, other: NewSetting) -> bool:
        """Whether a value of one can be the other's: a secret that is sent elsewhere is another setting."""
        return (self.title, self.secret, self.sent_in) == (other.title, other.secret, other.sent_in)

    def written(self) -> JsonObject:
        """Return its keys as they stand in a mapping."""
        every: JsonObject = {
            "title": self.title,
            "about": self.about,
            "type": self.type,
            "secret": self.secret,
            "sent_in": self.sent_in,
            "choices": list(self.choices),
            "default": self.default,
            "example": self.example,
        }
        return {key: value for key, value in every.items() if value}


@dataclass(slots=True)
class NewRequest:
    """A request of the new mapping. `path`, `query` and `headers` are texts with `${path}` as a mapping has them."""

    name: str
    method: str = "POST"
    path: str = ""
    about: str = ""
    calls: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    encode: str = "json"
    fields: tuple[VendorField, ...] | None = None
    in_list: bool = False
    schema: JsonObject | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outline:
    """A mapping to be written; `notes` are for the person who asked for it."""

    name: str
    title: str
    base_url: str = ""
    about: str = ""
    docs: str = ""
    settings: dict[str, NewSetting] = field(default_factory=dict)
    http: JsonObject = field(default_factory=dict)
    requests: list[NewRequest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_setting(self, setting: NewSetting) -> str:
        """Add a setting, or find the one that is the same; return its name, which `settings.` is put before."""
        name, title, number = setting.name, setting.title, 1
        while setting.name in self.settings and not self.settings[setting.name].is_like(setting):
            number += 1
            setting.name, setting.title = f"{name}_{number}", f"{title} {number}"
        return self.settings.setdefault(setting.name, setting).name

    def add_request(self, request: NewRequest) -> None:
        """Add a request under a name that is not taken."""
        taken, name, number = {each.name for each in self.requests}, request.name, 1
        while request.name in taken:
            number += 1
            request.name = f"{name}_{number}"
        self.requests.append(request)


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text, for tables of them."""
    return frozenset(text.split())


def words(text: str) -> list[str]:
    """Return the words of a name in lowercase, ASCII only: `userId2` -> user, id2."""
    short = text[: LONGEST_TEXT * 2]
    return [word for word in WORD.split(HUMP.sub(" ", short).lower()) if word]


def snake(text: str, otherwise: str) -> str:
    """Return a name as mappings have them (`^[a-z][a-z0-9_]*$`), at most 40 characters."""
    name = "_".join(words(text))[:LONGEST_NAME].strip("_").lstrip("0123456789_")
    return name or otherwise


def title_of(text: str) -> str:
    """Return a name as a title: `api_key` -> `API key`."""
    title = " ".join(words(text)) or text
    title = re.sub(r"\b(api|id|url|ip|uuid)\b", lambda found: found[0].upper(), title)
    return title[:1].upper() + title[1:LONGEST_NAME]


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a stranger's text as one visible line, at most `longest` characters."""
    line = " ".join(SURROGATES.sub("\ufffd", text[: longest * 4]).split())
    return visible(line if len(line) <= longest else line[: longest - 1] + "…")


def literal(text: str) -> str:
    """Return a text whose `${` is only text in a mapping."""
    return text.replace("${", "$${")


def shortened(value: Json, depth: int = 0) -> Json:
    """Return a sample of bounded size: texts to 200 characters, lists to 3 items, objects to 50 keys."""
    if isinstance(value, str):
        return SURROGATES.sub("\ufffd", value[:LONGEST_TEXT])
    if isinstance(value, list):
        return [shortened(each, depth + 1) for each in value[:3]] if depth < DEEPEST else []
    if isinstance(value, dict):
        members = islice(value.items(), 50) if depth < DEEPEST else ()
        return {SURROGATES.sub("\ufffd", key[:LONGEST_TEXT]): shortened(each, depth + 1) for key, each in members}
    return value
