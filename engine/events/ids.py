"""What counts as an id: text that names somebody, and whole numbers as their digits."""

from __future__ import annotations

from typing import TypeGuard

from engine.language.texts import whole
from engine.records import Json

NOTHING = frozenset({"null", "undefined", "none", "nan", "nil", "[object object]", "(null)"})
"""What languages print for a value that is missing, in lowercase. As an id it would make all such people one."""
SPACES = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Every character that `str.isspace` takes for one."""
DOUBTFUL = frozenset({word[0] for word in NOTHING} | {word[0].upper() for word in NOTHING} | set(SPACES))
"""What blank text and the text of nothing begin with; most ids do not, which spares them a closer look."""


def is_id_text(value: Json) -> TypeGuard[str]:
    """Whether `value` is text that can be an id: not blank, and not the text of nothing."""
    if type(value) is not str:
        return False
    text = value.strip()
    return text != "" and text.lower() not in NOTHING


def id_of_number(value: Json) -> str | None:
    """Return the digits of a whole number, also one written as 12345.0; None where they are not certain.

    Beyond 2^53 neighboring integers are one float, so two people could become one.
    """
    if type(value) is int:
        return str(value)
    number = whole(value) if type(value) is float else None
    return None if number is None else str(number)
