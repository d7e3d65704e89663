"""What is certain about a path before any event: whether it reads secrets, saved values, or only settings."""

from __future__ import annotations

from engine.compiler.writer import Module
from engine.language import paths
from engine.mapping.model import Instruction, Mapping, Value
from engine.mapping.walk import descendants, paths_of, reached_roots

SCALARS = frozenset({"string", "url", "boolean", "integer", "number"})


def is_text(mapping: Mapping, path: str) -> bool:
    """Whether a path always has a text: a scalar setting that is not optional."""
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
    """Whether a path reads nothing but settings and cannot fail, so that it is known when a connection is made."""
    parsed = paths.parse(path)
    return not parsed.can_fail and all(root.name == "settings" for root in parsed.roots)


def is_secret(module: Module, path: str) -> bool:
    """Whether a path may read a secret setting, directly or through a part."""
    return any(_is_secret(module.mapping, root) for root in reached_roots(module.mapping, path))


def is_saved(module: Module, path: str) -> bool:
    """Whether a path may read a saved value, directly or through a part."""
    return any(root.name == "saved" for root in reached_roots(module.mapping, path))


def value_is_secret(module: Module, value: Value) -> bool:
    """Whether any path inside a value may read a secret setting."""
    return any(is_secret(module, path) for path in paths_of(value))


def value_is_saved(module: Module, value: Value) -> bool:
    """Whether any path inside a value may read a saved value."""
    return any(is_saved(module, path) for path in paths_of(value))


def asks_the_clock(value: Value) -> bool:
    """Whether a value depends on when it is asked for."""
    inner = (each for each in descendants(value) if isinstance(each, Instruction))
    return any(each.modifiers.within is not None for each in inner)


def _is_secret(mapping: Mapping, root: paths.Root) -> bool:
    if root.name != "settings":
        return False
    if not root.members:
        return any(setting.secret for setting in mapping.settings.values())
    setting = mapping.settings.get(root.members[0])
    return setting is not None and setting.secret
