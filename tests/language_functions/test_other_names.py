"""Other tools' words for our functions lead to functions that exist, and none of them is a function itself."""

from __future__ import annotations

import pytest

from engine.language.functions import FUNCTIONS
from engine.language.other_names import ADVICE, advice_for, function_named
from engine.language.other_names import FUNCTIONS as OTHERS


def test_what_is_named_exists() -> None:
    assert set(OTHERS.values()) <= set(FUNCTIONS)


def test_other_names_are_no_functions() -> None:
    assert {*OTHERS, *ADVICE} & set(FUNCTIONS) == set()
    assert set(OTHERS) & set(ADVICE) == set()


@pytest.mark.parametrize(
    ("word", "ours"),
    [("toLowerCase", "lowercase"), ("to_upper", "uppercase"), ("int", "integer"), ("str", "string"), ("nothing", None)],
)
def test_spelling_does_not_matter(word: str, ours: str | None) -> None:
    assert function_named(word) == ours


def test_a_word_without_a_function_has_advice() -> None:
    assert advice_for("now") == (
        "There is no clock in a mapping: use the paths timestamp (when it happened) or receivedAt."
    )
    assert advice_for("lowercase") == ""
