"""A step's request: body, URL, query, headers, method."""

from __future__ import annotations

import gzip
import hmac
import re
from base64 import b64encode
from hashlib import sha1
from typing import cast
from urllib.parse import quote, urlencode

from engine.records import Json, JsonObject
from tests.oracle.basics import Hidden, Invalid, Marker, at, compact_json, pieces, text_of
from tests.oracle.run import Run, Scope
from tests.oracle.templates import prepared, without
from tests.oracle.values import SOURCES, Own, evaluate, instruction, own_words

# What RFC 3986 lets stand in a path besides letters and digits; slashes stay where the mapping wrote them.
PATH_CHARACTERS = "/:@!$&'()*+,;="
LONGEST_URL = 65536
MEGABYTE = 1048576
NAMESPACE = "d1b0fafc-3b7a-48a2-8f0d-4c7752a6f7da"


def request_of(run: Run, step: JsonObject, scope: Scope, place: str) -> JsonObject:
    """Make the request of a step, for one item of its `for_each` if it has one."""
    name = cast("str", step["request"])
    request = cast("JsonObject", cast("JsonObject", run.mapping["requests"])[name])
    where = at("requests", name)
    given = _given(run, step, scope, place)
    body = _body(run, request, where, given, (scope, place))
    _check_missing(run, request, given, (scope, place))
    if "batch" in request:
        return {"request": name, **_batch(run, request, scope, body)}
    url = _url(run, request, scope, where)
    _check_url(url, f"{where}.path" if "path" in request else "http.base_url")
    query = _query(run, request, scope, where)
    if len(url) + len(_form_text(query)) + 1 > LONGEST_URL and query:
        raise Invalid(_query_place(request, where), "The URL is too long")
    headers = _headers(run, request, scope, where, body)
    method = _text(run, request.get("method", "POST"), scope, f"{where}.method")
    if method is None or not re.fullmatch("[A-Za-z]+", method) or method.upper() == "CONNECT":
        raise Invalid(f"{where}.method", "The method is missing, or none")
    made: JsonObject = {
        "request": name,
        "method": method.upper(),
        "url": url,
        "headers": headers,
        "query": query,
        "body": body,
    }
    headers |= _request_id(run, step, scope, place, made)
    headers |= _signature(run, request, made)
    return made


def _batch(run: Run, request: JsonObject, scope: Scope, body: Json) -> JsonObject:
    """Say where the batch goes that carries a request; it knows nothing of the event but the group."""
    name = cast("str", request["batch"])
    batch = cast("JsonObject", cast("JsonObject", run.mapping["batches"])[name])
    where = at("batches", name)
    known: Scope = {"settings": without(prepared(cast("JsonObject", run.mapping.get("settings") or {}), run.settings))}
    group = None
    if "group_by" in batch:
        group = known["group"] = _group(
            evaluate(run, batch["group_by"], scope, f"{where}.group_by"), f"{where}.group_by"
        )
    items = _make_alone(run, request, batch, {**known, "body": body})
    url = _url(run, batch, known, where)
    _check_url(url, f"{where}.path")
    query = _query(run, batch, {**known, "items": items}, where)
    headers = _headers(run, batch, {**known, "items": items}, where, {})
    method = _text(run, batch.get("method", "POST"), known, f"{where}.method")
    if method is None or not re.fullmatch("[A-Za-z]+", method) or method.upper() == "CONNECT":
        raise Invalid(f"{where}.method", "The method is missing, or none")
    return {
        "method": method.upper(),
        "url": url,
        "headers": headers,
        "query": query,
        "body": body,
        "batch": name,
        "group": group,
    }


def _make_alone(run: Run, request: JsonObject, batch: JsonObject, known: Scope) -> list[Json]:
    """Make the body of a batch with this request alone: if that is impossible, the event is invalid. Return its items.

    What it reports is said when the batch is made.
    """
    reports, iterations = run.reports[:], run.iterations
    item = known["body"]
    if "item" in request:
        item = evaluate(run, request["item"], known, f"{at('requests', cast('str', _name(run, request)))}.item")
    inside: Scope = {**known, "items": [item]}
    if "fields" in batch:
        evaluate(run, {"fields": batch["fields"]}, inside, at("batches", cast("str", request["batch"])))
    run.reports[:], run.iterations = reports, iterations
    return [item]


def _name(run: Run, request: JsonObject) -> str:
    return next(name for name, one in cast("JsonObject", run.mapping["requests"]).items() if one is request)


def _group(value: Json, place: str) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    text = text_of(value)
    if text is None:
        raise Invalid(place, "Nothing to group by")
    return text


def check_sizes(run: Run, requests: list[JsonObject]) -> None:
    """Make an event invalid that has a body which is too large, or too much in all of them."""
    if sum(_size(run, request) for request in requests) > 10 * MEGABYTE:
        raise Invalid("requests", "The requests have more than 10 MB together")


def _size(run: Run, made: JsonObject) -> int:
    """Return how large a body is when it is sent; one that is larger than its request allows makes the event invalid."""
    requests = cast("dict[str, JsonObject]", run.mapping["requests"])
    name = cast("str", made["request"])
    allowed, other = [], name
    while other:
        allowed.append(cast("int", requests[other].get("max_bytes", MEGABYTE)))
        other = cast("str", requests[other].get("if_missing", ""))
    body = made["body"]
    form = requests[name].get("encode") == "form"
    size = 0 if body is None else len(_form_text(cast("JsonObject", body)) if form else compact_json(body).encode())
    if size > min(allowed):
        raise Invalid(at("requests", name), f"{size} bytes")
    return size


def _form_text(pairs: JsonObject) -> str:
    entries = [
        (key, entry) for key, value in pairs.items() for entry in (value if isinstance(value, list) else [value])
    ]
    return urlencode([(key, text_of(entry) or "") for key, entry in entries])


def _check_url(url: str, place: str) -> None:
    path = url.partition("?")[0]
    if len(url) > LONGEST_URL or "/./" in f"{path}/" or "/../" in f"{path}/" or re.search("[\x00-\x1f\x7f]", url):
        raise Invalid(place, "The URL cannot be sent as it is")


def _request_id(run: Run, step: JsonObject, scope: Scope, place: str, made: JsonObject) -> JsonObject:
    """Return the header with a UUID of version 5 (RFC 9562) over what makes the request this one."""
    header = cast("JsonObject", run.mapping["http"]).get("request_id")
    message_id = _written_text(run, run.scope["messageId"], "http.request_id") if header is not None else None
    if message_id is None or message_id.strip() == "":
        return {}
    number = int(place.rsplit("[", 1)[1].rstrip("]"))
    item = scope["index"] if "for_each" in step else None
    path = re.sub("^[^/]*//[^/]*/?", "", cast("str", made["url"]))
    parts: list[Json] = [message_id, number, cast("Json", item), made["request"], made["method"], path]
    parts += [made["query"], made["body"]]
    found = sha1(bytes.fromhex(NAMESPACE.replace("-", "")) + compact_json(parts).encode()).digest()[:16]
    text = (found[:6] + bytes([found[6] & 0x0F | 0x50, found[7], found[8] & 0x3F | 0x80]) + found[9:]).hex()
    return {str(header): "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])}


def _signature(run: Run, request: JsonObject, made: JsonObject) -> dict[str, Json]:
    """Return the headers of the request's signature, or else of the one that all requests share."""
    http = cast("JsonObject", run.mapping["http"])
    rule = cast("dict[str, str]", request.get("signature") or http.get("signature") or {})
    key = run.settings.get(rule["secret"].removeprefix("settings.")) if rule else None
    if key is None:
        return {}
    body = made["body"]
    written = _form_text(cast("JsonObject", body)) if request.get("encode") == "form" else compact_json(body)
    text = "" if body is None else written
    over, second = rule.get("over", "body"), str(int(run.now))
    if over not in {"body", "wire"}:  # a body cannot bring a ${} of its own: it is put in last
        text = "".join(
            {"${body}": text, "${sent_at}": second}.get(part, part) for part in re.split(r"(\$\{\w+\})", over)
        )
    raw = (
        gzip.compress(text.encode(), 1, mtime=0)
        if over == "wire" and "compress" in http and body is not None
        else text.encode()
    )
    code = hmac.new(str(key).encode(), raw, rule.get("hash", "sha256"))
    shown = code.hexdigest() if rule.get("encoding", "hex") == "hex" else b64encode(code.digest()).decode()
    headers: dict[str, Json] = {rule["header"]: rule.get("prefix", "").replace("${sent_at}", second) + shown}
    return headers | ({rule["sent_at_header"]: second} if "sent_at_header" in rule else {})


def _given(run: Run, step: JsonObject, scope: Scope, place: str) -> Json:
    """Make what a step gives: the body, or what is in the request's envelope."""
    if not any(word in step for word in SOURCES):
        return None
    own = {"when", "unless"} | ({"where"} if "for_each" in step else set())
    value = {word: written for word, written in step.items() if word not in own}
    body = instruction(run, value, scope, place)
    return {} if body is None else body


def _body(run: Run, request: JsonObject, where: str, given: Json, step: tuple[Scope, str]) -> Json:
    scope, place = step
    body = given
    if "envelope" in request:
        body = evaluate(run, request["envelope"], {**scope, "body": given}, f"{where}.envelope")
        body = {} if body is None else body
    return _form(run, body, place) if request.get("encode") == "form" and body is not None else body


def _check_missing(run: Run, request: JsonObject, given: Json, step: tuple[Scope, str]) -> None:
    """Make the body of the request that is sent if this one is missing: each has an envelope of its own."""
    requests = cast("dict[str, JsonObject]", run.mapping["requests"])
    name = cast("str", request.get("if_missing", ""))
    if name and ("envelope" in request or "envelope" in requests[name]):
        body = _body(run, requests[name], at("requests", name), given, step)
        _size(run, {"request": name, "body": body})


def _form(run: Run, body: Json, place: str) -> Json:
    if not isinstance(body, dict):
        raise Invalid(place, "Only an object can be sent as a form")
    sent: JsonObject = {}
    for key, member in body.items():
        entries = member if isinstance(member, list) else [member]
        if any(isinstance(entry, (dict, list)) for entry in entries):
            run.report("not-text", place)
        elif isinstance(member, list):
            sent[key] = [entry for entry in member if entry is not None]
        elif member is not None:
            sent[key] = member
    return sent


def _text(run: Run, written: Json, scope: Scope, place: str) -> str | None:
    """Read a text with `${}`, or an instruction that makes one."""
    if isinstance(written, str):
        return run.fill(written, scope, place)
    return _written_text(run, evaluate(run, written, scope, place), place)


def _written_text(run: Run, value: Json, place: str) -> str | None:
    if isinstance(value, (dict, list)):
        run.report("not-text", place)
    run.note_inexact(value, place)
    return text_of(value)


def _url(run: Run, request: JsonObject, scope: Scope, where: str) -> str:
    http = cast("JsonObject", run.mapping["http"])
    base = _base_url(run, http["base_url"], scope).rstrip("/")
    _check_authority(base)
    if "path" not in request:
        return base
    path = _path(run, request["path"], scope, f"{where}.path")
    if path == "":
        return base
    return base + (path if path.startswith("/") else f"/{path}")


def _check_authority(base: str) -> None:
    authority = base.partition("://")[2].partition("/")[0]
    port = re.search(r":([^:\]]*)$", authority)
    if "@" in authority or (port and port[1] and not (port[1].isdecimal() and 0 < int(port[1]) < 2**16)):
        raise Invalid("http.base_url", "The address has a user, or a port that cannot be")


def _base_url(run: Run, written: Json, scope: Scope) -> str:
    place = "http.base_url"
    if isinstance(written, str):
        return _url_text(run, written, scope, place)
    text = _text(run, own_words(written), scope, place)
    if text is None:
        raise Invalid(place, "The URL is missing")
    return text


def _path(run: Run, written: Json, scope: Scope, place: str) -> str:
    """Read a path; in an instruction, text of the mapping stays as it is and any other value is encoded whole."""
    if isinstance(written, str):
        return _url_text(run, written, scope, place)
    value = evaluate(run, own_words(written), scope, place)
    if isinstance(value, Own):
        return str(value)
    text = _written_text(run, value, place)
    if text is None:
        raise Invalid(place, "The path is missing")
    if isinstance(value, Marker):
        return text
    _check_segment(text, place)
    return quote(text, safe="")


def url_piece(run: Run, written: str, scope: Scope, place: str) -> Json:
    """Fill a `text` inside a URL's instruction; nothing where a value is missing."""
    for piece in pieces(written):
        if piece.hole and run.hole(piece.text, scope, place) is None:
            return None
    return Own(_url_text(run, written, scope, place))


def _url_text(run: Run, written: str, scope: Scope, place: str) -> str:
    """Fill a text of a URL: what comes from outside is encoded whole, and may not empty or climb the path."""
    filled, segment, checked = "", "", False
    in_path = True
    for number, piece in enumerate(pieces(written)):
        if piece.hole:
            put = _url_hole(run, piece.text, scope, place, first=number == 0)
            checked = checked or not _is_url_setting(run, piece.text, first=number == 0)
        else:
            put = piece.text
        filled += put
        if not piece.hole and put in {"/", "?", "#"}:
            if checked and in_path:
                _check_segment(segment, place)
            in_path = in_path and put == "/"
            segment, checked = "", False
        else:
            segment += put
    if checked and in_path:
        _check_segment(segment, place)
    return filled


def _url_hole(run: Run, path: str, scope: Scope, place: str, *, first: bool) -> str:
    value = run.search(path, scope, place)
    text = _written_text(run, value, place)
    if text is None:
        raise Invalid(place, f"Nothing is at {path} to put into the URL")
    if _is_url_setting(run, path, first=first):
        return text.rstrip("/")
    if isinstance(value, Marker):
        return text
    return quote(text, safe="")


def _is_url_setting(run: Run, path: str, *, first: bool) -> bool:
    settings = cast("dict[str, JsonObject]", run.mapping.get("settings") or {})
    setting = settings.get(path.removeprefix("settings."), {})
    return first and path.startswith("settings.") and setting.get("type") == "url"


def _check_segment(segment: str, place: str) -> None:
    if segment in {"", ".", ".."}:
        raise Invalid(place, f"A part of the URL would be {segment!r}")


def _query(run: Run, request: JsonObject, scope: Scope, where: str) -> JsonObject:
    query: JsonObject = {}
    for key, written in cast("JsonObject", request.get("query") or {}).items():
        place = at(f"{where}.query", key)
        value: Json = (
            run.fill(written, scope, place) if isinstance(written, str) else _query_value(run, written, scope, place)
        )
        if value is not None:
            query[key] = value
    _query_from(run, request.get("query_from"), f"{where}.query_from", request, (query, scope))
    _query_from(run, _http(run).get("query_from"), "http.query_from", request, (query, scope))
    return query


def _query_place(request: JsonObject, where: str) -> str:
    words = [word for word in ("query", "query_from") if request.get(word)]
    return f"{where}.{words[0]}" if words else "http.query_from"


def _http(run: Run) -> JsonObject:
    return cast("JsonObject", run.mapping["http"])


def _query_from(run: Run, written: Json, place: str, request: JsonObject, into: tuple[JsonObject, Scope]) -> None:
    query, scope = into
    room = Room()
    for name, value in _members(run, written, scope, place):
        if room.names == 100:
            room.too_many = True
        elif name == "":
            raise Invalid(place, "A query parameter without a name")
        elif name in query or name in cast("JsonObject", request.get("query") or {}):
            run.report("taken-name", place)
        else:
            texts = _query_texts(run, value, place)
            if texts and room.takes(name, texts):
                query[name] = cast("Json", texts) if isinstance(value, list) else texts[0]
    if room.too_many:
        run.report("too-many-names", place)


def _query_texts(run: Run, value: Json, place: str) -> list[str]:
    texts = [_written_text(run, entry, place) for entry in (value if isinstance(value, list) else [value])]
    return [text for text in texts if text is not None]


class Room:
    """How much one object may still give: 100 names with 16 KB, each with two characters around it."""

    def __init__(self) -> None:
        self.names = 0
        self.bytes = 0
        self.too_many = False

    def takes(self, name: str, texts: list[str]) -> bool:
        """Count one name with its texts, unless that is too much."""
        size = sum(len((name + str(text)).encode(errors="surrogatepass")) + 2 for text in texts)
        if self.bytes + size > 16384:
            self.too_many = True
            return False
        self.names += 1
        self.bytes += size
        return True


def _members(run: Run, written: Json, scope: Scope, place: str) -> list[tuple[str, Json]]:
    """Return the members of the object that `headers_from` or `query_from` gives; null is no member."""
    found = None if written is None else evaluate(run, written, scope, place)
    if isinstance(found, dict):
        return [(name, value) for name, value in found.items() if value is not None]
    if found is not None and not isinstance(found, Marker):
        run.report("not-an-object", place)
    return []


def _query_value(run: Run, written: Json, scope: Scope, place: str) -> Json:
    value = evaluate(run, written, scope, place)
    if not isinstance(value, list):
        return _written_text(run, value, place)
    texts = [_written_text(run, entry, place) for entry in value]
    return [text for text in texts if text is not None] or None


def _headers(run: Run, request: JsonObject, scope: Scope, where: str, body: Json) -> JsonObject:
    http = cast("JsonObject", run.mapping["http"])
    common = cast("JsonObject", http.get("headers") or {})
    own = cast("JsonObject", request.get("headers") or {})
    written: JsonObject = {}
    mine = {name.lower() for name in own}
    places = [("http.headers", name, text) for name, text in common.items() if name.lower() not in mine]
    places += [(f"{where}.headers", name, text) for name, text in own.items()]
    for table, name, text in places:
        value = _text(run, text, scope, at(table, name))
        if value is not None:
            written[name] = _checked_header(value, at(table, name))
    given = {name.lower() for name in [*common, *own]}
    written = {**_basic(run, http, scope, given), **written}
    if "oauth2" in http:
        written = {"Authorization": "Bearer ***", **written}
    given |= {"authorization"} if "basic" in http else set()
    first_type = body is not None and "content-type" not in {name.lower() for name in written}
    _headers_from(run, request.get("headers_from"), f"{where}.headers_from", given, (written, scope, request))
    _headers_from(run, http.get("headers_from"), "http.headers_from", given, (written, scope, request))
    if first_type:
        form = request.get("encode") == "form"
        written = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json", **written}
    return written


REFUSED = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "content-type",
    "content-encoding",
    "cookie",
    "accept-encoding",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
]


def _headers_from(
    run: Run, written: Json, place: str, given: set[str], into: tuple[JsonObject, Scope, JsonObject]
) -> None:
    headers, scope, noun = into
    room = Room()
    for name, value in _members(run, written, scope, place):
        if room.names == 100:
            room.too_many = True
        elif not re.fullmatch("[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise Invalid(place, f"{name!r} cannot be the name of a header")
        elif not _may_give(run, noun, name.lower(), value):
            run.report("refused-name", place)
        elif name.lower() in given | {other.lower() for other in headers}:
            run.report("taken-name", place)
        else:
            text = _written_text(run, value, place)
            if text is not None and room.takes(name, [text]):
                headers[name] = _checked_header(text, place)
    if room.too_many:
        run.report("too-many-names", place)


def _may_give(run: Run, noun: JsonObject, name: str, value: Json) -> bool:
    http = _http(run)
    if name == "authorization":
        return isinstance(value, Hidden) and "oauth2" not in http
    signature = cast("JsonObject", noun.get("signature") or http.get("signature") or {})
    own = [http.get("request_id", ""), signature.get("header", ""), signature.get("sent_at_header", "")]
    return name not in REFUSED and not name.startswith("proxy-") and name not in {str(one).lower() for one in own}


def _basic(run: Run, http: JsonObject, scope: Scope, given: set[str]) -> JsonObject:
    if "basic" not in http or "authorization" in given:
        return {}
    pair = []
    for number, value in enumerate(cast("list[Json]", http["basic"])):
        place = f"http.basic[{number}]"
        pair.append(_written_text(run, evaluate(run, value, scope, place), place))
    if None in pair:
        return {}
    return {"Authorization": "Basic " + b64encode(":".join(map(str, pair)).encode()).decode()}


def _checked_header(value: str, place: str) -> str:
    if all(" " <= character <= "~" for character in value) and value == value.strip():
        return value
    raise Invalid(place, "A header cannot hold control or non-ASCII characters, nor blanks at its ends")
