"""Checks of `signature` and `oauth2`: where their secrets come from, which headers they set, what is signed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from engine.language.header_names import OF_HTTP
from engine.language.template import Text
from engine.mapping.checks.context import CheckContext, listed, quoted
from engine.mapping.checks.requests import Headers, written_texts
from engine.mapping.model import Batch, Http, Request
from engine.mapping.oauth2 import OAuth2
from engine.mapping.problems import Problem
from engine.mapping.settings import LOCAL, authority_fault
from engine.mapping.signature import RequestSignature
from engine.mapping.walk import roots_of
from engine.records import Place

SETTING = re.compile(r"settings\.([a-z][a-z0-9_]*)")
SIGNED_WORDS = ("body", "wire")
OF_TOKEN_REQUEST = ("grant_type", "client_id", "client_secret", "refresh_token", "scope", "audience")
AT_OAUTH2: Place = ("http", "oauth2")


def check_credentials(context: CheckContext) -> Iterator[Problem]:
    """Find signatures and tokens that could not be made, and headers that are set twice."""
    mapping = context.mapping
    http = mapping.http
    if http.oauth2 is not None:
        yield from _oauth2(context, http.oauth2)
    if http.signature is not None:
        others = [(noun.place, noun.headers) for kind in (mapping.requests, mapping.batches) for noun in kind.values()
                  if noun.signature is None]  # fmt: skip
        yield from _signature(context, http.signature, http.place, [(http.place, http.headers), *others])
    for kind in (mapping.requests, mapping.batches):
        for noun in kind.values():
            if noun.signature is not None:
                tables = [(http.place, http.headers), (noun.place, noun.headers)]
                yield from _signature(context, noun.signature, noun.place, tables)


def _signature(
    context: CheckContext, signature: RequestSignature, owner: Place, tables: list[tuple[Place, Headers]]
) -> Iterator[Problem]:
    place = (*owner, "signature")
    yield from _secret(context, signature.secret, (*place, "secret"))
    yield from _over(context, signature, place)
    yield from _prefix(context, signature.prefix, (*place, "prefix"))
    seen: dict[str, str] = {}
    for word, name in signature.headers.items():
        if name.lower() in seen:
            message = f"The signature and its time cannot be in the same header {quoted(name)}."
            yield context.problem((*place, word), "same-target", message, "Use another header for one of them.")
        elif by := _setter(context, name):
            message = f"{quoted(name)} is already set by {by}: case does not matter."
            yield context.problem((*place, word), "same-target", message, "Use the header that the vendor documents.")
        seen[name.lower()] = name
    yield from _set_twice(context, tables, seen, f"`{'.'.join(map(str, place))}`")


def _setter(context: CheckContext, name: str) -> str:
    """Return what sets a header besides `headers`, '' if nothing does."""
    http = context.mapping.http
    if name.lower() == "authorization" and (http.basic or http.oauth2):
        return "`http.basic`" if http.basic else "`http.oauth2`"
    if http.request_id is not None and name.lower() == http.request_id.lower():
        return "`http.request_id`"
    return "the HTTP client" if name.lower() in OF_HTTP else ""


def _set_twice(
    context: CheckContext, tables: list[tuple[Place, Headers]], taken: dict[str, str], by: str
) -> Iterator[Problem]:
    """Find headers that are written and also set by something else."""
    for owner, headers in tables:
        for name in (name for name, _ in headers if name.lower() in taken):
            message = f"{quoted(name)} is also the header of {by}: case does not matter."
            yield context.problem((*owner, "headers", name), "same-target", message, "Remove one of the two.", key=True)


def _secret(context: CheckContext, path: str, place: Place) -> Iterator[Problem]:
    """Find a credential that is not a secret setting; one that does not exist is another check's problem."""
    if path.strip().startswith("${"):
        return  # a path with braces around it, which another check explains
    found = SETTING.fullmatch(path.strip())
    setting = context.mapping.settings.get(found[1]) if found else None
    if found and setting is None:
        return
    if setting is None or not setting.secret or setting.type != "string":
        known = [f"settings.{name}" for name, each in context.mapping.settings.items() if each.secret]
        advice = f"Write {listed(known)}." if known else "Add a setting with `type: string` and `secret: true`."
        if setting is not None:
            advice = f"Give the setting {quoted(setting.name)} `type: string` and `secret: true`."
        yield context.problem(place, "not-a-secret", f"`{place[-1]}` must be a secret setting.", advice)


def _over(context: CheckContext, signature: RequestSignature, owner: Place) -> Iterator[Problem]:
    """Find a signature that does not depend on the body, or on a time that the vendor never learns."""
    place, over = (*owner, "over"), signature.over
    advice = 'Write body, wire, or text with ${body}, e.g. "${sent_at}.${body}".'
    paths = [hole.path.strip() for hole in over.holes]
    for hole in over.holes:
        if _is_part_of(hole.path, "body", "sent_at"):
            message = "A signature can be made over `${body}` and `${sent_at}`, not over a part of them."
            yield context.problem(place, "signature-over", message, advice, column=hole.column)
            return
    if over.literal not in SIGNED_WORDS and set(paths) <= {"sent_at"}:
        message = "This signature would be the same for every body."
        yield context.problem(place, "signature-over", message, advice)
    sent = signature.sent_at_header is not None or (signature.prefix is not None and signature.prefix.holes)
    if "sent_at" in paths and not sent:
        message = "`sent_at` is signed but not sent, so the vendor could not verify the signature."
        advice = "Add `sent_at_header`, or put ${sent_at} into `prefix`."
        yield context.problem(place, "signature-over", message, advice)


def _is_part_of(path: str, *names: str) -> bool:
    """Whether a path reads only these names, but not simply one of them."""
    return path.strip() not in names and {root.name for root in roots_of(path)} <= set(names)


def _prefix(context: CheckContext, prefix: Text | None, place: Place) -> Iterator[Problem]:
    for hole in prefix.holes if prefix is not None else ():
        if _is_part_of(hole.path, "sent_at"):
            message = "The prefix of a signature can have `${sent_at}`, not a part of it."
            yield context.problem(place, "signature-over", message, column=hole.column)
    literal = "".join(piece for piece in (prefix.pieces if prefix is not None else ()) if isinstance(piece, str))
    bad = next((character for character in literal if not (character.isascii() and character.isprintable())), None)
    if bad is not None:
        written = str(context.loaded.resolved.at(place))
        message = f"A header cannot contain {quoted(bad)}: only printable ASCII characters are allowed."
        yield context.problem(place, "bad-header", message, column=written.index(bad) + 1)
    elif literal.startswith(" "):
        yield context.problem(place, "bad-header", "A header cannot begin with a space.", "Remove it.")


def _oauth2(context: CheckContext, oauth2: OAuth2) -> Iterator[Problem]:
    mapping = context.mapping
    for word in ("client_secret", "refresh_token"):
        if getattr(oauth2, word) is not None:
            yield from _secret(context, getattr(oauth2, word), (*AT_OAUTH2, word))
    yield from _grant(context, oauth2)
    for place, text in written_texts(oauth2.token_url, (*AT_OAUTH2, "token_url")):
        if fault := _token_url_fault(text):
            yield context.problem(place, "bad-token-url", f"{fault[0].upper()}{fault[1:]}.")
    nouns: list[Http | Request | Batch] = [mapping.http, *mapping.requests.values(), *mapping.batches.values()]
    yield from _set_twice(
        context, [(noun.place, noun.headers) for noun in nouns], {"authorization": ""}, "`http.oauth2`"
    )
    if mapping.http.basic is not None:
        message = "`basic` and `oauth2` both set the header Authorization."
        yield context.problem(AT_OAUTH2, "same-target", message, "Remove one of the two.", key=True)
    for name, _ in oauth2.params:
        if name in OF_TOKEN_REQUEST:
            message = f"The request for a token already has the parameter {quoted(name)}."
            advice = "Remove it." if name == "grant_type" else f"Write it as `oauth2.{name}`."
            yield context.problem((*AT_OAUTH2, "params", name), "same-target", message, advice, key=True)


def _grant(context: CheckContext, oauth2: OAuth2) -> Iterator[Problem]:
    """Find keys that the grant needs, and one that it does not use."""
    needed = {"client_secret": f"`grant: {oauth2.grant}`"} if oauth2.grant == "client_credentials" else {}
    if oauth2.grant == "refresh_token":
        needed["refresh_token"] = "`grant: refresh_token`"  # noqa: S105  it is a word of the language
        needed |= {"client_secret": "`auth: header`"} if oauth2.auth == "header" else {}
    for word, by in needed.items():
        if getattr(oauth2, word) is None:
            advice = "A client without a secret has `auth: body`." if by == "`auth: header`" else ""
            yield context.problem(AT_OAUTH2, "oauth2-grant", f"{by} needs `{word}`.", advice, key=True)
    if oauth2.grant == "client_credentials" and oauth2.refresh_token is not None:
        message = "`refresh_token` is not used with `grant: client_credentials`."
        advice = "Add `grant: refresh_token`, or remove it."
        yield context.problem((*AT_OAUTH2, "refresh_token"), "oauth2-grant", message, advice, key=True)


def _token_url_fault(text: str) -> str | None:
    """Return why a text is not the address of a token endpoint, as a clause, or None."""
    if not re.match(r"https?://[^/?#\s]", text, re.IGNORECASE):
        return "an address of tokens starts with https://, followed by a host"
    if fault := authority_fault(text):
        return fault
    parts = urlsplit(text)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        return "an address of tokens starts with https://, because the client's secret is sent there"
    return "an address of tokens cannot contain #" if "#" in text else None
