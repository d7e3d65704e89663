"""Where texts name persons that are deleted: answers and URLs of vendors, reasons, copies of what was discarded. Pure.

An ID that could be a word or a number of its own (`request`, `42`) only counts where it stands as a value: between
quotation marks or in a URL.  Otherwise whoever sends an event with such an ID and then deletes that person would
rewrite what is kept of all others.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from functools import lru_cache
from html import escape
from urllib.parse import quote, quote_plus

import orjson

from engine.events.persons import DELETED, PersonIds

SHORTEST = 6
"""Characters of an ID that is looked for wherever it stands."""

LONG_NUMBER = 9
"""Digits of a number that is looked for wherever it stands."""

AT_ONCE = 500
"""Texts in one pattern."""

REMEMBERED = 20_000
"""Texts that were looked at; most reasons come again and again."""

LONGEST = 1000
"""Characters of an ID that is looked for."""

TOKEN = re.compile(r"[A-Za-z0-9_.@+%~*!$-]+")
PLAIN = re.compile(r"[A-Za-z0-9_.@-]+")
QUOTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
WITH_AT = re.compile(rb'"[^"\\]*@[^"\\]*"')
BEFORE, AFTER = "\"'/=", "\"'/&?#"


class Mentions:
    """Finds the IDs and emails of some persons in texts."""

    def __init__(self, ids: PersonIds) -> None:
        self._values = ids.emails | ids.anonymous
        names = {name for name in ids.users | ids.anonymous if 0 < len(name) <= LONGEST}
        emails = {email for email in ids.emails if len(email) <= LONGEST}
        forms = {form.lower() for text in names | emails for form in _forms(text)}
        self._free = {form.lower() for text in names | emails if _is_rare(text) for form in _forms(text)}
        self._tokens = {form for form in forms if TOKEN.fullmatch(form)}
        others = sorted(form for form in forms if form not in self._tokens)
        starts = range(0, len(others), AT_ONCE)
        self._patterns = [_pattern(others[at : at + AT_ONCE]) for at in starts]
        self._rest = {form for form in others if form in self._free}
        self.masked = lru_cache(REMEMBERED)(self._masked)

    def _masked(self, text: str) -> str:
        """Return a text with `(deleted)` for each ID and email."""
        shown = TOKEN.sub(self._token, text) if self._tokens else text
        for pattern in self._patterns:
            shown = pattern.sub(self._other, shown)
        return shown

    def _token(self, found: re.Match[str]) -> str:
        token = found[0]
        bare = token.strip(".!*-~")
        for each in (token, bare):
            if each.lower() in self._tokens and self._counts(found, each, each.lower() in self._free):
                return token.replace(each, DELETED)
        return token

    def _other(self, found: re.Match[str]) -> str:
        return DELETED if self._counts(found, found[0], found[0].lower() in self._rest) else found[0]

    @staticmethod
    def _counts(found: re.Match[str], text: str, anywhere: bool) -> bool:
        """Whether what was found counts: where it stands as a value, or a rare text anywhere but inside a word."""
        whole, start, end = found.string, found.start(), found.end()
        before, after = whole[start - 1 : start] if start else "", whole[end : end + 1]
        if anywhere:
            return not ((text[0].isalnum() and before.isalnum()) or (text[-1].isalnum() and after.isalnum()))
        if not before or before not in BEFORE or len(text) != end - start:
            return False
        return after in AFTER if after else before in "/="

    def mask_values(self, raw: bytes) -> bytes:
        """Return the JSON of another's event with `(deleted)` for each text that is one of the emails or devices."""
        return QUOTED.sub(self._value, raw)

    def _value(self, found: re.Match[bytes]) -> bytes:
        value = text_value(found[0])
        return b'"%b"' % DELETED.encode() if value in self._values or value.lower() in self._values else found[0]


def first_email(raw: bytes, emails: Container[str]) -> str:
    """Return the first of some emails that is a value of a JSON text, '' if none is."""
    found = (QUOTED if b"\\" in raw else WITH_AT).findall(raw)
    return next((value for each in found if (value := text_value(each).lower()) in emails), "")


def text_value(quoted: bytes) -> str:
    """Return the text of a JSON string; '' if it is none."""
    if b"\\" not in quoted:
        return quoted[1:-1].decode(errors="replace")
    try:
        return str(orjson.loads(quoted))
    except orjson.JSONDecodeError:
        return ""


def _is_rare(text: str) -> bool:
    """Whether a text is no word and no small number, so that it means the person wherever it stands."""
    if text.isdigit():
        return len(text) >= LONG_NUMBER
    return len(text) >= SHORTEST and ("@" in text or not (text.isalpha() or " " in text))


def _forms(text: str) -> Iterable[str]:
    """Yield how JSON, URLs, forms and HTML write a text."""
    if PLAIN.fullmatch(text):
        yield text
        if "@" in text:
            yield text.replace("@", "%40")
        return
    shown = text.encode(errors="replace").decode()
    yield shown
    yield orjson.dumps(shown).decode()[1:-1]
    yield ascii(shown)[1:-1]
    yield quote(shown, safe="")
    yield quote(shown)
    yield quote_plus(shown)
    yield escape(shown)


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for some texts, whatever the case."""
    return re.compile("|".join(map(re.escape, texts)), re.IGNORECASE)
