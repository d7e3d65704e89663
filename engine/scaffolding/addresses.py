"""Addresses of vendors' pages as texts of a mapping: placeholders become paths or settings, ids become `userId`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from engine.errors import UsageError
from engine.scaffolding.credentials import Scrubber, is_credential, looks_secret, looks_secret_in_path, secret
from engine.scaffolding.known import ANY, plain
from engine.scaffolding.outline import NewSetting, Outline, clean, literal, snake, title_of, word_set

PLACEHOLDER = re.compile(
    r"\$\{(\w{1,60})\}|\{\{ ?([\w.-]{1,60}) ?\}\}|\{([\w.-]{1,60})\}|<([\w .-]{1,60})>|\$([A-Za-z_]\w{0,59})"
)
COLON = re.compile(r":([A-Za-z_][\w-]{0,59})")
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")
NAMING = frozenset(["userId", "anonymousId", "parts.email", "parts.phone"])
"""What a person is found by."""
PEOPLE = word_set(
    "users user customers customer contacts contact people person persons profiles profile members member "
    "subscribers subscriber leads lead"
)
ID = re.compile(r"(?=.*[\d@])[\w.@+%-]{1,200}")
LOGIN = re.compile(r"(?!.*\.(?:json|xml|php|do|aspx?)$)[A-Za-z]+\.[A-Za-z]+")
"""A name of a person, `jane.doe`, where the path has the ID of one."""
LIKE_ID = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{3,}|(?=(?:.*\d){3})(?=.*[A-Za-z])[A-Za-z0-9]{5,}"
    r"|[A-Za-z]+[-_]\d+|[\w.+-]+@[\w.-]+"
)
ACTIONS = word_set(
    "me update upsert merge batch bulk delete remove identify track attributes properties tags status subscription "
    "subscriptions events import sync"
)
VERSION = re.compile(r"v?\d{1,2}(?:[._]\d+)*|v?(?:19|20)\d\d(?:[-_.]?\d\d){0,2}", re.IGNORECASE)
SAFE = "/:@!$&'()*+,;=-._~%"


def split(url: str) -> tuple[str, str, str, str]:
    """Return origin with placeholders, user information, path and query of an address; UsageError where it has none."""
    text = url if "://" in url else f"https://{url}"
    marks: list[str] = []

    def mark(found: re.Match[str]) -> str:
        marks.append(next(filter(None, found.groups())))
        return f"placeholder--{len(marks) - 1}--"

    try:
        parts = urlsplit(PLACEHOLDER.sub(mark, text))
    except ValueError:
        raise UsageError("The address of the request cannot be read; write it as https://host/path.") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise UsageError("The address of the request must begin with https:// or http://.")
    user, _, host = parts.netloc.rpartition("@")
    if not HOST.fullmatch(host.replace("--", "0")):
        raise UsageError("The address of the request has no host that could be one; write it as https://host/path.")

    def unmark(text: str) -> str:
        return re.sub(r"placeholder--(\d+)--", lambda found: f"{{{marks[int(found[1])]}}}", text)

    return unmark(f"{parts.scheme.lower()}://{host}"), unmark(user), unmark(parts.path), unmark(parts.query)


def base_text(outline: Outline, origin: str) -> str:
    """Return the text of `base_url`; a placeholder in the host becomes a setting."""
    scheme, _, host = origin.partition("://")
    pieces, at = [], 0
    for found in PLACEHOLDER.finditer(host):
        name = next(filter(None, found.groups()))
        pieces += [host[at : found.start()], f"${{settings.{_setting(outline, name)}}}"]
        at = found.end()
    return f"{scheme}://{''.join([*pieces, host[at:]])}"


def path_template(outline: Outline, path: str, scrubber: Scrubber, places: Mapping[str, str] | None = None) -> str:
    """Return the text of a request's `path`; `places` are paths for some of its placeholders."""
    before, made, above = "", [], ""
    for segment in path.split("/"):
        made.append(
            _person(segment, before, above, scrubber) or _segment(outline, segment, before, scrubber, places or {})
        )
        above, before = before, segment.lower()
    return "/".join(made)


def _person(segment: str, before: str, above: str, scrubber: Scrubber) -> str:
    """Return the path for an ID behind the name of one, `external_id/user-1`, or for a login; empty for others."""
    if scrubber.hides(segment) or looks_secret(segment):
        return ""
    path = ANY.get(plain(before)) if before not in PEOPLE else None
    is_id = ID.fullmatch(segment) or (above == "by" and re.fullmatch(r"[\w.@+%-]{1,200}", segment))
    if path in NAMING and is_id:
        return f"${{{path}}}"
    return "${userId}" if before in PEOPLE and LOGIN.fullmatch(segment) else ""


def check_of(method: str, path: str) -> str:
    """Return a comment on a path that has the ID of somebody's example in it; empty if none looks like one."""
    segments = path.split("/")
    for segment in segments:
        if LIKE_ID.fullmatch(segment) and not VERSION.fullmatch(segment):
            return f"check: {clean(segment, 12)} looks like an ID; write ${{...}} there"
    *_, before, last = ["", *segments]
    is_name = re.fullmatch(r"[a-z][a-z_-]*", last) and last not in ACTIONS
    if method in ("PUT", "PATCH", "DELETE") and before in PEOPLE and is_name:
        return f"check: if {clean(last, 20)} is an ID, write ${{userId}} there"
    return ""


def _segment(outline: Outline, segment: str, before: str, scrubber: Scrubber, places: Mapping[str, str]) -> str:
    if colon := COLON.fullmatch(segment):
        return f"${{{place_of(outline, colon[1], before)}}}"
    pieces, at = [], 0
    for found in PLACEHOLDER.finditer(segment):
        name = next(filter(None, found.groups()))
        pieces += [_quoted(segment[at : found.start()]), f"${{{places.get(name) or place_of(outline, name, before)}}}"]
        at = found.end()
    rest = segment[at:]
    if not pieces and before in PEOPLE and ID.fullmatch(segment) and not scrubber.hides(segment):
        return "${userId}"
    if looks_secret_in_path(unquote(rest)) or scrubber.hides(unquote(rest)):
        scrubber.add(unquote(rest))
        name = f"{before[:20] if before.isalpha() else 'url'} token"
        rest = f"${{{secret(outline, name, sent_in='url')}}}"
        return "".join([*pieces, rest])
    return "".join([*pieces, _quoted(rest)])


def _quoted(text: str) -> str:
    return literal(quote(text.encode("utf-8", "replace"), safe=SAFE))


def place_of(outline: Outline, name: str, before: str = "") -> str:
    """Return the path that takes the place of a placeholder: of the event if it is well known, else a setting."""
    if plain(name) in ("id", "uid", "identifier") and before:
        name = "userId" if before in PEOPLE else f"{before.rstrip('s')} id"
    if is_credential(name):
        return secret(outline, name, sent_in="url")
    return ANY.get(plain(name)) or f"settings.{_setting(outline, name)}"


def _setting(outline: Outline, name: str) -> str:
    snaked = snake(name, "value")
    return outline.add_setting(NewSetting(snaked, clean(title_of(snaked)), example=snaked.replace("_", "-")))
