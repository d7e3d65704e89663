"""The codes of shapes: what the JSON Schema of mapping files finds."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

SHAPES: dict[str, CodeDoc] = {
    "unknown-key": CodeDoc(
        "Unknown key",
        "There is no such word here. The vocabulary is closed, so that a slip is never silently ignored.",
        "parts:\n  type: { cosnt: customer }",
        "parts:\n  type: { const: customer }",
    ),
    "missing-key": CodeDoc(
        "Missing key",
        "Something that cannot be done without is not there.",
        "requests:\n  save: { method: PUT }",
        "requests:\n  save: { method: PUT, path: /save }",
    ),
    "empty": CodeDoc(
        "Empty",
        "A key has no value, or an empty one. (In a file that `extends`, null takes an inherited key away.)",
        "parts:\n  email:",
        "parts:\n  email: traits.email",
    ),
    "wrong-type": CodeDoc(
        "Wrong type",
        "Text is a path, a list is a choice, a mapping is an instruction; a number or a word meant as such is "
        "`{ const: ... }`. Other keys take what their description says.",
        "parts:\n  version: 2",
        "parts:\n  version: { const: 2 }",
    ),
    "not-allowed": CodeDoc(
        "Not one of the words",
        "This key takes one of a few words.",
        "requests:\n  save: { path: /save, encode: xml }",
        "requests:\n  save: { path: /save, encode: form }",
    ),
    "pattern": CodeDoc(
        "Wrong form",
        "Names, durations, rate limits, addresses and the like have a form of their own.",
        "http: { base_url: https://api.shop.example, timeout: 30 seconds }",
        "http: { base_url: https://api.shop.example, timeout: 30s }",
    ),
    "no-source": CodeDoc(
        "No source",
        "An instruction has exactly one source: from, const, text, fields, merge, list, each or entries. "
        "The keys of an object stand under `fields`.",
        "parts:\n  ids: { registered: userId, guest: anonymousId }",
        "parts:\n  ids: { fields: { registered: userId, guest: anonymousId } }",
    ),
    "two-sources": CodeDoc(
        "Two sources",
        "An instruction has exactly one source. What one makes, another can take with `from`.",
        "parts:\n  email: { from: traits.email, const: none }",
        "parts:\n  email: { from: traits.email, default: none }",
    ),
    "word-alone": CodeDoc(
        "Word alone",
        "A word that only means something beside another one: `where` beside `each`, `unmapped` beside `map`.",
        "parts:\n  gender: { from: traits.gender, unmapped: keep }",
        "parts:\n  gender: { from: traits.gender, map: { m: male }, unmapped: keep }",
    ),
    "unknown-function": CodeDoc(
        "Unknown function",
        "`as` takes the functions of docs/functions.md and no others.",
        "parts:\n  email: { from: traits.email, as: lower_case }",
        "parts:\n  email: { from: traits.email, as: lowercase }",
    ),
    "out-of-range": CodeDoc(
        "Out of range",
        "The number is smaller or larger than this key takes.",
        "batches:\n  all: { path: /batch, fields: { items: items }, max_items: 0 }",
        "batches:\n  all: { path: /batch, fields: { items: items }, max_items: 50 }",
    ),
    "wrong-count": CodeDoc(
        "Wrong count",
        "More or fewer entries than this key takes.",
        "http: { base_url: https://api.shop.example, basic: [settings.api_key] }\n"
        "settings:\n  api_key: { title: API Key, type: string, secret: true }",
        "http: { base_url: https://api.shop.example, basic: [settings.api_key, { const: none }] }\n"
        "settings:\n  api_key: { title: API Key, type: string, secret: true }",
    ),
    "duplicate-entry": CodeDoc(
        "Entry twice",
        "The same entry stands twice in a list.",
        "integrations: [Shop, Shop]",
        "integrations: [Shop, Shop.com]",
    ),
    "bad-schema": CodeDoc(
        "Bad JSON Schema",
        "`must` and `body_schema` are JSON Schema draft 7, with `$ref` only to `#/...` and patterns of RE2, "
        "which has no look-ahead and no back-references.",
        "parts:\n  age: { from: traits.age, must: { type: int } }",
        "parts:\n  age: { from: traits.age, must: { type: integer } }",
    ),
}
