"""The forms in which a secret can come back: a pattern that finds it as it is, escaped, percent-encoded, in Base64.

A vendor that refuses a request often repeats what it got, as JSON, HTML, a query or the whole Authorization header.
Each character is matched in every way it may be written, so that mixtures are found too, and no list of encoders has to
be complete.  The patterns hold no unbounded repetition: their time is linear in the text, whatever the vendor sends.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import cache
from urllib.parse import quote_plus

SHORTEST_SEARCHED = 6
"""Characters of a secret. A shorter one would be found in innocent text: `1` in every number, `key` in `monkey`."""

LONGEST_CUT = 60
"""Characters of a secret that messages show at most: they shorten values, and end them with an ellipsis."""

SHORTEST_TRACE = 3
"""Characters of a trace; a shorter one would be found in most texts, which would then be searched twice."""

MOST_TRACED = 100
"""Secrets whose traces make one pattern: more would outgrow what RE2 keeps in memory."""

LONGEST_TRACE = 32
"""Characters of a trace; more of them would not be rarer."""

LONGEST_FORM = 32
"""More characters than one of a secret ever takes: `%2525F0` for each of four bytes."""

BASE64_CHARACTER = "[A-Za-z0-9+/_-]"
URL_SAFE = {"+": "-", "/": "_"}
LETTERS = re.compile(r"[a-f]")
RUN = re.compile("[A-Za-z0-9]+")
EXPONENT = re.compile(r"-?[0-9.]+e[+-][0-9]+")


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


def traces_pattern(secrets: Sequence[str]) -> str | None:
    """Return a pattern that is found in JSON wherever one of the other two patterns is found in a text or number of it.

    It may be found elsewhere, too: it only says where nothing has to be searched.  It is for RE2, which reads JSON in a
    fraction of the time of `search_pattern`.  Empty where there are no secrets; None where there is no such pattern:
    then everything has to be searched.

    Every form has the letters and digits of a secret, of its Base64 or of its digest as they are, and so has JSON.  So
    the longest run of them is a trace of that form.
    """
    if len(secrets) > MOST_TRACED:
        return None
    traces = [trace for secret in secrets if secret for trace in _traces(secret)]
    return None if None in traces else "|".join(dict.fromkeys(map(str, traces)))


def plain_traces(secret: str) -> list[str] | None:
    """Return lower-case texts of which one is in JSON, in lower case, wherever a form of a secret is in a text of it.

    They are for one secret what `traces_pattern` is for many, and found faster.  None if there are no such texts.
    """
    if EXPONENT.fullmatch(secret):
        return None
    if len(secret) < SHORTEST_SEARCHED:
        return [secret.lower()] if RUN.fullmatch(secret) else None
    traces = [_trace_in(secret[:SHORTEST_SEARCHED])]  # in messages that cut the secret, too
    traces += [_trace_in(_certain_base64(inside, before)) for inside, before in _encoded_in_base64(secret)]
    if None in traces:
        return None
    digests = [digest[:LONGEST_TRACE] for digest in _digests(secret)]
    return list(dict.fromkeys(trace.lower() for trace in (*map(str, traces), *digests)))


def _traces(secret: str) -> Iterator[str | None]:
    """Yield a trace of each form of a secret, None for a form without one."""
    if EXPONENT.fullmatch(secret):  # a number, which Python and JSON write differently
        yield None
    elif len(secret) < SHORTEST_SEARCHED:  # a text or number of its own
        yield rf"\b{secret}\b" if RUN.fullmatch(secret) else None
    else:
        yield _trace_in(secret)
        yield rf"{_longest_run(secret[:SHORTEST_SEARCHED])}(?s:.*)(?:…|\.\.\.)"  # see _cut
        for inside, before in _encoded_in_base64(secret):
            yield _trace_in(_certain_base64(inside, before))
        yield from (digest[:LONGEST_TRACE] for digest in _digests(secret))


def _trace_in(text: str) -> str | None:
    run = _longest_run(text)
    return run[:LONGEST_TRACE] if len(run) >= SHORTEST_TRACE else None


def _longest_run(text: str) -> str:
    return max(RUN.findall(text), key=len, default="")


def _compiled(forms: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(forms)) if forms else None


def _forms(secret: str) -> Iterator[str]:
    yield _written(secret)
    yield _cut(secret)
    yield from (_in_base64(inside, before) for inside, before in _encoded_in_base64(secret))
    yield from _digests(secret)


def _encoded_in_base64(secret: str) -> Iterator[tuple[bytes, int]]:
    """Yield what Base64 may hold of a secret, each with the number of bytes before it in their group of three."""
    raw = secret.encode(errors="surrogatepass")
    # OAuth 2 percent-encodes what it puts into Base64 (RFC 6749, 2.3.1).
    for inside in dict.fromkeys((raw, quote_plus(raw).encode())):
        yield from ((inside, before) for before in range(3))


def _digests(secret: str) -> Iterator[str]:
    from hashlib import md5, sha1, sha256

    raw = secret.encode(errors="surrogatepass")
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
    if ord(character) in _names():
        forms.append(f"&(?:amp;)?{_names()[ord(character)]};")
    if character == " ":
        forms += [r"\+", "%(?:25){0,2}2[Bb]"]
    # The plain one last: `%` and `&` begin their own escapes.
    forms.append(r"\\{1,4}" if character == "\\" else rf"\\{{0,3}}{plain}")
    return f"(?:{'|'.join(forms)})"


@cache
def _names() -> dict[int, str]:
    """Return HTML's names of characters."""
    from html.entities import codepoint2name

    return {**codepoint2name, ord("'"): "apos"}


def _hex(digits: str) -> str:
    return LETTERS.sub(lambda letter: f"[{letter[0]}{letter[0].upper()}]", digits)


def _in_base64(raw: bytes, before: int) -> str:
    """Match bytes inside the Base64 of any text, such as `user:secret`, with or without padding, also URL-safe.

    `before` is how many bytes stand before them in their group of three.  A character that holds bits of what follows
    is part of the match; one that holds bits of what precedes is not, because a pattern that begins with any character
    is slow: a group marks such a match.
    """
    inner = "".join(
        f"(?:{_character(each)}|{URL_SAFE[each]})" if each in URL_SAFE else each
        for each in _certain_base64(raw, before)
    )
    mixed = BASE64_CHARACTER if 8 * (before + len(raw)) % 6 else ""
    return f"{inner}{mixed}(?:{_character('=')}){{0,2}}{'()' if before else ''}"


def _certain_base64(raw: bytes, before: int) -> str:
    """Return the characters of Base64 that hold only bits of `raw`."""
    first, end = -(-8 * before // 6), 8 * (before + len(raw)) // 6
    return b64encode(bytes(before) + raw).decode()[first:end]
