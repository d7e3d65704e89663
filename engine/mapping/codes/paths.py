"""The codes of paths: texts that are no path, and paths that say something else than they seem to."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

PATHS: dict[str, CodeDoc] = {
    "path-syntax": CodeDoc(
        "No path",
        "A text where a value is meant is a path: JMESPath (https://jmespath.org). A name with a space, a hyphen or "
        "another special character needs double quotes, and the whole then single ones.",
        "calls:\n  track:\n    - request: save\n      fields: { type: properties.Feed Type }",
        "calls:\n  track:\n    - request: save\n      fields: { type: 'properties.\"Feed Type\"' }",
    ),
    "text-syntax": CodeDoc(
        "Text with an open ${",
        "In a text, `${` begins a path and `}` ends it. The characters themselves are written `$${`.",
        "calls:\n  track:\n    - request: save\n      fields: { name: { text: 'Event: ${event' } }",
        "calls:\n  track:\n    - request: save\n      fields: { name: { text: 'Event: ${event}' } }",
    ),
    "current-at-root": CodeDoc(
        "Nothing is current here",
        "`@`, and a path that begins with a bracket or a star, take the current value. Outside of brackets that would "
        "be everything a path can begin with. The whole event is `message`.",
        "calls:\n  track:\n    - request: save\n      fields: { all: '@' }",
        "calls:\n  track:\n    - request: save\n      fields: { all: message }",
    ),
    "whole-parts": CodeDoc(
        "All parts at once",
        "`parts` alone is nothing to take: parts are made one by one, when something asks for them.",
        "calls:\n  track:\n    - request: save\n      fields: { all: parts }",
        "parts:\n  email: properties.email\n"
        "calls:\n  track:\n    - request: save\n      fields: { email: parts.email }",
    ),
    "item-in-part": CodeDoc(
        "Item in a part",
        "A part is made once for the whole event. `item`, `index` and `key` are only there where the loop is.",
        "parts:\n  price: item.price\n"
        "calls:\n  track:\n    - request: save\n"
        "      fields: { prices: { each: properties.products, value: parts.price } }",
        "calls:\n  track:\n    - request: save\n"
        "      fields: { prices: { each: properties.products, value: item.price } }",
    ),
    "outside-loop": CodeDoc(
        "Outside of the loop",
        "`item` and `index` are there inside `each`, `entries` and `for_each`, `key` inside `entries`.",
        "calls:\n  track:\n    - request: save\n      fields: { name: key }",
        "calls:\n  track:\n    - request: save\n      fields: { names: { entries: properties, value: key } }",
    ),
    "constant-path": CodeDoc(
        "A path that reads nothing",
        "A path without a name in it is the same for every event. A value as such is `{ const: ... }`. A warning.",
        "calls:\n  track:\n    - request: save\n      fields: { source: \"'web'\" }",
        "calls:\n  track:\n    - request: save\n      fields: { source: { const: web } }",
    ),
    "falsy-or": CodeDoc(
        "|| passes over more than what is missing",
        "`a || b` also passes over `false`, `''`, `[]` and `{}`. A choice, `[a, b]`, passes over what is missing and "
        "nothing else. A warning, where `||` makes a value; conditions are what it is for.",
        "calls:\n  track:\n    - request: save\n      fields: { paid: properties.paid || properties.settled }",
        "calls:\n  track:\n    - request: save\n      fields: { paid: [properties.paid, properties.settled] }",
    ),
    "precedence": CodeDoc(
        "Other brackets than it seems",
        "`!` binds tighter than a comparison, and a comparison tighter than `||`. A warning.",
        "calls:\n  track:\n    - request: save\n      from: properties\n"
        "      when: properties.a || properties.b == 'x'",
        "calls:\n  track:\n    - request: save\n      from: properties\n"
        "      when: properties.a || (properties.b == 'x')",
    ),
    "null-name": CodeDoc(
        "null, true and false as names",
        "In a path, null, true and false are names of fields; the values stand in backquotes. A warning.",
        "calls:\n  track:\n    - request: save\n      from: properties\n      when: properties.items[?price != null]",
        "calls:\n  track:\n    - request: save\n      from: properties\n      when: properties.items[?price != `null`]",
    ),
    "never-equal": CodeDoc(
        "Never equal",
        "A comparison that comes out the same for every event: with something that is not among the choices of a "
        "setting, of another type, or another call.",
        "settings:\n  region: { title: Region, type: string, choices: [eu, us] }\n"
        "calls:\n  track:\n    - request: save\n      from: properties\n      when: settings.region == 'eeu'",
        "settings:\n  region: { title: Region, type: string, choices: [eu, us] }\n"
        "calls:\n  track:\n    - request: save\n      from: properties\n      when: settings.region == 'eu'",
    ),
}
