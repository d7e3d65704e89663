"""Text: from trim to split. A number counts as its text; a boolean does not (`string` converts it).

snake_case and camel_case split names into words, both as functions and as `keys`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from unicodedata import category

from engine.language.functions.arguments import text_from
from engine.language.functions.model import LIST, NUMBER, TEXT, CannotConvert, Example, Function, Parameter
from engine.records import Json

_ASCII_RUNS = re.compile(r"[A-Za-z0-9]+")
_CACHED = 4096
_LONGEST_CACHED = 100


def trim(value: Json) -> Json:
    return value.strip() if type(value) is str else text_from(value).strip()


def lowercase(value: Json) -> Json:
    return value.lower() if type(value) is str else text_from(value).lower()


def uppercase(value: Json) -> Json:
    return value.upper() if type(value) is str else text_from(value).upper()


def capitalize(value: Json) -> Json:
    text = value if type(value) is str else text_from(value)
    return text[:1].upper() + text[1:]


def snake_cased(value: Json) -> Json:
    return snake_case(value if type(value) is str else text_from(value))


def camel_cased(value: Json) -> Json:
    return camel_case(value if type(value) is str else text_from(value))


def digits_only(value: Json) -> Json:
    text = value if type(value) is str else text_from(value)
    digits = "".join(digit for digit in text if "0" <= digit <= "9")
    if not digits:
        raise CannotConvert("no digits")
    return digits


def first_word(value: Json) -> Json:
    words = (value if type(value) is str else text_from(value)).split(maxsplit=1)
    if not words:
        raise CannotConvert("no words")
    return words[0]


def rest_words(value: Json) -> Json:
    words = (value if type(value) is str else text_from(value)).split(maxsplit=1)
    if len(words) < 2:
        raise CannotConvert("nothing after the first word")
    return words[1].rstrip()


def truncate(length: int) -> Callable[[Json], Json]:
    def truncated(value: Json) -> Json:
        return value[:length] if type(value) is str else text_from(value)[:length]

    return truncated


def split(by: str) -> Callable[[Json], Json]:
    def parted(value: Json) -> Json:
        return [*(value if type(value) is str else text_from(value)).split(by)]

    return parted


def snake_case(text: str) -> str:
    """Write `Product Added` and `productAdded` as `product_added`."""
    return _cached_snake(text) if len(text) <= _LONGEST_CACHED else _snake(text)


def camel_case(text: str) -> str:
    """Write `Product Added` and `product_added` as `productAdded`."""
    return _cached_camel(text) if len(text) <= _LONGEST_CACHED else _camel(text)


def _snake(text: str) -> str:
    return "_".join(word.lower() for word in _words(text))


def _camel(text: str) -> str:
    first, *others = _words(text) or [""]
    return first.lower() + "".join(word[:1].upper() + word[1:].lower() for word in others)


_cached_snake = lru_cache(_CACHED)(_snake)
_cached_camel = lru_cache(_CACHED)(_camel)


def _words(text: str) -> list[str]:
    return [word for run in _runs(text) for word in _split(run)]


def _runs(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_RUNS.findall(text)
    return "".join(character if _in_word(character) else " " for character in text).split()


def _in_word(character: str) -> bool:
    """Whether a character is part of a word: letters and digits of any script, and their combining marks."""
    return character.isalnum() or category(character).startswith("M")


def _split(run: str) -> list[str]:
    if run.islower() or run.isdecimal():
        return [run]
    starts = [0, *(index for index in range(1, len(run)) if _begins(run, index)), len(run)]
    return [run[start:end] for start, end in pairwise(starts)]


def _begins(run: str, index: int) -> bool:
    if not run[index].isupper():
        return False
    return not run[index - 1].isupper() or run[index + 1 : index + 2].islower()


_AN_OBJECT = Example({"a": 1}, reason="an object is not text")
_A_BOOLEAN = Example(True, reason="a boolean is not text")

FUNCTIONS = (
    Function(
        name="trim",
        group="text",
        about="The text without leading and trailing whitespace.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(Example("  Ada \n", "Ada"), Example(" ", ""), Example(7, "7"), _AN_OBJECT),
        call=trim,
    ),
    Function(
        name="lowercase",
        group="text",
        about="The text in lowercase.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("ADA@Example.com", "ada@example.com"),
            Example("ÄÖ", "äö"),
            Example(7, "7"),
            _A_BOOLEAN,
        ),
        growth=2,
        call=lowercase,
    ),
    Function(
        name="uppercase",
        group="text",
        about="The text in uppercase.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(Example("de", "DE"), Example("straße", "STRASSE"), Example(3, "3"), _A_BOOLEAN),
        growth=3,
        call=uppercase,
    ),
    Function(
        name="capitalize",
        group="text",
        about="The text with its first letter in uppercase; the rest stays as it is.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(Example("ada lovelace", "Ada lovelace"), Example("macOS", "MacOS"), Example("", ""), _AN_OBJECT),
        call=capitalize,
    ),
    Function(
        name="snake_case",
        group="text",
        about="The words in lowercase, joined with `_`; digits stay with the letters before them.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("Product Added", "product_added"),
            Example("firstName", "first_name"),
            Example("HTTPServer-v2", "http_server_v2"),
            Example("address2", "address2"),
            Example("Größe (cm)", "größe_cm"),
            Example("--", ""),
            _A_BOOLEAN,
        ),
        growth=3,
        call=snake_cased,
    ),
    Function(
        name="camel_case",
        group="text",
        about="The words joined, each but the first capitalized.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("Product Added", "productAdded"),
            Example("first_name", "firstName"),
            Example("HTTP server", "httpServer"),
            Example("", ""),
            _A_BOOLEAN,
        ),
        growth=3,
        call=camel_cased,
    ),
    Function(
        name="truncate",
        group="text",
        about="The first N characters.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        parameters=(Parameter(name="length", about="The maximum number of characters.", kind="integer", at_least=1),),
        examples=(
            Example("Hello, world", "Hello", {"length": 5}),
            Example("Zoë 🚀 x", "Zoë 🚀", {"length": 5}),
            Example("short", "short", {"length": 99}),
            Example([], parameters={"length": 5}, reason="a list is not text"),
        ),
        call=truncate,
    ),
    Function(
        name="split",
        group="text",
        about="A list of the pieces between the separators.",
        takes=TEXT | NUMBER,
        gives=LIST,
        parameters=(Parameter(name="by", about="The separator.", at_least=1),),
        examples=(
            Example("red,green,,blue", ["red", "green", "", "blue"], {"by": ","}),
            Example("one", ["one"], {"by": ", "}),
            Example("", [""], {"by": ","}),
            Example(12.5, ["12", "5"], {"by": "."}),
            Example(["a"], parameters={"by": ","}, reason="a list is not text"),
        ),
        growth=3,
        call=split,
    ),
    Function(
        name="first_word",
        group="text",
        about="The first word, such as a first name.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(Example(" Ada King Lovelace", "Ada"), Example("Ada", "Ada"), Example("  ", reason="no words")),
        call=first_word,
    ),
    Function(
        name="rest_words",
        group="text",
        about="Everything after the first word, such as a last name.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("Ada King  Lovelace ", "King  Lovelace"),
            Example("Ada", reason="nothing after the first word"),
            Example("", reason="nothing after the first word"),
        ),
        call=rest_words,
    ),
    Function(
        name="digits_only",
        group="text",
        about="Only the digits 0 to 9 of the text.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("+1 (415) 555-0100", "14155550100"),
            Example(12.5, "125"),
            Example("٤2", "2"),
            Example("unknown", reason="no digits"),
        ),
        call=digits_only,
    ),
)
