"""The base of classes that every start makes: frozen dataclasses whose methods are shared, not generated for each.

`@dataclass(frozen=True, slots=True)` compiles six methods for each class at every start: 3.7 million instructions, as
long as a tenth of a bare interpreter takes; a class of this base takes 0.4 million.  The fields are declared as in any
dataclass, and `fields` and `replace` of the standard library work; only the methods are these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, fields
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Noun:
    """A frozen dataclass; its fields are given by name, or in order with `kw_only=False`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _names: ClassVar[frozenset[str]]
    _in_order: ClassVar[tuple[str, ...]]
    _compared: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, Any]]
    _factories: ClassVar[tuple[tuple[str, Callable[[], Any]], ...]]

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        """Find the fields of a class."""
        dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
        found = fields(cls)
        cls._names = frozenset([each.name for each in found])
        cls._in_order = cls.__match_args__  # type: ignore[attr-defined]  # made by dataclass
        cls._compared = tuple([each.name for each in found if each.compare])
        cls._defaults = {each.name: each.default for each in found if each.default is not MISSING}
        cls._factories = tuple(
            [(each.name, each.default_factory) for each in found if each.default_factory is not MISSING]
        )

    def __init__(self, *values: Any, **known: Any) -> None:
        """Take the fields, and defaults for those that are not given."""
        if values:
            self._take_in_order(values, known)
        held = self.__dict__
        held.update(self._defaults)
        for name, make in self._factories:
            if name not in known:
                held[name] = make()
        held.update(known)
        if held.keys() != self._names:
            raise TypeError(self._misfit())

    def _take_in_order(self, values: tuple[Any, ...], known: dict[str, Any]) -> None:
        if len(values) > len(self._in_order):
            raise TypeError(f"{type(self).__name__} takes no further values")
        for name, value in zip(self._in_order, values, strict=False):
            if name in known:
                raise TypeError(f"{type(self).__name__} takes {name} only once")
            known[name] = value

    def _misfit(self) -> str:
        unknown = [name for name in self.__dict__ if name not in self._names]
        if unknown:
            return f"{type(self).__name__} takes no {', '.join(unknown)}"
        return (
            f"{type(self).__name__} needs {next(each.name for each in fields(self) if each.name not in self.__dict__)}"
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _key(self) -> tuple[object, ...]:
        held = self.__dict__
        return tuple([held[name] for name in self._compared])

    def __eq__(self, other: object) -> bool:
        """Compare by what the fields hold, with the same class alone."""
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = ", ".join([f"{each.name}={self.__dict__[each.name]!r}" for each in fields(self) if each.repr])
        return f"{type(self).__qualname__}({shown})"
