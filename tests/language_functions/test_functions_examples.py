"""Every example of every function is a test, exactly as docs/functions.md prints it."""

from __future__ import annotations

import pytest

from engine.language.functions import FUNCTIONS, CannotConvert, Example, Function, Noted, bind
from tests.tables import each

CASES = [
    pytest.param(function, example, id=f"{function.name}-{number}")
    for function in FUNCTIONS.values()
    for number, example in enumerate(function.examples)
]


@each("function, example", CASES)
def test_the_example_is_true(function: Function, example: Example) -> None:
    convert = bind(function.name, example.parameters)
    if example.reason:
        with pytest.raises(CannotConvert) as caught:
            convert(example.given)
        assert str(caught.value) == example.reason
        return
    given = convert(example.given)
    note = ""
    if type(given) is Noted:
        given, note = given.value, given.code
    assert given == example.gives
    assert isinstance(given, bool) is isinstance(example.gives, bool)
    assert note == example.note
