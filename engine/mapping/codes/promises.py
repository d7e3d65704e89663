"""The codes of secrets, and of examples that do not give what they promise."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

KEY = "settings:\n  api_key: { title: API Key, type: string, secret: true, example: key-1 }\n"
EXAMPLE = (
    "examples:\n  - title: A purchase\n    event: { type: track, userId: u1, event: Buy, properties: { id: 7 } }\n"
)

PROMISES: dict[str, CodeDoc] = {
    "secret-in-url": CodeDoc(
        "A secret in a URL",
        "Proxies, logs and histories keep URLs, so a secret goes into a header. If the vendor wants it in the URL, "
        "the setting says `sent_in: url`. A name or password in front of the host is refused too.",
        f"{KEY}requests: {{ save: {{ path: /save, query: {{ key: '${{settings.api_key}}' }} }} }}",
        f"{KEY}requests: {{ save: {{ path: /save, headers: {{ X-Key: '${{settings.api_key}}' }} }} }}",
    ),
    "secret-in-body": CodeDoc(
        "A secret in a body",
        "A secret goes into a header. If the vendor wants it in the body, the setting says `sent_in: body`. What a "
        "function makes of a secret is a secret too.",
        f"{KEY}calls: {{ track: [{{ request: save, fields: {{ key: settings.api_key }} }}] }}",
        KEY.replace("secret: true", "secret: true, sent_in: body")
        + "calls: { track: [{ request: save, fields: { key: settings.api_key } }] }",
    ),
    "secret-in-file": CodeDoc(
        "A secret in the file",
        "Credentials that stand in a mapping are read by everybody who reads the mapping.",
        "http: { base_url: https://api.shop.example, headers: { Authorization: Bearer 3f9a8c } }",
        f"{KEY}http:\n  base_url: https://api.shop.example\n"
        "  headers: { Authorization: 'Bearer ${settings.api_key}' }",
    ),
    "secret-in-example": CodeDoc(
        "A secret in an example",
        "An example uses what the setting gives as its `example`, so that nobody pastes a real key.",
        f"{KEY}http: {{ base_url: https://api.shop.example, headers: {{ X-Key: '${{settings.api_key}}' }} }}\n"
        f"{EXAMPLE}    settings: {{ api_key: 3f9a8c }}\n    expect: [{{ save: {{ id: 7 }} }}]",
        f"{KEY}http: {{ base_url: https://api.shop.example, headers: {{ X-Key: '${{settings.api_key}}' }} }}\n"
        f"{EXAMPLE}    expect: [{{ save: {{ id: 7 }} }}]",
    ),
    "secret-default": CodeDoc(
        "A secret with a default",
        "A default stands in the file, for all to read. An `example` is not used by connections.",
        KEY.replace("example: key-1", "default: 3f9a8c")
        + "http: { base_url: https://api.shop.example, headers: { X-Key: '${settings.api_key}' } }",
        KEY + "http: { base_url: https://api.shop.example, headers: { X-Key: '${settings.api_key}' } }",
    ),
    "example-fails": CodeDoc(
        "An example that fails",
        "The mapping does not make of this event what the example promises. Each key that `expect` names is compared "
        "whole; keys of a body that it does not name are free.",
        f"{EXAMPLE}    expect: [{{ save: {{ id: 8 }} }}]",
        f"{EXAMPLE}    expect: [{{ save: {{ id: 7 }} }}]",
    ),
    "body-schema": CodeDoc(
        "A body that breaks its schema",
        "What an example would send is not what `body_schema` says that the vendor takes.",
        "requests: { save: { path: /save, body_schema: { required: [sku] } } }\n"
        f"{EXAMPLE}    expect: [{{ save: {{ id: 7 }} }}]",
        "requests: { save: { path: /save, body_schema: { required: [id] } } }\n"
        f"{EXAMPLE}    expect: [{{ save: {{ id: 7 }} }}]",
    ),
    "unused-reply": CodeDoc(
        "A reply that nobody reads",
        "An example has more replies to a request than the request is sent.",
        f"{EXAMPLE}    replies: [{{ request: save, body: {{}} }}, {{ request: save, body: {{}} }}]\n"
        "    expect: [{ save: { id: 7 } }]",
        f"{EXAMPLE}    replies: [{{ request: save, body: {{}} }}]\n    expect: [{{ save: {{ id: 7 }} }}]",
    ),
    "same-title": CodeDoc(
        "Two examples with one title",
        "An example is found by its title, in reports and in snapshots.",
        f"{EXAMPLE}    expect: [{{ save: {{ id: 7 }} }}]\n"
        "  - title: A purchase\n    event: { type: page, userId: u1 }\n    expect: []",
        f"{EXAMPLE}    expect: [{{ save: {{ id: 7 }} }}]\n"
        "  - title: Pages are not mapped\n    event: { type: page, userId: u1 }\n    expect: []",
    ),
    "numeric-id": CodeDoc(
        "A number for an id",
        "Ids are text. Segment's libraries send text, and a long number loses digits on its way. A warning.",
        EXAMPLE.replace("userId: u1", "userId: 1") + "    expect: [{ save: { id: 7 } }]",
        EXAMPLE.replace("userId: u1", 'userId: "1"') + "    expect: [{ save: { id: 7 } }]",
    ),
}
