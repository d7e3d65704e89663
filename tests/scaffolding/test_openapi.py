"""Operations of OpenAPI documents become clean mappings; documents that are broken, huge or hostile are bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import UsageError
from engine.scaffolding import openapi
from engine.scaffolding.outline import Outline
from tests.scaffolding.made import Made, made

OBJECT: dict[str, Any] = {"type": "object"}


def document(body: Any = None, version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    post: dict[str, Any] = {"operationId": "send", "requestBody": {"content": {"application/json": {"schema": body}}}}
    return {
        "openapi": version,
        "info": {"title": "Acme API", "version": "1"},
        "servers": [{"url": "https://api.acme.io/v1"}],
        "paths": {"/events": {"post": post if body is not None else {"operationId": "send"}}},
        **more,
    }


def read(tmp_path: Path, content: Any, *operations: str, calls: tuple[str, ...] = ("track",)) -> Made:
    file = tmp_path / "api.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    outline = Outline("acme", "Acme")
    openapi.read(str(file), operations or ("send",), outline, calls=calls)
    return made(outline)


WHOLE = """
openapi: 3.1.0
info: { title: "Acme\\nEvents", version: "1" }
servers:
  - url: https://{region}.acme.io/v2
    variables: { region: { enum: [us, no], default: us } }
security: [{ key: [] }]
paths:
  /users/{user_id}:
    put:
      operationId: upsertUser
      summary: Creates or updates a user. And more.
      requestBody: { $ref: "#/components/requestBodies/User" }
  /events:
    post:
      parameters:
        - { name: dry_run, in: query, schema: { type: boolean } }
        - { name: workspace, in: query, required: true, schema: { type: string } }
      requestBody:
        content:
          application/json; charset=utf-8:
            schema:
              type: object
              required: [name, user_id, at, source, id]
              additionalProperties: false
              properties:
                id: { type: string, readOnly: true }
                name: { type: string, maxLength: 100 }
                user_id: { type: integer }
                at: { type: string, format: date-time, description: when }
                source: { type: string, enum: [no, app] }
                kind: { const: event }
                code: { type: string, pattern: "^[A-Z]{3}$" }
                total: { type: number, minimum: 0, exclusiveMinimum: 0 }
                lines: { type: array, items: { type: object, properties: { sku: { type: string } } } }
                api_key: { type: string }
components:
  securitySchemes: { key: { type: apiKey, in: header, name: X-Acme-Key } }
  requestBodies:
    User: { content: { application/json: { schema: { $ref: "#/components/schemas/User" } } } }
  schemas:
    User:
      allOf:
        - { type: object, required: [email], properties: { email: { type: [string, "null"], format: email } } }
        - { type: object, properties: { friend: { $ref: "#/components/schemas/User" }, born: { type: string, format: date } } }
"""


def test_a_document_becomes_a_mapping(tmp_path: Path) -> None:
    made = read(tmp_path, WHOLE, "POST /events", "upsertUser", calls=())
    assert made.problems == []
    value = made.value
    assert value["title"] == "Acme Events"
    assert value["settings"]["region"] == {
        "title": "Region",
        "type": "string",
        "choices": ["us", "no"],
        "default": "us",
    }
    assert value["http"] == {
        "base_url": "https://${settings.region}.acme.io/v2",
        "headers": {"X-Acme-Key": "${settings.acme_key}"},
    }
    events, user = value["requests"]["send_events"], value["requests"]["upsert_user"]
    assert events["query"] == {"workspace": "${settings.workspace}"}
    assert events["body_schema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 100},
            "user_id": {"type": "integer"},
            "at": {"type": "string"},
            "source": {"type": "string", "enum": ["no", "app"]},
            "kind": {"const": "event"},
            "code": {"type": "string"},
            "total": {"type": "number", "minimum": 0, "exclusiveMinimum": 0},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
            "api_key": {"type": "string"},
        },
        "required": ["name", "user_id", "at", "source"],
        "additionalProperties": False,
    }
    assert value["calls"]["track"][0]["fields"] == {
        "name": "event",
        "user_id": {"from": "userId", "as": "integer", "required": True},
        "at": {"from": "properties.at", "as": "iso8601", "required": True},
        "source": {"from": "properties.source", "required": True},
        "kind": {"const": "event"},
        "code": "properties.code",
        "total": {"from": "properties.total", "as": "number"},
        "lines": {"each": "properties.lines", "value": {"fields": {"sku": "item.sku"}}},
        "api_key": "settings.api_key",
    }
    assert (user["path"], user["method"], user["about"]) == ("/users/${userId}", "PUT", "Creates or updates a user.")
    assert value["calls"]["identify"][0]["fields"]["email"] == {"from": "parts.email", "required": True}
    assert made.notes == [
        "send_events: optional parameters are left out: dry_run.",
        "send_events: left out of body_schema: pattern of code, for which no example is known.",
        "upsert_user: left out of body_schema: a schema inside itself.",
    ]


SCHEMES: list[tuple[str, Any, Any]] = [
    ("bearer", {"type": "http", "scheme": "Bearer"}, {"headers": {"Authorization": "Bearer ${settings.access_token}"}}),
    ("basic", {"type": "http", "scheme": "basic"}, {"basic": ["settings.username", "settings.password"]}),
    ("query", {"type": "apiKey", "in": "query", "name": "k"}, {"query_from": {"fields": {"k": "settings.k"}}}),
    ("cookie", {"type": "apiKey", "in": "cookie", "name": "s"}, {"headers": {"Cookie": "${settings.cookie}"}}),
    (
        "oauth2",
        {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {}}}},
        {
            "oauth2": {
                "token_url": "https://api.acme.io/v1/token",
                "client_id": "settings.client_id",
                "client_secret": "settings.client_secret",
                "scope": "a b",
            }
        },
    ),
]


@pytest.mark.parametrize(("name", "scheme", "http"), SCHEMES, ids=[name for name, _, _ in SCHEMES])
def test_credentials(name: str, scheme: Any, http: Any, tmp_path: Path) -> None:
    more = {"security": [{name: ["a", "b"]}], "components": {"securitySchemes": {name: scheme}}}
    made = read(tmp_path, document({**OBJECT, "properties": {"event": {"type": "string"}}}, **more))
    assert made.problems == []
    assert made.value["http"] == {"base_url": "https://api.acme.io/v1", **http}


# Schemas for which samples, paths and limits have to agree; all of them give clean mappings.
ODD: dict[str, Any] = {
    "nothing": {},
    "no object": {"type": "string"},
    "a list": {"type": "array", "items": {"type": "object", "properties": {"email": {"type": "string"}}}},
    "true": {**OBJECT, "properties": {"a": True, "b": 7, "c": None, "d": []}},
    "only oneOf": {"oneOf": [{**OBJECT, "properties": {"a": {"type": "string"}}}, {**OBJECT, "required": ["b"]}]},
    "itself": {"$ref": "#/paths/~1p5/post/requestBody/content/application~1json/schema"},
    "another document": {**OBJECT, "properties": {"a": {"$ref": "http://127.0.0.1:9/x#/y"}, "b": {"$ref": "x.yaml"}}},
    "a missing one": {**OBJECT, "properties": {"a": {"$ref": "#/components/schemas/none"}}},
    "a time with no room": {**OBJECT, "properties": {"timestamp": {"type": "string", "maxLength": 3}}},
    "a time as text": {**OBJECT, "properties": {"timestamp": {"type": "string", "pattern": "^[0-9]+$", "example": "12"}}},
    "a type": {**OBJECT, "properties": {"type": {"type": "string", "enum": ["click"]}}, "required": ["type"]},
    "an ID twice": {**OBJECT, "properties": {"user_id": {"type": "string"}, "external_id": {"enum": ["x", "y"]}}},
    "an ID that is a number": {**OBJECT, "properties": {"user_id": {"type": "bogus", "example": -1}}},
    "two of one": {**OBJECT, "oneOf": [{**OBJECT, "properties": {"a": {}}}, {**OBJECT, "properties": {"b": {}}}]},
    "impossible": {**OBJECT, "properties": {"a": {"type": "string", "minLength": 9, "maxLength": 2}}, "required": ["z"]},
    "limits": {**OBJECT, "properties": {"a": {"type": "integer", "minimum": 1e300}, "b": {"type": "number", "multipleOf": 0}}},
    "no RE2": {**OBJECT, "properties": {"a": {"type": "string", "pattern": "(?=a)"}, "b": {"pattern": "["}}},
    "a map": {**OBJECT, "additionalProperties": {"type": "string"}, "properties": {"x": OBJECT}},
    "lists of lists": {**OBJECT, "properties": {"a": {"type": "array", "minItems": 5, "items": {"type": "array"}}}},
    "hostile": {**OBJECT, "properties": {"${a}": {"enum": ["a\nb", "\u202e", "*x"]}, "- b\n": {"example": "${x}"}}},
    "secrets": {**OBJECT, "properties": {"password": {"type": "string", "pattern": "^x+$"}, "a": {**OBJECT, "properties": {"api_key": {}}}}},
}  # fmt: skip


def test_odd_schemas_give_clean_mappings(tmp_path: Path) -> None:
    """Each as an operation of one document, which is one mapping."""
    paths = {}
    for number, schema in enumerate(ODD.values()):
        body = {"content": {"application/json": {"schema": schema}}}
        paths[f"/p{number}"] = {"post": {"operationId": f"op{number}", "requestBody": body}}
    made = read(tmp_path, document(paths=paths), *(f"op{number}" for number in range(len(ODD))))
    assert made.problems == []
    assert len(made.value["requests"]) == len(ODD)
    [example] = made.value["examples"]
    assert [name for entry in example["expect"] for name in entry] == [f"op{number}" for number in range(len(ODD))]


def test_a_large_schema_is_cut(tmp_path: Path) -> None:
    many = {f"field_{number}": {"type": "object", "properties": {"a": {"type": "string"}}} for number in range(300)}
    file = tmp_path / "api.json"
    file.write_text(json.dumps(document({**OBJECT, "properties": many})))
    outline = Outline("acme", "Acme")
    openapi.read(str(file), ("send",), outline)
    assert outline.notes == ["send: left out of body_schema: what is beyond 200 parts or 8 levels."]
    assert len(str(outline.requests[0].schema)) < 20_000


MESSAGES: dict[str, tuple[Any, str]] = {
    "version 2": ({"swagger": "2.0"}, "api is OpenAPI 2 (Swagger). Convert it to 3.0 first, as editor.swagger.io does."),
    "no version": (
        {"a": 1},
        "api is not an OpenAPI document of version 3.0 or 3.1: its `openapi` says no such version.",
    ),
    "a list": ("- 1", "api is not an OpenAPI document: it holds no object."),
    "empty": ("", "api is not an OpenAPI document: it holds no object."),
    "broken JSON": ('{"a": 1,,}', "api:1:9: this is not JSON: unexpected character, expected a string key."),
    "broken YAML": ("a: [", "api:2:1: this is not YAML: did not find expected node content."),
    "deep": ("a: " + "[" * 9000, "api:1: this file nests more than 100 levels, so it is not read."),
    "a tag": ("a: !!python/object/apply:os.system [x]", ("api:1:4: this is not YAML: could not determine a constructor "
              "for the tag 'tag:yaml.org,2002:python/object/apply:os.system'.")),
    "no operations": (document(paths={}), "api has no operations under `paths`."),
    "no server": (document(servers=[{"url": "/v1"}]), "The document names no server with https://; write --base-url https://..."),
    "another operation": (
        document(paths={"/x": {"get": {"operationId": "sendd"}}}),
        "api has no operation send. Did you mean sendd?",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), MESSAGES.values(), ids=MESSAGES)
def test_what_cannot_be_read_says_why(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, content)
    assert str(raised.value).replace(str(tmp_path / "api.json"), "api") == message


def test_operations_are_listed(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(WHOLE)
    with pytest.raises(UsageError) as raised:
        openapi.read(str(tmp_path / "api.yaml"), (), Outline("acme", "Acme"))
    assert str(raised.value) == "Choose operations with --operation ID: upsertUser, POST /events."


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    lines = ["x0: &x0 { type: string }"]
    lines += [f"x{n}: &x{n} {{ type: object, properties: {{ a: *x{n - 1}, b: *x{n - 1} }} }}" for n in range(1, 40)]
    whole = document({"$ref": "#/x39"})
    (tmp_path / "api.yaml").write_text("\n".join([*lines, yaml.safe_dump(whole)]))
    outline = Outline("acme", "Acme")
    openapi.read(str(tmp_path / "api.yaml"), ("send",), outline)
    assert outline.notes == ["send: left out of body_schema: what is beyond 200 parts or 8 levels."]


@pytest.mark.slow
def test_a_document_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    paths = {f"/p{n}": {"get": {"operationId": f"op{n}", "description": "x" * 1000}} for n in range(10_000)}
    made = read(tmp_path, document(paths={**paths, **document(OBJECT)["paths"]}))
    assert made.problems == []
    with pytest.raises(UsageError) as raised:
        read(tmp_path, "a: " + "x" * (9 * 1024 * 1024))
    assert "is too large: at most 8 MiB are read. Its JSON form may have 32." in str(raised.value)
