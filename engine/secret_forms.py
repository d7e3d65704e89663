"""The forms in which a secret can come back: a pattern that finds it as it is, escaped, percent-encoded, in Base64.

A vendor that refuses a request often repeats what it got, as JSON, HTML, a query or the whole Authorization header.
Each character is matched in every way it may be written, so that mixtures are found too, and no list of encoders has to
be complete.  The patterns hold no unbounded repetition: their time is linear in the text, whatever the vendor sends.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import md5, sha1, sha256
from html.entities import codepoint2name
from urllib.parse import quote_plus

SHORTEST_SEARCHED = 6
"""Characters of a secret. A shorter one would be found in innocent text: `1` in every number, `key` in `monkey`."""

LONGEST_CUT = 60
"""Characters of a secret that messages show at most: they shorten values, and end them with an ellipsis."""

LONGEST_FORM = 32
"""More characters than one of a secret ever takes: `%2525F0` for each of four bytes."""

BASE64_CHARACTER = "[A-Za-z0-9+/_-]"
URL_SAFE = {"+": "-", "/": "_"}
LETTERS = re.compile(r"[a-f]")
NAMES = {**codepoint2name, ord("'"): "apos"}


def search_pattern(secrets: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern that finds long secrets inside a text, in all their forms; None where no secret is long."""
    found = sorted((each for each in secrets if len(each) >= SHORTEST_SEARCHED), key=len, reverse=True)
    return _compiled([form for secret in found for form in _forms(secret)])


def whole_pattern(secrets: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern for texts that are nothing but a short secret; None where no secret is short."""
    return _compiled([_written(each) for each in secrets if 0 < len(each) < SHORTEST_SEARCHED])


def without_secrets(text: str, search: re.Pattern[str], mask: str) -> str:
    """Write `mask` instead of everything that a search pattern finds."""
    pieces, at = [], 0
    for found in search.finditer(text):
        before_too = found.lastindex is not None and found.start() > at  # Base64 that begins inside a character
        pieces += [text[at : found.start() - before_too], mask]
        at = found.end()
    return "".join(pieces) + text[at:] if pieces else text


def _compiled(forms: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(forms)) if forms else None


def _forms(secret: str) -> Iterator[str]:
    yield _written(secret)
    yield _cut(secret)
    raw = secret.encode(errors="surrogatepass")
    # OAuth 2 percent-encodes what it puts into Base64 (RFC 6749, 2.3.1).
    for inside in dict.fromkeys((raw, quote_plus(raw).encode())):
        yield from (_in_base64(inside, before) for before in range(3))
    digests = [make(raw, usedforsecurity=False).hexdigest() for make in (md5, sha1, sha256)]
    yield from (*digests, *map(str.upper, digests))


def _cut(secret: str) -> str:
    """Match the beginning of a secret where a value was shortened for a message."""
    start, rest = secret[:SHORTEST_SEARCHED], secret[SHORTEST_SEARCHED:LONGEST_CUT]
    more = "|".join(_written(rest[:length]) for length in range(len(rest), -1, -1))
    return rf"{_written(start)}(?:{more})(?:…|\.\.\.)"


def _written(text: str) -> str:
    return "".join(map(_character, text))


def _character(character: str) -> str:
    """Match a character as JSON, HTML, a URL or a form writes it, also when that was escaped once more."""
    if character.isascii() and character.isalnum():
        return character
    plain = re.escape(character)
    raw = character.encode(errors="surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    forms = [
        "".join(f"%(?:25){{0,2}}{_hex(f'{byte:02x}')}" for byte in raw),
        "".join(rf"\\{{1,3}}u{_hex(units[at : at + 2].hex())}" for at in range(0, len(units), 2)),
        rf"&(?:amp;)?#0{{0,4}}(?:{ord(character)}|[xX]0{{0,4}}{_hex(f'{ord(character):x}')});",
    ]
    if ord(character) in NAMES:
        forms.append(f"&(?:amp;)?{NAMES[ord(character)]};")
    if character == " ":
        forms += [r"\+", "%(?:25){0,2}2[Bb]"]
    # The plain one last: `%` and `&` begin their own escapes.
    forms.append(r"\\{1,4}" if character == "\\" else rf"\\{{0,3}}{plain}")
    return f"(?:{'|'.join(forms)})"


def _hex(digits: str) -> str:
    return LETTERS.sub(lambda letter: f"[{letter[0]}{letter[0].upper()}]", digits)


def _in_base64(raw: bytes, before: int) -> str:
    """Match bytes inside the Base64 of any text, such as `user:secret`, with or without padding, also URL-safe.

    `before` is how many bytes stand before them in their group of three.  A character that holds bits of what follows
    is part of the match; one that holds bits of what precedes is not, because a pattern that begins with any character
    is slow: a group marks such a match.
    """
    encoded = b64encode(bytes(before) + raw).decode()
    first, end = -(-8 * before // 6), 8 * (before + len(raw)) // 6
    inner = "".join(
        f"(?:{_character(each)}|{URL_SAFE[each]})" if each in URL_SAFE else each for each in encoded[first:end]
    )
    mixed = BASE64_CHARACTER if 8 * (before + len(raw)) % 6 else ""
    return f"{inner}{mixed}(?:{_character('=')}){{0,2}}{'()' if before else ''}"
