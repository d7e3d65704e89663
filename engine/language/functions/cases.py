"""Splitting names into words: what snake_case and camel_case (as functions and as `keys`) are made of.

Words end where something other than a letter or digit stands, before a capital that follows a small letter or
a digit, and before the last capital of a row that goes on in small letters: `HTTPServer v2` is `HTTP Server v2`.
Digits stay with what is before them (`address2`), because vendors write them so.  The names of keys come back
with every event, hence the cache.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from unicodedata import category

_ASCII_RUNS = re.compile(r"[A-Za-z0-9]+")
_CACHED = 4096
_LONGEST_CACHED = 100


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
    return "".join(sign if _belongs(sign) else " " for sign in text).split()


def _belongs(sign: str) -> bool:
    """Tell whether `sign` is part of a word: letters and digits of any script, and the marks that sit on them."""
    return sign.isalnum() or category(sign).startswith("M")


def _split(run: str) -> list[str]:
    if run.islower() or run.isdecimal():
        return [run]
    starts = [0, *(index for index in range(1, len(run)) if _begins(run, index)), len(run)]
    return [run[start:end] for start, end in pairwise(starts)]


def _begins(run: str, index: int) -> bool:
    if not run[index].isupper():
        return False
    return not run[index - 1].isupper() or run[index + 1 : index + 2].islower()
