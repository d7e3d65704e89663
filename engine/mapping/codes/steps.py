"""The codes of steps, requests, batches and settings."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

LOOKUP = "requests: { find: { path: /find }, save: { path: /save } }\n"

STEPS: dict[str, CodeDoc] = {
    "never-runs": CodeDoc(
        "A step that never runs",
        "Nothing of what the condition, or the list of `for_each`, reads is there in the calls of this step.",
        "parts:\n  named: traits.name\n"
        "calls:\n  identify: [{ request: save, from: traits, when: parts.named }]\n"
        "  track: [{ request: save, from: properties, when: parts.named }]",
        "parts:\n  named: [traits.name, properties.name]\n"
        "calls:\n  identify: [{ request: save, from: traits, when: parts.named }]\n"
        "  track: [{ request: save, from: properties, when: parts.named }]",
    ),
    "always-invalid": CodeDoc(
        "Every event is invalid",
        "Nothing of what this condition of `require` reads is there in the calls of this step.",
        "parts:\n  group: groupId\n"
        "calls:\n  group: [{ request: save, from: traits, require: { parts.group: a group is needed } }]\n"
        "  track: [{ request: save, from: properties, require: { parts.group: a group is needed } }]",
        "parts:\n  group: [groupId, context.groupId]\n"
        "calls:\n  group: [{ request: save, from: traits, require: { parts.group: a group is needed } }]\n"
        "  track: [{ request: save, from: properties, require: { parts.group: a group is needed } }]",
    ),
    "url-never-filled": CodeDoc(
        "A URL that is never filled",
        "A URL cannot do without its values. A request that several calls use needs them in every one of these, and a "
        "table that makes an address needs an entry for every choice of its setting.",
        "requests: { save: { path: '/groups/${groupId}' } }\n"
        "calls:\n  group: [{ request: save, from: traits }]\n  track: [{ request: save, from: properties }]",
        "requests: { save: { path: '/groups/${groupId}' }, note: { path: /notes } }\n"
        "calls:\n  group: [{ request: save, from: traits }]\n  track: [{ request: note, from: properties }]",
    ),
    "save-in-loop": CodeDoc(
        "Several answers to save",
        "A step with `for_each` has an answer for every item, and `save` keeps one.",
        f"{LOOKUP}calls:\n  track:\n    - request: find\n      for_each: properties.products\n"
        "      fields: { sku: item.sku }\n      save: { id: body.id }\n"
        "    - request: save\n      fields: { id: saved.id }",
        f"{LOOKUP}calls:\n  track:\n    - request: find\n"
        "      fields: { sku: 'properties.products[0].sku' }\n      save: { id: body.id }\n"
        "    - request: save\n      fields: { id: saved.id }",
    ),
    "save-in-batch": CodeDoc(
        "No answer to save",
        "A request that travels in a batch has no answer of its own.",
        "requests: { find: { path: /find, batch: all }, save: { path: /save } }\n"
        "batches: { all: { path: /batch, fields: { rows: items } } }\n"
        "calls:\n  track:\n    - { request: find, from: properties, save: { id: body.id } }\n"
        "    - { request: save, fields: { id: saved.id } }",
        f"{LOOKUP}calls:\n  track:\n    - {{ request: find, from: properties, save: {{ id: body.id }} }}\n"
        "    - { request: save, fields: { id: saved.id } }",
    ),
    "if-missing-in-loop": CodeDoc(
        "if_missing in a loop",
        "A step with `for_each` has an answer for every item, and `if_missing` follows one.",
        "requests: { save: { path: /save, if_missing: create }, create: { path: /create } }\n"
        "calls: { track: [{ request: save, for_each: properties.products, from: item }] }",
        "requests: { save: { path: /save, if_missing: create }, create: { path: /create } }\n"
        "calls: { track: [{ request: save, from: properties }] }",
    ),
    "if-missing-in-batch": CodeDoc(
        "if_missing in a batch",
        "A request that travels in a batch has no answer of its own, and what makes the missing thing needs one.",
        "requests: { save: { path: /save, batch: all, if_missing: create }, create: { path: /create } }\n"
        "batches: { all: { path: /batch, fields: { rows: items } } }",
        "requests: { save: { path: /save, if_missing: create }, create: { path: /create } }",
    ),
    "bad-header": CodeDoc(
        "A header that cannot be sent",
        "Headers hold printable ASCII characters.",
        "http: { base_url: https://api.shop.example, headers: { X-Source: café } }",
        "http: { base_url: https://api.shop.example, headers: { X-Source: cafe } }",
    ),
    "unreachable-response": CodeDoc(
        "A rule that is never asked",
        "The first rule of `responses` that matches wins, and rules before this one match all it is for.",
        "responses:\n  - { status: 4xx, then: reject }\n  - { status: 401, then: stop }",
        "responses:\n  - { status: 401, then: stop }\n  - { status: 4xx, then: reject }",
    ),
    "useless-hint": CodeDoc(
        "A hint that nobody sees",
        "`hint` and `error` are for answers that are not accepted. A warning.",
        "responses: [{ status: 202, then: accept, hint: The vendor takes its time. }]",
        "responses: [{ status: 202, then: accept }]",
    ),
    "batch-without-items": CodeDoc(
        "A batch without its items",
        "Nothing in the `fields` of a batch takes `items`, so what travels in it would not be sent.",
        "requests: { save: { path: /save, batch: all } }\n"
        "batches: { all: { path: /batch, fields: { kind: { const: rows } } } }",
        "requests: { save: { path: /save, batch: all } }\n"
        "batches: { all: { path: /batch, fields: { kind: { const: rows }, rows: items } } }",
    ),
    "request-id-in-batches": CodeDoc(
        "A request id that nothing carries",
        "`http.request_id` is for requests that travel alone. A batch has none: sent again, it may hold other events.",
        "http: { base_url: https://api.shop.example, request_id: Idempotency-Key }\n"
        "requests: { save: { path: /save, batch: all } }\n"
        "batches: { all: { path: /batch, fields: { rows: items } } }",
        "http: { base_url: https://api.shop.example, request_id: Idempotency-Key }\n"
        "requests: { save: { path: /save } }",
    ),
    "check-needs-event": CodeDoc(
        "A check that needs an event",
        "`check` names a request that proves the credentials when a connection is made. There is no event then, "
        "so its URL can hold settings only.",
        "requests: { save: { path: /save }, me: { path: '/users/${userId}', method: GET } }\ncheck: me",
        "requests: { save: { path: /save }, me: { path: /me, method: GET } }\ncheck: me",
    ),
    "bad-pattern": CodeDoc(
        "A pattern that is none",
        "Patterns run on RE2, in linear time: no look-ahead, no back-references.",
        "settings:\n  token: { title: Token, type: string, pattern: '(?=a)' }",
        "settings:\n  token: { title: Token, type: string, pattern: '^a' }",
    ),
    "setting-value": CodeDoc(
        "A value that does not fit its setting",
        "A default, an example, or what an example of the mapping sets, does not meet the type, choices or pattern.",
        "settings:\n  version: { title: Version, type: string, choices: [v5, v6], default: v7 }",
        "settings:\n  version: { title: Version, type: string, choices: [v5, v6], default: v6 }",
    ),
    "setting-word": CodeDoc(
        "A word for another type of setting",
        "`pattern` is for texts, `many` for tables, and `optional` for settings without a default.",
        "settings:\n  retries: { title: Retries, type: integer, pattern: '[0-9]+' }",
        "settings:\n  retries: { title: Retries, type: integer }",
    ),
    "setting-without-example": CodeDoc(
        "Examples lack a setting",
        "The examples of a mapping run with its settings' examples. One that must be given and has none stops them.",
        "settings:\n  region: { title: Region, type: string }\n"
        "requests: { save: { path: '/${settings.region}/save' } }\n"
        "examples:\n  - title: A purchase\n    event: { type: track, userId: u1, event: Purchase }\n"
        "    expect: [{ save: {} }]",
        "settings:\n  region: { title: Region, type: string, example: eu }\n"
        "requests: { save: { path: '/${settings.region}/save' } }\n"
        "examples:\n  - title: A purchase\n    event: { type: track, userId: u1, event: Purchase }\n"
        "    expect: [{ save: {} }]",
    ),
    "bad-base-url": CodeDoc(
        "A base URL that is no address",
        "Requests go to `http://` or `https://` and a host. A setting of type `url` may be the whole of it.",
        "http: { base_url: api.example.com }",
        "http: { base_url: 'https://api.example.com' }",
    ),
    "query-in-url": CodeDoc(
        "A query or fragment in a URL",
        "What stands after `?` belongs under `query`, where every value is encoded; a fragment is never sent.",
        "requests: { save: { path: '/save?version=2' } }",
        "requests: { save: { path: /save, query: { version: '2' } } }",
    ),
    "unknown-method": CodeDoc(
        "A method that HTTP does not have",
        "`method` is one of GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS, or a text that a setting fills.",
        "requests: { save: { path: /save, method: PTU } }",
        "requests: { save: { path: /save, method: PUT } }",
    ),
}
