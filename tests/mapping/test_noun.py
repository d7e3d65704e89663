"""The shared methods of the model's classes do what those of a frozen dataclass do."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import ClassVar

import pytest

from engine.noun import Noun


class Shelf(Noun):
    gives: ClassVar[str] = "shelf"
    name: str
    books: tuple[str, ...] = ()
    seen: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


class Pair(Noun, kw_only=False):
    left: int
    right: int


@dataclass(frozen=True, kw_only=True)
class Generated:
    name: str
    books: tuple[str, ...] = ()
    seen: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


def test_a_noun_is_a_dataclass():
    assert [each.name for each in fields(Shelf)] == [each.name for each in fields(Generated)]
    assert replace(Shelf(name="a"), books=("b",)) == Shelf(name="a", books=("b",))


def test_nouns_are_equal_as_dataclasses_are():
    assert Shelf(name="a", seen={"x": 1}) == Shelf(name="a")
    assert Shelf(name="a") != Shelf(name="b")
    assert Shelf(name="a") != Generated(name="a")
    assert len({Shelf(name="a"), Shelf(name="a"), Shelf(name="b")}) == 2


def test_a_noun_is_shown_as_a_dataclass_is():
    assert repr(Shelf(name="a")) == repr(Generated(name="a")).replace("Generated", "Shelf")


def test_each_noun_has_its_own_default():
    assert Shelf(name="a").seen is not Shelf(name="a").seen


def test_fields_may_be_given_in_order():
    assert Pair(1, right=2) == Pair(1, 2) == Pair(left=1, right=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Shelf, "Shelf needs name"),
        (lambda: Shelf("a"), "Shelf takes no further values"),
        (lambda: Shelf(name="a", nmae="b"), "Shelf takes no nmae"),
        (lambda: Pair(1, 2, 3), "Pair takes no further values"),
        (lambda: Pair(1, 2, right=3), "Pair takes right only once"),
    ],
)
def test_fields_that_do_not_fit(make, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make()


def test_nothing_of_a_noun_changes():
    shelf = Shelf(name="a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        shelf.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del shelf.name
