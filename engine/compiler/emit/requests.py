"""A request's method, URL, headers and query -> statements; once per connection if only settings matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.compiler.emit.conditions import asks_the_clock, settings_only
from engine.compiler.emit.texts import emit_base_url, emit_filled_url, emit_path, fill_text, settled_base
from engine.compiler.from_objects import add_headers, add_query
from engine.compiler.optimizations import Optimization
from engine.compiler.runtime import header_fault
from engine.compiler.writer import Module, Writer
from engine.language.template import Text
from engine.mapping.model import Batch, Http, Instruction, Mapping, Request, TextOrValue, Value
from engine.mapping.problems import place_text
from engine.mapping.walk import Occurrence, Scope, of_noun, values_in
from engine.records import Place

NamedTexts = tuple[tuple[str, TextOrValue, Place], ...]

NO_TOKEN = "Bearer ***"  # noqa: S105  it stands for one
"""The header of a plan with `oauth2`: an access token is known only when a request is sent, and is never shown."""

OF_HEADERS = frozenset({"headers", "headers_from", "basic"})
CONTENT_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


class AddressCode(NamedTuple):
    """Python expressions for the four parts of an address."""

    method: str
    url: str
    headers: str
    query: str


def emit_address(writer: Writer, request: Request, *, has_body: bool) -> AddressCode:
    """Write method, URL, headers and query of a request."""
    http = writer.module.mapping.http
    url = emit_url(writer, request.path, (*request.place, "path"))
    query = emit_query(writer, request, url)
    if writer.call is not None and _are_headers_settled(writer.module, request):
        headers = _settled_headers(writer, request, has_body=has_body)
    else:
        headers = _headers(writer, request, http, has_body=has_body)
    method = emit_method(writer, request)
    return AddressCode(method, url, headers, query)


def _are_headers_settled(module: Module, request: Request) -> bool:
    """Whether the headers are known once the settings are, although the rest of the address is not."""
    http = module.mapping.http
    if Optimization.SETTLED_PIECES not in module.optimizations:
        return False
    if any(asks_the_clock(value) for value in (*values_in(request), *values_in(http))):
        return False
    found = (
        each
        for noun in (request, http)
        for each in of_noun(noun, noun.place, Scope(kind="request"))
        if each.place[len(noun.place)] in OF_HEADERS
    )
    return all(settings_only(module.mapping, each.path, each.scope.loop) for each in found)


def _settled_headers(writer: Writer, request: Request, *, has_body: bool) -> str:
    """Write the headers once per connection; all events of it share them."""
    module, key = writer.module, (request.name, has_body)
    if key not in module.settled_headers:
        once = Writer(module, {"settings": "settings"})
        once.lines.add(f"return ({_headers(once, request, module.mapping.http, has_body=has_body)},)")
        function = module.names.fresh("make_headers")
        with module.functions.block(f"def {function}(reports):"):
            module.functions.extend(once.body())
        (headers,), problem = module.settle(function, ("headers",))
        module.settled_headers[key] = headers, problem
    headers, problem = module.settled_headers[key]
    writer.check_settled(problem)
    return headers


def emit_request_id(writer: Writer, request: Request, address: AddressCode, sent: tuple[str, str, str]) -> AddressCode:
    """Write what adds the id of a request that is sent alone; `sent` is its step, its item and its body."""
    name = writer.module.mapping.http.request_id
    if name is None:
        return address
    literal = writer.names.literal
    writer.module.helper("identified")
    method, headers = writer.names.fresh("method"), writer.names.fresh("headers")
    step, item, body = sent
    path = f"{writer.module.helper('after_host')}({address.url})"
    made_of = f"[{step}, {item}, {literal(request.name)}, {method}, {path}, {address.query}, {body}]"
    message_id = writer.root("messageId")
    writer.lines.add(f"{method} = {address.method}")
    writer.lines.add(f"{headers} = identified({address.headers}, {literal(name)}, {message_id}, {made_of}, reports)")
    return address._replace(method=method, headers=headers)


def emit_url(writer: Writer, path: TextOrValue | None, place: Place) -> str:
    """Write the URL: base URL and path, every value percent-encoded."""
    url, place = writer.names.fresh("url"), place if path is not None else ("http", "base_url")
    at = writer.names.literal(place_text(place))
    writer.module.helper("sendable_url")
    known = settled_base(writer)
    if known is not None and not isinstance(path, Instruction):
        writer.lines.add(f"{url} = sendable_url({emit_filled_url(writer, known, path, place)}, {at})")
        return url
    base = emit_base_url(writer, writer.module.mapping.http.base_url)
    tail = emit_path(writer, path, place) if path is not None else "''"
    writer.module.helper("join_url")
    writer.lines.add(f"{url} = sendable_url(join_url({base}, {tail}), {at})")
    return url


def is_settled(mapping: Mapping, request: Request) -> bool:
    """Whether a request's address is known once the settings are."""
    http = mapping.http
    if any(asks_the_clock(value) for value in (*values_in(request), *values_in(http))):
        return False
    found = address_paths(request, http, Scope(kind="request"))
    return all(settings_only(mapping, each.path, each.scope.loop) for each in found)


def address_paths(request: Request | Batch, http: Http, scope: Scope) -> Iterator[Occurrence]:
    """Return the paths of what makes an address: URL, method, query and headers."""
    for noun in (request, http):
        found = of_noun(noun, noun.place, scope)
        yield from (each for each in found if each.scope.kind in (scope.kind, "settings", "parameters"))


def header_list(request_headers: tuple[tuple[str, TextOrValue], ...], place: Place, http: Http) -> NamedTexts:
    """Return the headers of the mapping and of the request; of one name, whatever its case, the request's wins."""
    own = {name.lower(): (name, text, (*place, "headers", name)) for name, text in request_headers}
    shared = {name.lower(): (name, text, ("http", "headers", name)) for name, text in http.headers}
    others = {name: each for name, each in shared.items() if name not in own}
    return tuple({**others, **own}.values())


def _headers(writer: Writer, request: Request, http: Http, *, has_body: bool) -> str:
    """Write all headers of a request: those that are written, then those that objects give."""
    headers = emit_headers(
        writer, header_list(request.headers, request.place, http), CONTENT_TYPES[request.encode] if has_body else None
    )
    emit_headers_from(writer, request, headers)
    return headers


def emit_headers(writer: Writer, headers: NamedTexts, content_type: str | None) -> str:
    """Write the dict of headers, `Content-Type` first unless given."""
    variable = writer.names.fresh("headers")
    given = {name.lower() for name, _, _ in headers}
    writer.lines.add(f"{variable} = { ({'Content-Type': content_type} if content_type else {})!r}")
    for name, text, place in headers:
        if isinstance(text, Text) and text.literal is not None and header_fault(text.literal) is None:
            _put_header(writer, variable, name, writer.names.literal(text.literal))
            continue
        code = named_text(writer, text, place)
        _set_header(writer, variable, name, code, place)
    basic = writer.module.mapping.http.basic
    if basic is not None and "authorization" not in given:
        codes = [_header_value(writer, value, ("http", "basic", number)) for number, value in enumerate(basic)]
        writer.module.helper("basic_auth")
        _set_header(writer, variable, "Authorization", f"basic_auth({codes[0]}, {codes[1]})", ("http", "basic"))
    if writer.module.mapping.http.oauth2 is not None:
        _put_header(writer, variable, "Authorization", writer.names.literal(NO_TOKEN))
    return variable


def named_text(writer: Writer, text: TextOrValue | Value, place: Place) -> str:
    """Write a text with `${}` or a value that is text; None at run time where it has no value."""
    return fill_text(writer, text, place).code if isinstance(text, Text) else _header_value(writer, text, place)


def emit_headers_from(writer: Writer, noun: Request | Batch, headers: str) -> None:
    """Write what adds the headers that objects give to the dict of those that are written."""
    http = writer.module.mapping.http
    written = frozenset(name.lower() for name, _, _ in header_list(noun.headers, noun.place, http))
    if http.basic is not None:
        written |= {"authorization"}
    for owner in (noun, http):
        if owner.headers_from is None:
            continue
        given = writer.value(owner.headers_from).code
        names = f"{writer.names.constant(written, 'written')}, {writer.names.constant(_own_headers(noun, http), 'own')}"
        at = writer.names.literal(place_text((*owner.place, "headers_from")))
        writer.names.function(add_headers, "add_headers")
        writer.lines.add(f"add_headers({headers}, {given}, {names}, reports, {at})")


def _own_headers(noun: Request | Batch, http: Http) -> frozenset[str]:
    """Return the headers, in lowercase, that only a word of the mapping sends: no object may give them."""
    signature = noun.signature or http.signature
    names = [] if signature is None else list(signature.headers.values())
    names += [] if http.request_id is None else [http.request_id]
    names += [] if http.oauth2 is None else ["authorization"]
    return frozenset(name.lower() for name in names)


def _header_value(writer: Writer, value: Value, place: Place) -> str:
    got = writer.value(value)
    writer.module.helper("text_in")
    return f"text_in({got.code}, reports, {writer.names.literal(place_text(place))})"


def _set_header(writer: Writer, headers: str, name: str, code: str, place: Place) -> None:
    text = writer.names.fresh("text")
    writer.module.helper("header")
    writer.lines.add(f"{text} = {code}")
    with writer.lines.block(f"if {text} is not None:"):
        _put_header(writer, headers, name, f"header({text}, {writer.names.literal(place_text(place))})")


def _put_header(writer: Writer, headers: str, name: str, code: str) -> None:
    if name.lower() == "content-type":
        writer.lines.add(f"{headers}.pop('Content-Type', None)")
    writer.lines.add(f"{headers}[{writer.names.literal(name)}] = {code}")


def emit_method(writer: Writer, request: Request | Batch) -> str:
    """Return the expression of a method."""
    place: Place = (*request.place, "method")
    if isinstance(request.method, Text) and request.method.literal is not None:
        return writer.names.literal(request.method.literal)
    writer.module.helper("method")
    return f"method({named_text(writer, request.method, place)}, {writer.names.literal(place_text(place))})"


def emit_query(writer: Writer, noun: Request | Batch, url: str) -> str:
    """Write the dict of query parameters: those that are written, then those that objects give."""
    http = writer.module.mapping.http
    places: list[Place] = [(*noun.place, "query")] if noun.query else []
    places += [(*each.place, "query_from") for each in (noun, http) if each.query_from is not None]
    if not places:
        return "{}"
    query = writer.names.fresh("query")
    writer.lines.add(f"{query} = {{}}")
    for name, text in noun.query:
        _set_parameter(writer, query, name, text, (*noun.place, "query", name))
    _emit_query_from(writer, noun, query)
    writer.module.helper("sendable_query")
    writer.lines.add(f"{query} = sendable_query({query}, {url}, {writer.names.literal(place_text(places[0]))})")
    return query


def _set_parameter(writer: Writer, query: str, name: str, text: TextOrValue, place: Place) -> None:
    if isinstance(text, Text):
        code = fill_text(writer, text, place).code
    else:
        writer.module.helper("query_text")
        code = f"query_text({writer.value(text).code}, reports, {writer.names.literal(place_text(place))})"
    value = writer.names.fresh("text")
    writer.lines.add(f"{value} = {code}")
    with writer.lines.block(f"if {value} is not None:"):
        writer.lines.add(f"{query}[{writer.names.literal(name)}] = {value}")


def _emit_query_from(writer: Writer, noun: Request | Batch, query: str) -> None:
    written = frozenset(name for name, _ in noun.query)
    for owner in (noun, writer.module.mapping.http):
        if owner.query_from is None:
            continue
        given = writer.value(owner.query_from).code
        names = writer.names.constant(written, "written")
        at = writer.names.literal(place_text((*owner.place, "query_from")))
        writer.names.function(add_query, "add_query")
        writer.lines.add(f"add_query({query}, {given}, {names}, reports, {at})")
