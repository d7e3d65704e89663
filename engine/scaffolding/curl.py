"""A curl command, as vendors' pages have it, as a request of a outline.

shlex splits it and getopt reads it, as the shell and curl do; libraries for this (uncurl and its kind) know a tenth of
curl's options, and their messages repeat what was written. No file is read, whatever `@` and `<` name. Credentials
never get past this module: a header, a query parameter or `-u` becomes a secret setting, and no message repeats a
value of the command.
"""

from __future__ import annotations

import re
import shlex
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from getopt import GetoptError, gnu_getopt
from typing import Any
from urllib.parse import parse_qsl

import orjson

from engine.errors import UsageError
from engine.language.header_names import OF_HTTP, is_header_name
from engine.records import Json
from engine.scaffolding import addresses, credentials
from engine.scaffolding.credentials import Scrubber, is_credential, looks_secret
from engine.scaffolding.curl_options import LETTERS_WITH_VALUE, LETTERS_WITHOUT_VALUE, WITH_VALUE, WITHOUT_VALUE
from engine.scaffolding.known import ANY, known_path, plain
from engine.scaffolding.outline import (
    DEEPEST,
    MOST_FIELDS,
    SURROGATES,
    NewRequest,
    Outline,
    VendorField,
    literal,
    snake,
    word_set,
    words,
)
from engine.scaffolding.proposals import UNKNOWN

LONGEST = 256 * 1024
"""Of a command, in characters."""
PERSONAL = frozenset(["parts.email", "parts.phone", "parts.first_name", "parts.last_name", "userId", "anonymousId"])
"""What of a query is about the person whom the vendor's page has made up."""
LONGEST_VALUE = 1000
"""Of a header or a query parameter."""
QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\$'((?:\\.|[^'\\])*)'|\\.|[^'"\\$]+|.""", re.DOTALL)
OPERATOR = re.compile(r"&&|\|\||[;|]")
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
ENDS = frozenset(["|", "||", "&&", "&", ";", ">", ">>", "2>&1", "<"])
NOT_SENT = OF_HTTP | {"user-agent", "accept-encoding", "pragma", "cache-control", "referer", "origin", "dnt"}
BROWSERS = re.compile(r"(?:sec|x-requested|priority)(?:-|$)")
PLACEHOLDER = re.compile(r"\{.*\}|<.*>|\$\{?\w+\}?|\[.*\]|string|", re.DOTALL)
DATA = frozenset(["data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json"])
RESOURCE = frozenset(["attributes", "relationships"])
"""What is beside the `type` of a resource object (JSON:API 1.1, section 7.2)."""
TYPE_KEYS = frozenset(["type", "object", "objecttype", "kind", "resourcetype", "recordtype"])
THINGS = word_set("event profile user contact customer person subscriber metric message text object record")
JSON_ENDS = re.compile(r"^\s*[\[{]")
JSON_TYPE = re.compile(r"application/json(?:; *charset=\"?utf-8\"?)?", re.IGNORECASE)
"""What waybill sends without being told."""
TYPED = {
    **dict.fromkeys("\u201c\u201d\u201e", '"'),
    **dict.fromkeys("\u2018\u2019", "'"),
    **dict.fromkeys("\u2010\u2011\u2013\u2014\u2212", "-"),
    "\u00a0": "a space",
}
"""What word processors and web pages make of characters, and what to type."""
QUOTES = "\u201c\u201d\u201e\u2018\u2019"
NOT_TYPED = re.compile(rf"[{QUOTES}\u00a0]|(?<!\S)[\u2010\u2011\u2013\u2014\u2212]")
NO_COLON = 'A header (-H) of the curl command has no colon; write it as -H "Name: value".'
CMD = "This looks like a command of Windows' cmd. Copy it in its form for bash (in a browser: Copy as cURL (bash))."


def read(text: str, outline: Outline, name: str = "", calls: tuple[str, ...] = ()) -> None:
    """Add the request of a curl command to a outline; raises UsageError, which never repeats what was written."""
    options, operands = _options(_words(text))
    scrubber = Scrubber()
    command = _Command(outline, scrubber, options, operands)
    request = command.request(name)
    request.calls = calls or guessed_calls(request)
    outline.add_request(request)


def _words(text: str) -> list[str]:
    """Split a command as a shell does; lines that a backslash continues are one."""
    if len(text) > LONGEST:
        raise UsageError(f"The curl command has {len(text):,} characters; at most {LONGEST:,} are read.")
    if "\0" in text:
        raise UsageError("The curl command has a null character; copy it again.")
    if re.search(r"\^\s*$|\^\"", text, re.MULTILINE):
        raise UsageError(CMD)
    _refuse_typographic(text)
    text = re.sub(r"\\[ \t]*\r?\n", " ", text)
    try:
        found = shlex.split("".join(map(_posix, QUOTED.finditer(text))))
    except ValueError:
        raise UsageError("The curl command has a quote that is not closed; copy it whole.") from None
    start = next((at for at, word in enumerate(found[:8]) if re.fullmatch(r"(?:\S*[/\\])?curl(?:\.exe)?", word)), None)
    if start is None:
        raise UsageError("That is not a curl command: `curl` is not among its first words.")
    end = next((at for at, word in enumerate(found) if at > start and word in ENDS), len(found))
    return found[start + 1 : end]


def _refuse_typographic(text: str) -> None:
    """Name quotes and dashes of a word processor outside quotes, where a shell takes them for letters."""
    for piece in QUOTED.finditer(text):
        if piece[0][0] in "'\"\\" or piece[1] is not None:
            continue
        if found := NOT_TYPED.search(text, piece.start(), piece.end()):
            at = found.start()
            line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
            raise UsageError(f"Line {line}, column {column} of the curl command has {_typed(text, at)}")


def _typed(text: str, at: int) -> str:
    """Return which character is there, and what to type instead."""
    import unicodedata

    character = text[at]
    instead = TYPED[character]
    if instead == "-":  # which of them it was, the option says
        instead = "--" if text[at + 1 : at + 3].isalpha() and text[at + 1 : at + 3].islower() else "-"
    named = f"{character} " if not character.isspace() else ""
    return f"{named}({unicodedata.name(character).lower()}, U+{ord(character):04X}); type {instead} instead."


def _posix(found: re.Match[str]) -> str:
    """Write `$'...'` of bash as the quoted text that it stands for."""
    if found[1] is not None:
        return shlex.quote(ESCAPE.sub(_character, found[1]))
    return found[0] if found[0][0] in "'\"\\" else OPERATOR.sub(r" \g<0> ", found[0])


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code or found[4]:
        number = int(code, 16) if code else int(found[4], 8)
        return chr(number) if 0 < number < 0x110000 else "\ufffd"
    return ESCAPED.get(found[5], found[5])


def _options(given: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the options by their long names, and the operands."""
    letters = "".join(f"{letter}:" for letter in LETTERS_WITH_VALUE) + LETTERS_WITHOUT_VALUE
    flags = WITHOUT_VALUE.split()
    names = [*(f"{name}=" for name in WITH_VALUE.split()), *flags, *(f"no-{flag}" for flag in flags)]
    given = given[: given.index("-:")] if "-:" in given else given
    try:
        found, operands = gnu_getopt(given, letters, names)
    except GetoptError as error:
        option = error.opt if re.fullmatch(r"[a-z0-9.-]{1,30}|[A-Za-z]", error.opt) else "one of its options"
        what = "needs a value" if "requires" in error.msg else "is not an option of curl"
        dashes = "" if " " in option else "-" if len(option) == 1 else "--"
        raise UsageError(f"The curl command cannot be read: {dashes}{option} {what}.") from None
    letter_names = {**LETTERS_WITH_VALUE, "G": "get", "I": "head", "n": "netrc"}
    short = {f"-{letter}": name for letter, name in letter_names.items()}
    return [(short.get(name) or name.lstrip("-"), value) for name, value in found], operands


class _Command:
    """One command while it is read."""

    def __init__(
        self, outline: Outline, scrubber: Scrubber, options: list[tuple[str, str]], operands: list[str]
    ) -> None:
        self.outline = outline
        self.scrubber = scrubber
        self.options = options
        urls = [*self.values("url"), *operands]
        if not urls:
            raise UsageError("The curl command has no address; write it as https://host/path.")
        if len(urls) > 1 or self.given("next"):
            self.note(
                "The command sends several requests; only the first is read. Pass each with a --from-curl of its own."
            )
        self.origin, self.user, self.path, self.url_query = addresses.split(urls[0])

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.options if name in names]

    def given(self, *names: str) -> bool:
        return any(name in names for name, _ in self.options)

    def note(self, text: str) -> None:
        if text not in self.outline.notes:
            self.outline.notes.append(text)

    def request(self, name: str) -> NewRequest:
        """Read the whole command, credentials first: what they are must be known wherever else they stand."""
        kept = self._headers()
        self._credentials()
        body, kind = self._body({name.lower(): value for name, value in kept})
        if self.given("get") and kind == "json":
            self.note("-G with JSON makes no query; its fields are left out.")
            body = ""
        query = self._query(body if self.given("get") else "")
        request = NewRequest(
            "", method=self._method(), path=addresses.path_template(self.outline, self.path, self.scrubber)
        )
        if kind != "none" and not self.given("get"):
            self._read_body(request, body, kind)
        request.query = {key: value for key, value in query.items() if key}
        request.headers = {key: self._text(value, key) for key, value in kept if key.lower() not in NOT_SENT}
        self._content_type(request, kind, [value for key, value in kept if key.lower() == "content-type"])
        base = addresses.base_text(self.outline, self.origin)
        if self.outline.base_url not in ("", base) and not f"{base}{request.path}".startswith(self.outline.base_url):
            raise UsageError("The commands have different hosts; a mapping has one. Make a mapping for each.")
        self._below(request, base)
        request.name = name or request_name(request)
        return request

    def _content_type(self, request: NewRequest, kind: str, given: list[str]) -> None:
        """Keep a Content-Type that is not the one that waybill gives a body of this kind."""
        if not given or kind not in ("json", "form") or JSON_TYPE.fullmatch(given[-1]):
            return
        is_form = "form" in given[-1].lower()
        if kind == "json" and not is_form:
            request.headers["Content-Type"] = self._text(given[-1], "Content-Type")
        elif kind == "json":
            self.note("The Content-Type is that of a form, the body is JSON; the mapping sends application/json.")
        elif not is_form:
            self.note("The Content-Type is not that of the body, which is a form; the mapping sends that of forms.")

    def _below(self, request: NewRequest, base: str) -> None:
        """Take off the path what `base_url` has of it."""
        if not self.outline.base_url:
            self.outline.base_url = base
        elif self.outline.base_url != base:
            request.path = f"{base}{request.path}"[len(self.outline.base_url) :]

    def _method(self) -> str:
        if methods := self.values("request"):
            method = methods[-1].upper()
            if method not in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
                raise UsageError("The curl command has a method (-X) that HTTP does not have, such as POST.")
            return method
        if self.given("head"):
            return "HEAD"
        if self.given("upload-file"):
            return "PUT"
        return "POST" if self.given(*DATA, "form", "form-string") and not self.given("get") else "GET"

    # Credentials

    def _headers(self) -> list[tuple[str, str]]:
        """Return the headers that are sent as they are; credentials among them become settings."""
        kept = []
        for line in self.values("header"):
            if line.startswith("@"):
                self.note("-H @file is not read; add its headers to the mapping.")
                continue
            name, colon, value = (part.strip() for part in line.partition(":"))
            if name and not is_header_name(name if colon else line.strip().removesuffix(";")):
                raise UsageError(NO_COLON)
            if name and not colon and not line.strip().endswith(";"):
                raise UsageError(NO_COLON)
            if not name or not value:
                continue  # curl takes `Name:` away, and sends `Name;` empty
            if self._credential(name, value) or BROWSERS.match(name.lower()):
                continue
            if value.isascii() and value.isprintable() and len(value) <= LONGEST_VALUE:
                kept.append((name, value))
            else:
                self.note(f"The header {name[:40]} is not plain ASCII or very long; it is left out.")
        return kept

    def _credential(self, name: str, value: str) -> bool:
        lower = name.lower()
        if lower in OF_HTTP or not (is_credential(name) or looks_secret(value)):
            return False
        self.scrubber.add(value)
        if lower == "cookie":
            self._cookies([value])
        elif lower != "authorization":
            credentials.in_header(self.outline, name)
        elif value.lower().startswith("basic "):
            self._basic(_decoded(value.split(maxsplit=1)[1]))
        elif scheme := credentials.SCHEME.fullmatch(value):
            self.scrubber.add(scheme[2])
            credentials.bearer(self.outline, scheme[1])
        else:
            credentials.in_header(self.outline, "Authorization")
        return True

    def _credentials(self) -> None:
        for user in self.values("user") or ([self.user] if self.user else []):
            self._basic(user)
        for token in self.values("oauth2-bearer"):
            self.scrubber.add(token)
            credentials.bearer(self.outline)
        self._cookies(self.values("cookie"))
        if self.given("config", "netrc", "netrc-file", "cert", "key", "aws-sigv4", "digest", "ntlm", "negotiate"):
            self.note("The command has credentials that are in a file or of a kind that waybill does not send.")

    def _basic(self, pair: str) -> None:
        user, _, password = pair.partition(":")
        for text in (pair, user, password):
            self.scrubber.add(text)
        credentials.basic(self.outline, user=bool(user), password=bool(password))

    def _cookies(self, given: list[str]) -> None:
        for text in given:
            if "=" not in text:
                self.note("-b with a file is not read.")
                continue
            for pair in text.split(";"):
                self.scrubber.add(pair.partition("=")[2].strip())
            self.scrubber.add(text)
            credentials.in_header(self.outline, "Cookie")

    # The query

    def _query(self, data: str) -> dict[str, str]:
        """Return the query as texts; credentials among them become settings."""
        added = [self._encoded(each) for each in self.values("url-query")]
        raw = "&".join(filter(None, [self.url_query, data, *added]))
        pairs = list(parse_qsl(raw, keep_blank_values=True, max_num_fields=1000) if raw.count("&") < 1000 else [])
        for name, value in pairs:
            if is_credential(name) or looks_secret(value):
                self.scrubber.add(value)
        query: dict[str, str] = {}
        for name, value in pairs:
            key = SURROGATES.sub("\ufffd", name)[:100]
            if is_credential(name) or looks_secret(value):
                credentials.in_query(self.outline, key if not self.scrubber.hides(key) else "key")
            elif len(name) > 100 or looks_secret(name) or len(value) > LONGEST_VALUE or self.scrubber.hides(name):
                self.note("A query parameter that is very long, or named as a credential, is left out.")
            else:
                query[key] = self._text(value, key)
        return query

    def _text(self, value: str, name: str) -> str:
        """Return the text of a header or a query parameter: a path where it stands for something, else what it is."""
        if self.scrubber.hides(value):
            return f"${{{credentials.secret(self.outline, name, sent_in='url')}}}"
        if PLACEHOLDER.fullmatch(value):
            return f"${{{addresses.place_of(self.outline, name)}}}" if value else ""
        if ANY.get(plain(name)) in PERSONAL:
            return f"${{{ANY[plain(name)]}}}"
        return literal(SURROGATES.sub("\ufffd", value))

    # The body

    def _body(self, headers: dict[str, str]) -> tuple[str, str]:
        """Return the body's text and its kind: none, json, form, multipart or other."""
        if self.given("form", "form-string"):
            return "", "multipart"
        if self.given("upload-file"):
            self.note("-T sends a file, which is not read; write the body yourself.")
            return "", "none"
        pieces = [(name, self._data(name, value)) for name, value in self.options if name in DATA]
        if not pieces:
            return "", "none"
        text = "&".join(piece for name, piece in pieces if name != "json" and piece)
        text += "".join(piece for name, piece in pieces if name == "json")
        kind = headers.get("content-type", "")
        if JSON_ENDS.match(text) or "json" in kind or self.given("json"):
            return text, "json"
        return text, "form" if "=" in text and ("form" in kind or not kind) else "other"

    def _data(self, name: str, value: str) -> str:
        if name == "data-urlencode":
            return self._encoded(value)
        if name != "data-raw" and value.startswith("@"):
            self.note("A file named with @ is not read; add the fields of its body to the mapping.")
            return ""
        return value

    def _encoded(self, value: str) -> str:
        """Return what --data-urlencode and --url-query make of a text; a file is not read."""
        from urllib.parse import quote_plus

        name, equals, content = value.partition("=")
        if not equals and "@" in value:
            self.note("A file named with @ is not read; add the fields of its body to the mapping.")
            return ""
        if value.startswith("+"):
            return value[1:]
        coded = quote_plus((content if equals else value).encode("utf-8", "replace"))
        return f"{name}={coded}" if name and equals else coded

    def _read_body(self, request: NewRequest, text: str, kind: str) -> None:
        if kind == "json":
            self._read_json(request, text)
        elif kind == "form":
            pairs = parse_qsl(text, keep_blank_values=True) if text.count("&") <= MOST_FIELDS else []
            self._read_form(request, pairs)
        elif kind == "multipart":
            self.note("-F sends multipart/form-data, which waybill does not; the mapping sends a plain form instead.")
            self._read_form(request, list(self._parts()))
        elif text:
            self.note("The body is neither JSON nor a form, which are what waybill sends; write it yourself.")

    def _parts(self) -> Iterator[tuple[str, str]]:
        for option, text in self.options:
            if option in ("form", "form-string"):
                name, _, value = text.partition("=")
                if option == "form" and value.startswith(("@", "<")):
                    self.note("-F with a file is not read; its field is left out.")
                else:
                    yield name, value.split(";type=")[0] if option == "form" else value

    def _read_json(self, request: NewRequest, text: str) -> None:
        try:
            body = orjson.loads(text.encode("utf-8", "surrogatepass")) if text else {}
        except (orjson.JSONDecodeError, RecursionError) as error:
            where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, orjson.JSONDecodeError) else ""
            at = next((at for at, each in enumerate(text) if each in QUOTES), None)
            which = "" if at is None else f"; it has {_typed(text, at).removesuffix('.')}"
            which = which.replace("type ' instead", 'type " instead')
            self.note(f"The body is not valid JSON{where}{which or '; write its fields yourself'}.")
            return
        request.in_list = isinstance(body, list)
        while isinstance(body, list):
            body = body[0] if body else {}
        if isinstance(body, dict):
            request.fields = self._fields(body)

    def _read_form(self, request: NewRequest, pairs: list[tuple[str, str]]) -> None:
        request.encode = "form"
        for _, value in pairs:  # a body in a form, such as `payload={"token": ...}`
            if JSON_ENDS.match(value):
                with suppress(orjson.JSONDecodeError, RecursionError):
                    self._find_secrets(orjson.loads(value.encode("utf-8", "replace")), 0)
        for key, value in pairs:  # also those of which a later one has the name
            if is_credential(key) or is_secret_field(key, value):
                self.scrubber.add(value)
        request.fields = self._fields(dict(pairs))

    def _fields(self, body: dict[str, Any]) -> tuple[VendorField, ...]:
        self._find_secrets(body, 0)
        made = BodyFields(self.outline, self.scrubber)
        fields = made.of(body, 0)
        if made.left < 0:
            self.note(f"The body has more than {MOST_FIELDS} fields; those after them are left out.")
        return fields

    def _find_secrets(self, value: Json, depth: int) -> None:
        if isinstance(value, list) and depth < DEEPEST * 2:
            for each in value:
                self._find_secrets(each, depth + 1)
        if isinstance(value, dict) and depth < DEEPEST * 2:
            for key, each in value.items():
                if isinstance(each, str) and is_secret_field(key, each):
                    self.scrubber.add(each)
                self._find_secrets(each, depth + 1)


def is_secret_field(key: str, value: str) -> bool:
    """Whether a field of a body is a credential; ids, which look like tokens, have well-known names."""
    if is_credential(key, alone=False) or words(key) == ["token"]:
        return True
    known = any(known_path(key, call, "text") for call in ("track", "identify", "group"))
    is_id = known or snake(key, "").endswith(("id", "hash"))
    return looks_secret(value) and not is_id


class BodyFields:
    """The fields of a JSON body, at most 200 of them; `left` is below zero where there were more."""

    def __init__(self, outline: Outline, scrubber: Scrubber) -> None:
        self.outline = outline
        self.scrubber = scrubber
        self.left = MOST_FIELDS

    def of(self, body: dict[str, Any], depth: int) -> tuple[VendorField, ...]:
        """Return the fields of an object."""
        fields = []
        for key, value in body.items():
            self.left -= 1
            if self.left < 0:
                break
            if not self.scrubber.hides(key):
                fields.append(self._field(SURROGATES.sub("\ufffd", key)[:100], value, depth))
                if is_constant(key, value, body):
                    fields[-1].constant = True
                    fields[-1].note = "" if is_resource(body) else UNKNOWN
                fields[-1].opened = key in RESOURCE and "type" in body
        return tuple(fields)

    def _field(self, key: str, value: Json, depth: int) -> VendorField:
        if isinstance(value, str):
            if is_secret_field(key, value):
                name = credentials.secret(self.outline, key, sent_in="body").removeprefix("settings.")
                return VendorField(key, "text", setting=name)
            known = PLACEHOLDER.fullmatch(value) or self.scrubber.hides(value)
            return VendorField(key, "text", "text" if known else value, format=_time_format(value))
        if isinstance(value, dict) and depth < DEEPEST:
            members = self.of(value, depth + 1)
            return VendorField(key, "object", sample(members), members=members)
        if isinstance(value, list) and value and isinstance(value[0], dict) and depth < DEEPEST:
            members = self.of(value[0], depth + 1)
            return VendorField(key, "list", [sample(members)], members=members, single=len(value) == 1)
        if isinstance(value, list):
            return VendorField(key, "list", [each for each in value[:3] if isinstance(each, int | float)] or ["text"])
        if isinstance(value, bool):
            return VendorField(key, "boolean", value)
        if isinstance(value, int | float):
            return VendorField(key, "number", value)  # 1 of a page may be 1.5 tomorrow
        return VendorField(key, "any", "text")


def is_resource(body: dict[str, Any]) -> bool:
    """Whether an object is a resource of JSON:API, by the objects beside its type."""
    return any(isinstance(body.get(name), dict) for name in RESOURCE)


def is_constant(key: str, value: Json, body: dict[str, Any]) -> bool:
    """Whether a field says which kind of thing an object is, as `type` of JSON:API does: `type: event`."""
    if plain(key) not in TYPE_KEYS or not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", value):
        return False
    return is_resource(body) or value.rstrip("s") in THINGS


def sample(members: tuple[VendorField, ...]) -> Json:
    """Return an object of the samples of its members, without credentials."""
    return {each.key: each.sample for each in members if not each.setting}


def _time_format(value: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.{0,20}", value):
        return "date-time"
    return "date" if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else ""


def _decoded(text: str) -> str:
    with suppress(ValueError):
        return b64decode(text + "==").decode("utf-8", "replace")
    return "user:password"


def request_name(request: NewRequest) -> str:
    """Return a name for a request: what it does, and the last word of its path."""
    named = (part for part in request.path.split("/") if part and "$" not in part)
    parts = [part for part in named if re.fullmatch(r"[A-Za-z][A-Za-z_.:-]*", part)]
    verb = {"GET": "get", "DELETE": "delete", "PUT": "update", "PATCH": "update"}.get(request.method, "send")
    return snake(f"{verb} {re.split(r'[.:?]', parts[-1])[0] if parts else 'event'}", "send")


GUESSES = (
    ("alias", re.compile(r"alias|merge")),
    ("group", re.compile(r"group|compan|organi[sz]ation|account")),
    ("screen", re.compile(r"screen")),
    ("page", re.compile(r"page|pageview|visit")),
    ("track", re.compile(r"event|track|order|purchase|conversion|activit")),
    ("identify", re.compile(r"identify|user|customer|contact|people|person|profile|member|subscriber|lead")),
)

OF_TRACK = re.compile(
    r"(?:events?|track|orders?|purchases?|conversions?|activit(?:y|ies)|messages?|sms|notifications?)(?:\.\w+)?"
)
"""As the end of a path, whatever is before it: `/Accounts/{id}/Messages.json`."""


def guessed_calls(request: NewRequest) -> tuple[str, ...]:
    """Return for which call a request probably is, by its method, its name and its path."""
    if request.method == "DELETE":
        return ("delete",)
    text = f"{request.name} {request.path}".lower()
    if OF_TRACK.fullmatch(text.rpartition("/")[2]):
        return ("track",)
    if request.method in ("PUT", "PATCH") and not re.search(r"event|track", text):
        text = text.replace("account", "")
    return (next((call for call, pattern in GUESSES if pattern.search(text)), "track"),)
