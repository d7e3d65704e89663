"""The base of the model's classes: frozen dataclasses whose methods are shared instead of generated for each class.

`@dataclass(frozen=True, slots=True)` compiles six methods for each class at every start: 3.3 million instructions, as
long as a tenth of a bare interpreter takes.  The fields are declared as in any dataclass, and `fields` and `replace` of
the standard library work; only the methods are these.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, fields
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Noun:
    """A frozen dataclass; its fields are given by name, or in order with `kw_only=False`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _fields: ClassVar[tuple[Field[Any], ...]]
    _in_order: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        """Find the fields of a class."""
        dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
        cls._fields = fields(cls)
        cls._in_order = cls.__match_args__  # type: ignore[attr-defined]  # made by dataclass

    def __init__(self, *values: Any, **known: Any) -> None:
        """Take the fields, and defaults for those that are not given."""
        if len(values) > len(self._in_order):
            raise TypeError(f"{type(self).__name__} takes no further values")
        for name, value in zip(self._in_order, values, strict=False):
            if name in known:
                raise TypeError(f"{type(self).__name__} takes {name} only once")
            known[name] = value
        found = {
            each.name: known.pop(each.name) if each.name in known else _default(self, each) for each in self._fields
        }
        if known:
            raise TypeError(f"{type(self).__name__} takes no {', '.join(known)}")
        self.__dict__.update(found)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _compared(self) -> tuple[object, ...]:
        return tuple(self.__dict__[each.name] for each in self._fields if each.compare)

    def __eq__(self, other: object) -> bool:
        """Compare by what the fields hold, with the same class alone."""
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        shown = ", ".join(f"{each.name}={self.__dict__[each.name]!r}" for each in self._fields if each.repr)
        return f"{type(self).__qualname__}({shown})"


def _default(noun: Noun, field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    raise TypeError(f"{type(noun).__name__} needs {field.name}")
