"""Operations of an OpenAPI 3.0 or 3.1 document as requests of a outline.

The document is data of strangers: its size and depth are bounded, nothing but its own `#/...` is followed, and its
texts become names, comments and samples by outline.py's rules only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from engine.errors import UsageError
from engine.language.header_names import OF_HTTP, is_header_name
from engine.language.suggest import closest
from engine.mapping.yaml import foreign
from engine.records import Json
from engine.scaffolding import addresses, credentials
from engine.scaffolding.credentials import Scrubber, is_credential
from engine.scaffolding.curl import guessed_calls, request_name
from engine.scaffolding.outline import NewRequest, NewSetting, Outline, VendorField, clean, literal, snake, title_of
from engine.scaffolding.schemas import Schemas

LARGEST_JSON = 32 * 1024 * 1024
LARGEST_YAML = 8 * 1024 * 1024
"""In bytes; PyYAML takes a second for one of these."""
MOST_OPERATIONS = 20_000
MOST_LISTED = 15
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
VERSION = re.compile(r"3\.[01](\.|$)")
Node = dict[str, Any]


class Operation(NamedTuple):
    """An operation with its place in the document."""

    id: str
    method: str
    path: str
    node: Node
    item: Node

    @property
    def label(self) -> str:
        """Return how it is written after --operation."""
        return self.id or f"{self.method} {self.path}"


def read(file: str, wanted: tuple[str, ...], outline: Outline, *, calls: tuple[str, ...] = ()) -> None:
    """Add the wanted operations of a document to a outline; UsageError for what cannot be read or is not there."""
    document = _document(file)
    operations = list(_operations(document))
    if not operations:
        raise UsageError(f"{clean(file)} has no operations under `paths`.")
    chosen = [_find(each, operations, file) for each in wanted]
    if not chosen:
        listed = ", ".join(clean(each.label, 60) for each in operations[:MOST_LISTED])
        more = f" and {len(operations) - MOST_LISTED} more" if len(operations) > MOST_LISTED else ""
        raise UsageError(f"Choose operations with --operation ID: {listed}{more}.")
    info = document.get("info")
    if isinstance(info, dict) and isinstance(info.get("title"), str) and outline.title == title_of(outline.name):
        outline.title = clean(info["title"], 60) or outline.title
    reader = _Reader(document, outline)
    for operation in chosen:
        reader.add(operation, calls)


def _document(file: str) -> Node:
    """Read a document and say which version it must be."""
    name = clean(file)
    try:
        with Path(file).open("rb") as handle:
            data = handle.read(LARGEST_JSON + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is invalid"
        raise UsageError(f"{name} cannot be read: {reason}.") from None
    document = _parsed(data, name)
    if not isinstance(document, dict):
        raise UsageError(f"{name} is not an OpenAPI document: it holds no object.")
    if "swagger" in document:
        raise UsageError(f"{name} is OpenAPI 2 (Swagger). Convert it to 3.0 first, as editor.swagger.io does.")
    version = document.get("openapi")
    if not isinstance(version, str) or not VERSION.match(version):
        raise UsageError(
            f"{name} is not an OpenAPI document of version 3.0 or 3.1: its `openapi` says no such version."
        )
    return document


def _parsed(data: bytes, name: str) -> Json:
    is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    most = LARGEST_JSON if is_json else LARGEST_YAML
    if len(data) > most:
        advice = "" if is_json else " Its JSON form may have 32."
        raise UsageError(f"{name} is too large: at most {most // 1024**2} MiB are read.{advice}")
    if is_json:
        try:
            parsed: Json = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise UsageError(
                f"{name}:{error.lineno}:{error.colno}: this is not JSON: {error.msg.partition(':')[0]}."
            ) from None
        return parsed
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text.") from None
    return foreign.read(text, name)


def _operations(document: Node) -> Iterator[Operation]:
    paths = document.get("paths")
    found = 0
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in METHODS if isinstance(item, dict) else ():
            node = item.get(method)
            if isinstance(node, dict) and found < MOST_OPERATIONS:
                found += 1
                given = node.get("operationId")
                yield Operation(given if isinstance(given, str) else "", method.upper(), str(path), node, item)


def _find(wanted: str, operations: list[Operation], file: str) -> Operation:
    for each in operations:
        if wanted in (each.id, f"{each.method} {each.path}"):
            return each
    guess = closest(wanted, [each.label for each in operations])
    advice = f"Did you mean {clean(guess)}?" if guess else "Leave out --operation to see them."
    raise UsageError(f"{clean(file)} has no operation {clean(wanted, 60)}. {advice}")


class _Reader:
    """Adds operations of one document to a outline."""

    def __init__(self, document: Node, outline: Outline) -> None:
        self.document = document
        self.outline = outline
        self.schemas = Schemas(document, self._secret)

    def _secret(self, key: str) -> str:
        if not is_credential(key, alone=False):
            return ""
        return credentials.secret(self.outline, key, sent_in="body").removeprefix("settings.")

    def add(self, operation: Operation, calls: tuple[str, ...]) -> None:
        """Add one operation."""
        self._server(operation)
        self._security(operation)
        request = NewRequest("", method=operation.method, about=_about(operation))
        request.path = addresses.path_template(self.outline, operation.path, Scrubber())
        request.name = snake(operation.id, "") or request_name(request)
        self._parameters(operation, request)
        self._body(operation, request)
        request.calls = calls or guessed_calls(request)
        self.outline.add_request(request)
        for what in self.schemas.left_out:
            self.outline.notes.append(f"{request.name}: left out of body_schema: {what}.")
        self.schemas.left_out.clear()

    def _server(self, operation: Operation) -> None:
        if self.outline.base_url:
            return
        for place in (operation.node, operation.item, self.document):
            servers = place.get("servers")
            server = servers[0] if isinstance(servers, list) and servers else None
            url = server.get("url") if isinstance(server, dict) else None
            if isinstance(url, str) and "://" in url:
                self._variables(server.get("variables") if isinstance(server, dict) else None)
                origin, _, path, _ = addresses.split(url[:2000])
                path = addresses.path_template(self.outline, path, Scrubber()).rstrip("/")
                self.outline.base_url = re.sub(
                    r"\$\{(?!settings\.)[^}]*\}", "", addresses.base_text(self.outline, origin) + path
                )
                return
        raise UsageError("The document names no server with https://; write --base-url https://...")

    def _variables(self, variables: Any) -> None:
        """Make settings of a server's variables before its address asks for them."""
        for name, node in list(variables.items())[:20] if isinstance(variables, dict) else ():
            if not isinstance(node, dict) or is_credential(str(name)):
                continue
            snaked = snake(str(name), "value")
            choices = node.get("enum")
            values = tuple(each for each in choices[:50] if isinstance(each, str)) if isinstance(choices, list) else ()
            default = node.get("default")
            is_choice = isinstance(default, str) and (not values or default in values)
            setting = NewSetting(snaked, title_of(snaked), choices=tuple(dict.fromkeys(values)))
            setting.default = str(default) if is_choice else ""
            setting.example = (values[0] if values else snaked.replace("_", "-")) if not setting.default else None
            self.outline.add_setting(setting)

    # Credentials

    def _security(self, operation: Operation) -> None:
        if self.outline.http:
            return  # the same for all requests of a mapping
        security = operation.node.get("security", self.document.get("security"))
        first = next((each for each in security if isinstance(each, dict)), {}) if isinstance(security, list) else {}
        components = self.document.get("components")
        schemes = components.get("securitySchemes") if isinstance(components, dict) else None
        for name, scopes in list(first.items())[:5]:
            scheme = self.schemas.resolve(schemes.get(name) if isinstance(schemes, dict) else None)
            self._scheme(scheme, scopes if isinstance(scopes, list) else [])

    def _scheme(self, scheme: Node, scopes: list[Any]) -> None:
        kind, name = scheme.get("type"), scheme.get("name")
        key = name if isinstance(name, str) else "api_key"
        if kind == "http" and str(scheme.get("scheme")).lower() == "basic":
            credentials.basic(self.outline)
        elif kind == "http" and str(scheme.get("scheme")).lower() == "bearer":
            credentials.bearer(self.outline)
        elif kind == "apiKey" and scheme.get("in") == "query":
            credentials.in_query(self.outline, clean(key, 100))
        elif kind == "apiKey" and scheme.get("in") == "cookie":
            credentials.in_header(self.outline, "Cookie")
        elif kind == "apiKey" and is_header_name(key) and key.lower() not in OF_HTTP:
            credentials.in_header(self.outline, key)
        elif kind == "oauth2" and self._client_credentials(scheme, scopes):
            return
        elif kind in ("oauth2", "openIdConnect"):
            self.outline.notes.append(
                f"{kind} without client credentials: an access token is a setting; see oauth2 in docs."
            )
            credentials.bearer(self.outline)
        else:
            self.outline.notes.append(
                "The document has a kind of credentials that waybill does not know; add them yourself."
            )

    def _client_credentials(self, scheme: Node, scopes: list[Any]) -> bool:
        flows = scheme.get("flows")
        flow = flows.get("clientCredentials") if isinstance(flows, dict) else None
        url = flow.get("tokenUrl") if isinstance(flow, dict) else None
        if not isinstance(url, str):
            return False
        if "://" in url:
            origin, _, path, _ = addresses.split(url[:2000])
            token = addresses.base_text(self.outline, origin) + addresses.path_template(self.outline, path, Scrubber())
        else:
            token = f"{self.outline.base_url}/{url.lstrip('/')[:500]}"
        credentials.oauth2(self.outline, token, " ".join(each for each in scopes[:20] if isinstance(each, str)))
        return True

    # Parameters and body

    def _parameters(self, operation: Operation, request: NewRequest) -> None:
        given = [*_list(operation.item.get("parameters")), *_list(operation.node.get("parameters"))]
        left = []
        for node in map(self.schemas.resolve, given[:200]):
            name, place = node.get("name"), node.get("in")
            if not isinstance(name, str) or place not in ("query", "header"):
                continue
            if node.get("required") is not True:
                left.append(clean(name, 30))
            elif place == "query" and is_credential(name):
                credentials.in_query(self.outline, clean(name, 100))
            elif place == "query":
                request.query[clean(name, 100)] = self._parameter(node, name)
            elif is_header_name(name) and name.lower() not in (*OF_HTTP, "authorization", "accept"):
                request.headers[name] = self._parameter(node, name)
        if left:
            shown = ", ".join(left[:8]) + (", ..." if len(left) > 8 else "")
            self.outline.notes.append(f"{request.name}: optional parameters are left out: {shown}.")

    def _parameter(self, node: Node, name: str) -> str:
        schema = self.schemas.draft_7(node.get("schema"))
        choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
        if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], str):
            return literal(clean(choices[0]))
        return f"${{{addresses.place_of(self.outline, name)}}}"

    def _body(self, operation: Operation, request: NewRequest) -> None:
        content = self.schemas.resolve(operation.node.get("requestBody")).get("content")
        for kind, media in content.items() if isinstance(content, dict) else ():
            base = str(kind).partition(";")[0].strip().lower()
            if base == "application/json" or base.endswith("+json") or base == "*/*":
                self._schema(request, media)
                return
        for kind, media in content.items() if isinstance(content, dict) else ():
            if str(kind).startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
                request.encode = "form"
                if str(kind).startswith("multipart"):
                    self.outline.notes.append(
                        f"{request.name}: multipart/form-data is not sent; the mapping sends a plain form."
                    )
                self._schema(request, media)
                return
        if content:
            self.outline.notes.append(f"{request.name}: its body is neither JSON nor a form; write it yourself.")

    def _schema(self, request: NewRequest, media: Any) -> None:
        node = self.schemas.resolve(media.get("schema") if isinstance(media, dict) else None)
        schema = self.schemas.draft_7(node)
        inner: Any = schema
        if isinstance(schema.get("items"), dict):
            request.in_list = request.encode == "json"  # a form has no list of objects
            node, inner = self.schemas.resolve(node["items"]), schema["items"]
        fields: tuple[VendorField, ...] = self.schemas.fields(node, inner)
        if not fields:
            self.outline.notes.append(f"{request.name}: its body has no named fields; write it yourself.")
            return
        request.fields = fields
        if request.encode == "json":
            request.schema = schema


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _about(operation: Operation) -> str:
    for word in ("summary", "description"):
        text = operation.node.get(word)
        if isinstance(text, str) and clean(text):
            return clean(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0], 140)
    return f"{operation.method} {clean(operation.path, 100)}"
