"""The codes of values: what can never be what it says, and words that change nothing."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

STEP = "calls:\n  track:\n    - request: save\n      fields:\n        "

VALUES: dict[str, CodeDoc] = {
    "same-alternative": CodeDoc(
        "Tried before",
        "A choice tries the same path twice; the second time it is as missing as the first.",
        f"{STEP}email: [properties.email, userId, properties.email]",
        f"{STEP}email: [properties.email, userId]",
    ),
    "unreachable-alternative": CodeDoc(
        "Never reached",
        "A choice takes the first alternative that is there. What stands after one that is always there (a constant, "
        "one with a default, a setting that must be given) is never reached.",
        f"{STEP}plan: [{{ from: properties.plan, default: free }}, properties.tier]",
        f"{STEP}plan: [properties.plan, {{ from: properties.tier, default: free }}]",
    ),
    "pointless-default": CodeDoc(
        "A default that changes nothing",
        "The value is always there, so its default is never used; or the default is null, which is as good as none.",
        f"{STEP}source: {{ const: web, default: app }}",
        f"{STEP}source: {{ from: properties.source, default: app }}",
    ),
    "pointless-required": CodeDoc(
        "A requirement that asks nothing",
        "`required` comes after `default`, and a value with a default is never missing.",
        f"{STEP}email: {{ from: properties.email, default: none, required: true }}",
        f"{STEP}email: {{ from: properties.email, required: true }}",
    ),
    "must-never-holds": CodeDoc(
        "A schema that is never met",
        "`must` looks at the value as it is after `as`, `map` and the object words, and asks for another type than "
        "it ever has: every event with the value would be invalid.",
        f"{STEP}age: {{ from: properties.age, as: string, must: {{ type: integer }} }}",
        f"{STEP}age: {{ from: properties.age, as: integer, must: {{ type: integer }} }}",
    ),
    "not-a-time": CodeDoc(
        "Never a time",
        "`within` needs a time, as a text or a number.",
        f"{STEP}at: {{ from: timestamp, as: boolean, within: {{ past: 7d }} }}",
        f"{STEP}at: {{ from: timestamp, as: unix, within: {{ past: 7d }} }}",
    ),
    "function-type": CodeDoc(
        "A function for another type",
        "The function before gives, or the value is, what this function does not take; it would be left out every "
        "time. docs/functions.md says what each function takes and gives.",
        f"{STEP}tags: {{ from: properties.tags, as: [{{ split: ',' }}, lowercase] }}",
        f"{STEP}tags: {{ from: properties.tags, as: [lowercase, {{ split: ',' }}] }}",
    ),
    "function-parameters": CodeDoc(
        "Parameters that do not fit",
        "What the function is told does not work: a pattern that RE2 does not know, a format that is none.",
        f"{STEP}code: {{ from: properties.code, as: {{ pattern_replace: {{ pattern: '(', with: '' }} }} }}",
        f"{STEP}code: {{ from: properties.code, as: {{ pattern_replace: {{ pattern: '[(]', with: '' }} }} }}",
    ),
    "product-of-list": CodeDoc(
        "A product without a factor",
        "`list` leaves out what is missing, so `product` multiplies the rest: a price without a quantity would be the "
        "price of one. A warning.",
        f"{STEP}total: {{ list: [properties.price, properties.quantity], as: product }}",
        f"{STEP}total: {{ from: '[properties.price, properties.quantity]', as: product }}",
    ),
    "not-an-object": CodeDoc(
        "Never an object",
        "only, except, rename, flatten, keys, prefix, `merge`, `entries` and forms need an object, `map` and `rename` "
        "by a path need a table.",
        f"{STEP}name: {{ from: event, prefix: event_ }}",
        f"{STEP}name: {{ text: 'event_${{event}}' }}",
    ),
    "not-a-list": CodeDoc(
        "Never a list",
        "`each` and `for_each` need a list, `only` and `except` by a path need a list of keys.",
        f"{STEP}words: {{ each: event, value: item }}",
        f"{STEP}words: {{ each: properties.products, value: item.name }}",
    ),
    "not-text": CodeDoc(
        "Never a text",
        "An object or a list has no text, so a text with one in it would always be missing.",
        f"{STEP}summary: {{ text: 'All: ${{properties}}' }}",
        f"{STEP}summary: {{ from: properties, as: json }}",
    ),
    "unfilled-text": CodeDoc(
        "Not filled in",
        "Constants, defaults, entries of a table, messages and hints stay as they are written; `${...}` is filled in "
        "where text is meant. A warning.",
        f"{STEP}page: {{ const: 'Page ${{properties.name}}' }}",
        f"{STEP}page: {{ text: 'Page ${{properties.name}}' }}",
    ),
    "map-never-matches": CodeDoc(
        "Never looked up",
        "`map` compares texts, after `as`. This key can never be one of them.",
        f"{STEP}gender: {{ from: properties.gender, as: lowercase, map: {{ F: female, M: male }} }}",
        f"{STEP}gender: {{ from: properties.gender, as: lowercase, map: {{ f: female, m: male }} }}",
    ),
    "key-never-there": CodeDoc(
        "A key that is never there",
        "What `only`, `except` or `rename` names is not among the keys that there can be: `fields` did not make it, "
        "or `only` and `except`, which come first, have dropped it.",
        f"{STEP}place: {{ from: context, only: [os, locale], rename: {{ ip: address }} }}",
        f"{STEP}place: {{ from: context, only: [os, locale, ip], rename: {{ ip: address }} }}",
    ),
    "same-target": CodeDoc(
        "Two become one",
        "Two keys are renamed to the same one, and one value would be lost; or two keys of a `map` with "
        "`ignore_case: true` are the same; or two headers, where capitals do not count.",
        f"{STEP}person: {{ from: properties, rename: {{ mail: email, e_mail: email }} }}",
        f"{STEP}person: {{ fields: {{ email: [properties.mail, properties.e_mail] }} }}",
    ),
}
