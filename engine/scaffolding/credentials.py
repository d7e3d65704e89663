"""What is a credential: by its name, by its look; and the settings that take the place of each.

A credential of a pasted command is never copied: `Scrubber` keeps it only to find where else its text stands, such as
a token that is in a header and in the URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.records import JsonObject
from engine.scaffolding.outline import NewSetting, Outline, clean, literal, snake, title_of, word_set, words

SURE = word_set(
    "secret password passwd pwd passphrase authorization credential credentials apikey bearer jwt cookie session "
    "sessionid signature auth authkey authtoken accesstoken apitoken apisecret clientsecret writekey licensekey"
)
KEY_OF = word_set(
    "api app access secret private public write read auth site account client project server subscription license "
    "service rest master sdk integration ocp xapi functions signing shared encryption"
)
"""`api_key` is a credential; `idempotency_key` and `audience_key` are not."""
TOKEN_OF_DATA = word_set("device push registration fcm apns firebase idempotency page next")
MARKED = re.compile(r"(?:sk|pk|rk|xox[abpr]|gh[pousr]|glpat|shpat|key|pat|Bearer|Basic)[-_ ][A-Za-z0-9_=./+-]{6,}")
JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]+")
LONG = re.compile(r"[A-Za-z0-9_+/=.-]{20,}")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SCHEME = re.compile(
    r"(bearer|token|key|api-?key|bot|ssws|oauth|geniekey|[a-z]+(?:-[a-z]+)*-(?:key|token|auth)) +(\S.*)", re.IGNORECASE
)
"""A scheme of Authorization; what comes after it is the credential."""
SHORTEST_SEGMENT = 10
SEGMENT = re.compile(r"[A-Za-z0-9_.~:@=+-]+")
WORD = re.compile(r"[A-Za-z]*|[A-Za-z]+[0-9]{1,2}|v?[0-9]+")
"""A part of a segment as people write them: `oauth2`, `v3`, `2024`."""
SHORTEST = 6
"""Shorter texts (`key`, `user`) stand everywhere."""


def is_credential(name: str, *, alone: bool = True) -> bool:
    """Whether a name is that of a credential; `alone`: also `key` and `token`, as in a query."""
    parts = words(name)
    if not parts:
        return False
    before, last = parts[-2] if len(parts) > 1 else "", parts[-1]
    if last in SURE or "".join(parts) in SURE:
        return True
    if last == "key":
        return before in KEY_OF or (alone and not before)
    return last == "token" and before not in TOKEN_OF_DATA and (alone or bool(before))


def looks_secret(text: str) -> bool:
    """Whether a text looks like a token: marked as one, or long and of letters and digits without spaces."""
    if MARKED.match(text) or JWT.match(text):
        return True
    if not LONG.fullmatch(text) or UUID.fullmatch(text):
        return False
    return any(map(str.isdigit, text)) and any(map(str.isalpha, text)) and "/" not in text


def looks_secret_in_path(segment: str) -> bool:
    """Whether a segment of a path looks like a token: 10 or more letters and digits that are not words with numbers."""
    if looks_secret(segment):
        return True
    if len(segment) < SHORTEST_SEGMENT or not SEGMENT.fullmatch(segment) or UUID.fullmatch(segment):
        return False
    mixed = any(map(str.isdigit, segment)) and any(map(str.isalpha, segment))
    return mixed and not all(map(WORD.fullmatch, re.split(r"[-_.:@=+~]+", segment)))


@dataclass(slots=True)
class Scrubber:
    """The credentials found so far; knows whether another text has one of them in it."""

    found: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Remember a credential, and what is behind its scheme."""
        self.found |= {each for each in (text, text.strip(), *text.split()) if len(each) >= SHORTEST}

    def hides(self, text: str) -> bool:
        """Whether a text has a credential in it."""
        return any(each in text for each in self.found)


def secret(outline: Outline, name: str, *, sent_in: str = "", about: str = "") -> str:
    """Add a secret setting; return `settings.name` of it. The example is the name, never what was written."""
    snaked = snake(name, "secret").removeprefix("x_") or "secret"
    made = NewSetting(snaked, title_of(snaked), about=about, secret=True, sent_in=sent_in)
    made.name = outline.add_setting(made)
    outline.settings[made.name].example = made.name.replace("_", "-")
    return f"settings.{made.name}"


def headers_of(outline: Outline) -> JsonObject:
    """Return `http.headers` of a outline, to be added to."""
    headers = outline.http.setdefault("headers", {})
    assert isinstance(headers, dict)
    return headers


def bearer(outline: Outline, scheme: str = "Bearer") -> None:
    """Send an access token in Authorization."""
    headers_of(outline)["Authorization"] = f"{literal(clean(scheme))} ${{{secret(outline, 'access_token')}}}"


def in_header(outline: Outline, name: str, prefix: str = "") -> None:
    """Send a credential in a header of its own."""
    headers_of(outline)[name] = f"{literal(prefix)}${{{secret(outline, name)}}}"


def basic(outline: Outline, *, user: bool = True, password: bool = True) -> None:
    """Send user and password; one that is empty in the vendor's command is empty in the mapping."""
    if "basic" in outline.http or "Authorization" in str(outline.http.get("headers")):
        return
    nothing: JsonObject = {"const": ""}
    outline.http["basic"] = [
        secret(outline, "username" if password else "api_key") if user else nothing,
        secret(outline, "password") if password else nothing,
    ]


def in_query(outline: Outline, name: str) -> None:
    """Send a credential in the query of every request."""
    value = outline.http.setdefault("query_from", {"fields": {}})
    assert isinstance(value, dict)
    fields = value["fields"]
    assert isinstance(fields, dict)
    fields[literal(name)] = secret(outline, name, sent_in="url")


def oauth2(outline: Outline, token_url: str, scope: str = "") -> None:
    """Get access tokens for the client itself (RFC 6749, section 4.4)."""
    outline.add_setting(NewSetting("client_id", "Client ID", example="client-id"))
    name = secret(outline, "client_secret")
    made: JsonObject = {"token_url": token_url, "client_id": "settings.client_id", "client_secret": name}
    outline.http["oauth2"] = made | ({"scope": literal(clean(scope))} if scope else {})
