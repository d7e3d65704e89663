"""A resolved document (extends and includes merged) -> the Mapping noun, its values included.

Text is a path, a list is a choice, a mapping is an instruction; everything else is read by the declarations of the
model.  The document has passed the JSON Schema, so shapes are taken for granted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from engine.errors import PathError
from engine.language import template
from engine.language.template import Text
from engine.mapping.example import MappingExample
from engine.mapping.keys import Holds, Key, keys_of
from engine.mapping.model import (
    SOURCES,
    Batch,
    Choice,
    Http,
    Instruction,
    Mapping,
    Modifiers,
    PathValue,
    Request,
    Step,
    TextOrValue,
    Value,
)
from engine.mapping.oauth2 import OAuth2
from engine.mapping.response_rules import Response, Results
from engine.mapping.setting import Setting
from engine.mapping.signature import RequestSignature
from engine.records import Place

Noun = TypeVar("Noun")
Raw = dict[str, Any]


class BuildFaults:
    """Texts that could not be read, with their places; reading goes on with the text as it stands."""

    def __init__(self) -> None:
        self.found: list[tuple[Place, bool, PathError]] = []

    def text(self, written: str, place: Place, *, key: bool = False) -> Text:
        """Read a text with `${}`; `key` says that the text is a key, so that a problem lands on it."""
        try:
            return template.parse(written)
        except PathError as error:
            self.found.append((place, key, error))
            return Text((written,))


def build(raw: Raw, faults: BuildFaults) -> Mapping:
    """Make the model of a document that has passed the schema; texts that cannot be read go into `faults`."""
    reader = Reader(faults)
    calls = _table(raw, "calls")
    return Mapping(
        name=raw["name"],
        title=raw["title"],
        integrations=tuple(raw.get("integrations") or [raw["title"]]),
        about=raw.get("about", ""),
        docs=raw.get("docs", ""),
        nulls=raw.get("nulls", "keep"),
        empty_text=raw.get("empty_text", "keep"),
        settings=reader.by_name(Setting, raw, "settings", placed=False),
        http=reader.noun(Http, _table(raw, "http"), Http.place),
        requests=reader.by_name(Request, raw, "requests"),
        batches=reader.by_name(Batch, raw, "batches"),
        responses=reader.rules(raw.get("responses") or [], ("responses",)),
        retry=_table(raw, "retry"),
        check=raw.get("check"),
        privacy=_table(raw, "privacy"),
        parts={name: reader.value(item, ("parts", name)) for name, item in _table(raw, "parts").items()},
        calls={call: reader.steps(steps, ("calls", call)) for call, steps in calls.items() if isinstance(steps, list)},
        shared={call: steps for call, steps in calls.items() if isinstance(steps, str)},
        examples=tuple(_example(number, item) for number, item in enumerate(raw.get("examples") or [])),
    )


def _table(raw: Raw, word: str) -> Raw:
    table: Raw = raw.get(word) or {}
    return table


def _example(number: int, raw: Raw) -> MappingExample:
    return MappingExample(
        place=("examples", number),
        title=raw["title"],
        settings=raw.get("settings") or {},
        event=raw["event"],
        replies=tuple(raw.get("replies") or []),
        expect=raw["expect"],
    )


class Reader:
    """Reads the nouns of a document, each key by what it holds."""

    def __init__(self, faults: BuildFaults) -> None:
        self._text = faults.text
        self._by_holds: dict[Holds, Callable[[Any, Place], object]] = {
            Holds.TEXT: self._text,
            Holds.VALUE: self.value,
            Holds.VALUES: self._values,
            Holds.VALUES_OR_VALUE: self._values_or_value,
            Holds.TEXT_OR_VALUE: self._text_or_value,
            Holds.TEXT_BY_NAME: self._text_by_name,
            Holds.VALUE_BY_KEY: self._value_by_key,
            Holds.RULES: self.rules,
            Holds.RESULTS: lambda raw, place: self.noun(Results, raw, place),
            Holds.SIGNATURE: lambda raw, place: self.noun(RequestSignature, raw, place),
            Holds.OAUTH2: lambda raw, place: self.noun(OAuth2, raw, place),
        }

    def noun(self, noun: Callable[..., Noun], raw: Raw, place: Place, /, **known: Any) -> Noun:
        """Make a noun of the model: its declared keys from `raw`, and what is known of it besides."""
        for key in keys_of(noun):
            if raw.get(key.word) is not None or (key.word in raw and key.holds is Holds.JSON):
                known[key.attribute] = self._read(key, raw[key.word], (*place, key.word))
        return noun(**known)

    def _read(self, key: Key, raw: Any, place: Place) -> object:
        if key.convert is not None:
            return key.convert(raw)
        read = self._by_holds.get(key.holds)
        return raw if read is None else read(raw, place)

    def by_name(self, noun: Callable[..., Noun], raw: Raw, section: str, *, placed: bool = True) -> dict[str, Noun]:
        """Make the nouns of a section, each of which has a name."""
        found = {}
        for name, item in _table(raw, section).items():
            place: Place = (section, name)
            found[name] = self.noun(noun, item, place, name=name, **({"place": place} if placed else {}))
        return found

    def rules(self, raw: list[Raw], place: Place) -> tuple[Response, ...]:
        """Read rules of `responses`."""
        places: list[Place] = [(*place, number) for number in range(len(raw))]
        return tuple(self.noun(Response, rule, at, place=at) for rule, at in zip(raw, places, strict=True))

    def steps(self, raw: list[Raw], place: Place) -> tuple[Step, ...]:
        """Read the steps of a call."""
        return tuple(self._step(step, (*place, number)) for number, step in enumerate(raw))

    def _step(self, raw: Raw, place: Place) -> Step:
        body = {word: value for word, value in raw.items() if word not in STEP_WORDS}
        own = {word: value for word, value in raw.items() if word in STEP_WORDS}
        if "for_each" not in raw and "where" in raw:  # where no loop is the step's, it is that of `each` or `entries`
            body["where"] = own.pop("where")
        value = self._instruction(body, place) if SOURCES.keys() & body else None
        return self.noun(Step, own, place, place=place, value=value)

    def value(self, raw: Any, place: Place) -> Value:
        """Read any value."""
        if isinstance(raw, str):
            return PathValue(place, raw)
        if isinstance(raw, list):
            return Choice(place, self._values(raw, place))
        return self._instruction(raw, place)

    def _instruction(self, raw: Raw, place: Place) -> Instruction:
        source = next(source for word, source in SOURCES.items() if word in raw)
        return Instruction(place, self.noun(source, raw, place), self.noun(Modifiers, raw, place))

    def _values(self, raw: list[Any], place: Place) -> tuple[Value, ...]:
        return tuple(self.value(item, (*place, number)) for number, item in enumerate(raw))

    def _values_or_value(self, raw: Any, place: Place) -> tuple[Value, ...] | Value:
        return self._values(raw, place) if isinstance(raw, list) else self.value(raw, place)

    def _text_or_value(self, raw: Any, place: Place) -> TextOrValue:
        return self._instruction(raw, place) if isinstance(raw, dict) else self._text(raw, place)

    def _text_by_name(self, raw: Raw, place: Place) -> tuple[tuple[str, TextOrValue], ...]:
        return tuple((name, self._text_or_value(item, (*place, name))) for name, item in raw.items())

    def _value_by_key(self, raw: Raw, place: Place) -> tuple[tuple[Text, Value], ...]:
        places = {key: (*place, key) for key in raw}
        return tuple((self._text(key, at, key=True), self.value(raw[key], at)) for key, at in places.items())


STEP_WORDS = frozenset(key.word for key in keys_of(Step) if key.holds is not Holds.BODY)
