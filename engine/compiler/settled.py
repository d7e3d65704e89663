"""What is certain about a path before any event: whether it reads secrets, saved values, or only settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from engine.compiler.writer import Module
from engine.errors import PathError
from engine.language import paths
from engine.language.template import Text
from engine.mapping.model import Instruction, Mapping, TextOrValue, Value
from engine.mapping.walk import descendants, paths_of, texts_of


class Test(Protocol):
    """A question about one root of a path."""

    def __call__(self, mapping: Mapping, root: paths.Root, /) -> bool: ...


SCALARS = frozenset({"string", "url", "boolean", "integer", "number"})


def is_text(mapping: Mapping, path: str) -> bool:
    """Whether a path surely gives something with a text: a scalar setting that must be there."""
    name = plain_setting(path)
    setting = mapping.settings.get(name or "")
    return setting is not None and setting.type in SCALARS and not setting.optional


def plain_setting(path: str) -> str | None:
    """Return the name where the whole path is `settings.name`."""
    parsed = paths.parse(path)
    if len(parsed.roots) != 1 or parsed.roots[0].name != "settings" or len(parsed.roots[0].members) != 1:
        return None
    name = parsed.roots[0].members[0]
    return name if path.strip() == f"settings.{name}" else None


def settings_only(path: str) -> bool:
    """Whether a path reads nothing but settings and cannot fail, so that it is known once connected."""
    parsed = paths.parse(path)
    return not parsed.can_fail and all(root.name == "settings" for root in parsed.roots)


def is_secret(module: Module, path: str) -> bool:
    """Whether a path may read a secret setting, directly or through a part."""
    return _reaches(module.mapping, path, _secret_setting, frozenset())


def is_saved(module: Module, path: str) -> bool:
    """Whether a path may read a saved value, directly or through a part."""
    return _reaches(module.mapping, path, lambda _mapping, root: root.name == "saved", frozenset())


def value_is_secret(module: Module, value: Value) -> bool:
    """Whether any path inside a value may read a secret setting."""
    return any(is_secret(module, path) for path in paths_of(value))


def value_is_saved(module: Module, value: Value) -> bool:
    """Whether any path inside a value may read a saved value."""
    return any(is_saved(module, path) for path in paths_of(value))


def settled(text: TextOrValue) -> bool:
    """Whether a URL part or header needs nothing of the event."""
    return all(settings_only(path) for path in texts_of(text)) and not _asks_the_clock(text)


def _asks_the_clock(text: TextOrValue) -> bool:
    if isinstance(text, Text):
        return False
    inner = (value for value in descendants(text) if isinstance(value, Instruction))
    return any(value.modifiers.within is not None for value in inner)


def _secret_setting(mapping: Mapping, root: paths.Root) -> bool:
    if root.name != "settings":
        return False
    if not root.members:
        return any(setting.secret for setting in mapping.settings.values())
    setting = mapping.settings.get(root.members[0])
    return setting is not None and setting.secret


def _reaches(mapping: Mapping, path: str, wanted: Test, seen: frozenset[str]) -> bool:
    for root in _roots(path):
        if wanted(mapping, root):
            return True
        if root.name != "parts" or not root.members or root.members[0] in seen:
            continue
        part = mapping.parts.get(root.members[0])
        inner = seen | {root.members[0]}
        if part is not None and any(_reaches(mapping, deeper, wanted, inner) for deeper in paths_of(part)):
            return True
    return False


def _roots(path: str) -> Iterator[paths.Root]:
    try:
        yield from paths.parse(path).roots
    except PathError:
        return
