"""What is certain about a value before any event: that it always or never exists, and which keys it can have.

In doubt, nothing is certain: a check that is wrong once is no longer trusted.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths
from engine.mapping import types
from engine.mapping.keys import IN_LIST
from engine.mapping.model import (
    OBJECT_WORDS,
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    From,
    Instruction,
    ListOf,
    Mapping,
    Merge,
    Modifiers,
    PathValue,
    TextOf,
    Value,
)
from engine.mapping.walk import Use
from engine.records import Json

KnownKeys = frozenset[str] | None
CHANGING = ("map", *(key.attribute for key in OBJECT_WORDS))
"""Modifiers that can make a value disappear."""
NO_NAMES: frozenset[str] = frozenset()
EVERYWHERE = frozenset.union(*(frozenset(fields) for fields in FIELDS.values()))


def why_always(mapping: Mapping, value: Value) -> str:
    """Return why a value exists for every event ("it is a constant"), or '' where that is not certain."""
    if isinstance(value, PathValue):
        return _why_always_path(mapping, value.path)
    if isinstance(value, Choice):
        return next(filter(None, (why_always(mapping, each) for each in value.alternatives)), "")
    modifiers = value.modifiers
    if modifiers.when is not None or modifiers.unless is not None:
        return ""
    if modifiers.default is not None and modifiers.default[0] is not None:
        return "it has a default"
    if modifiers.required:
        return "it is required"
    return why_made(mapping, value)


def why_made(mapping: Mapping, value: Instruction) -> str:
    """Return why an instruction always has a value once its conditions hold, without its default, or ''."""
    modifiers, source = value.modifiers, value.source
    if modifiers.as_ or any(getattr(modifiers, word) is not None for word in CHANGING):
        return ""
    if isinstance(source, Const) and source.value is not None:
        return "it is a constant"
    if isinstance(source, TextOf) and source.text.literal:
        return "it is a text without ${}"
    return why_always(mapping, source.value) if isinstance(source, From) else ""


def _why_always_path(mapping: Mapping, path: str) -> str:
    chain = types.plain(path)
    if len(chain) != 2:
        return ""
    root, name = chain
    setting = mapping.settings.get(name)
    given = setting is not None and (setting.default is not None or not setting.optional)
    if root == "settings" and setting is not None and given and (setting.missing, setting.format) != ("drop", "text"):
        return "the setting always has a value"
    if root == "parts" and name in mapping.parts:
        return mapping.once(("why_always", name), "", lambda: why_always(mapping, mapping.parts[name]))
    return ""


def keys_of(mapping: Mapping, value: Value) -> KnownKeys:
    """Return all keys a value can have where it is an object, or None if there may be others."""
    if isinstance(value, PathValue):
        chain = types.plain(value.path)
        if len(chain) != 2 or chain[0] != "parts" or chain[1] not in mapping.parts:
            return None
        return mapping.once(("keys_of", chain[1]), None, lambda: keys_of(mapping, mapping.parts[chain[1]]))
    if isinstance(value, Choice):
        return _union([keys_of(mapping, each) for each in value.alternatives])
    if value.modifiers.as_ or value.modifiers.map is not None:
        return None
    return with_default(value.modifiers, after_rename(value.modifiers, made_keys(mapping, value)))


def made_keys(mapping: Mapping, value: Instruction) -> KnownKeys:
    """Return the keys that the source of an instruction can make."""
    source = value.source
    if isinstance(source, From):
        return keys_of(mapping, source.value)
    if isinstance(source, Const):
        return frozenset(source.value) if isinstance(source.value, dict) else None
    if isinstance(source, Fields):
        names = [key.literal for key, _ in source.entries]
        return None if None in names else frozenset(name for name in names if name is not None)
    if isinstance(source, Merge):
        members = source.members
        return _union([keys_of(mapping, member) for member in members]) if isinstance(members, tuple) else None
    return None


def after_only(modifiers: Modifiers, keys: KnownKeys) -> KnownKeys:
    """Return the keys that `only` leaves."""
    if not isinstance(modifiers.only, tuple):
        return keys
    return frozenset(modifiers.only) if keys is None else keys & frozenset(modifiers.only)


def after_except(modifiers: Modifiers, keys: KnownKeys) -> KnownKeys:
    """Return the keys that `only` and `except` leave."""
    left = after_only(modifiers, keys)
    if left is None or not isinstance(modifiers.except_, tuple):
        return left
    return left - frozenset(modifiers.except_)


def after_rename(modifiers: Modifiers, keys: KnownKeys) -> KnownKeys:
    """Return the keys after `only`, `except` and `rename`, or None where a later modifier may change them."""
    left, rename = after_except(modifiers, keys), modifiers.rename
    followed = modifiers.flatten is None and modifiers.keys is None and modifiers.prefix is None
    if left is None or not followed or isinstance(rename, str):
        return None
    return frozenset(rename.get(key, key) for key in left) if rename is not None else left


def with_default(modifiers: Modifiers, keys: KnownKeys) -> KnownKeys:
    """Add the keys of a `default`."""
    default: Json = modifiers.default[0] if modifiers.default is not None else None
    if keys is None or not isinstance(default, dict):
        return keys
    return keys | frozenset(default)


def _union(found: list[KnownKeys]) -> KnownKeys:
    known = [keys for keys in found if keys is not None]
    return NO_NAMES.union(*known) if len(known) == len(found) else None


def never_holds(mapping: Mapping, path: str, use: Use) -> bool:
    """Whether a condition reads only values that do not exist in a use, so that it can never hold."""
    return _empty(mapping, path, use, holds=True)


def never_exists(mapping: Mapping, path: str, use: Use) -> bool:
    """Whether a path reads only values that do not exist in a use, so that it has no value."""
    return _empty(mapping, path, use, holds=False)


def _empty(mapping: Mapping, path: str, use: Use, *, holds: bool) -> bool:
    try:
        parsed = paths.parse(path)
        roots = parsed.roots
        if not roots or parsed.uses_current_root or not all(_root_is_absent(mapping, root, use) for root in roots):
            return False
        found = paths.search(path, {})
    except (PathError, paths.PathTooLongError):
        return False
    except paths.PathTypeError:
        return True
    return found is None or (holds and found in (False, "", [], {}))


def _root_is_absent(mapping: Mapping, root: paths.Root, use: Use) -> bool:
    name = root.name
    if name == "parts" and root.members:
        part = mapping.parts.get(root.members[0])
        key = ("absent", root.members[0], use.call, use.saved, use.step.for_each is None)
        return part is not None and mapping.once(key, False, lambda: absent(mapping, part, use))
    if name == "saved" and root.members:
        return root.members[0] not in use.saved
    if name in IN_LIST:
        return use.step.for_each is None
    return name in EVERYWHERE and name not in FIELDS[use.call]


def absent(mapping: Mapping, value: Value, use: Use) -> bool:
    """Whether a value never exists in a use, because nothing that it is made of does."""
    if isinstance(value, PathValue):
        return _empty(mapping, value.path, use, holds=False)
    if isinstance(value, Choice):
        return all(absent(mapping, each, use) for each in value.alternatives)
    if value.modifiers.default is not None and value.modifiers.default[0] is not None:
        return False
    source = value.source
    if isinstance(source, TextOf):
        return any(_empty(mapping, hole.path, use, holds=False) for hole in source.text.holes)
    if isinstance(source, From):
        return absent(mapping, source.value, use)
    if isinstance(source, Each | Entries):
        return absent(mapping, source.of, use)
    if value.modifiers.as_ or not isinstance(source, Fields | Merge | ListOf):
        return False  # functions may turn an empty object or list into a value
    members: Iterable[Value]
    if isinstance(source, Fields):
        members = (member for _, member in source.entries)
    else:
        members = source.members if isinstance(source.members, tuple) else (source.members,)
    return all(absent(mapping, member, use) for member in members)
