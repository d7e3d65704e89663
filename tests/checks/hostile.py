"""Mapping files made to hang or crash the checker, by name: each is written in full by a function of its size.

`FULL` is the size of the largest file of a kind that the reader accepts (1 MiB), or one whose work would never end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.mapping.whole import whole

Generator = Callable[[int], str]


def written(text: Any) -> str:
    """Write a value as YAML on one line."""
    return json.dumps(text)


def mapping(fields: Any = None, *, parts: Any = None, event: Any = None, **more: Any) -> str:
    """Write a mapping with one track call; `event` makes an example, which expects that the event is invalid."""
    sections = {"parts": parts, **more} if parts else more
    step = {
        "request": "save",
        **({"from": fields} if isinstance(fields, str) else {"fields": fields or {"a": "event"}}),
    }
    lines = [f"{name}: {written(value)}" for name, value in sections.items()]
    lines.append(f"calls: {{ track: [{written(step)}] }}")
    if event is not None:
        whole_event = {"type": "track", "userId": "u1", "event": "Bought", **event}
        lines.append(f"examples: [{written({'title': 'x', 'event': whole_event, 'expect': {'invalid': 'x'}})}]")
    return whole("\n".join(lines))


def chain(size: int, link: Callable[[str], Any], end: Any = "properties.a") -> dict[str, Any]:
    """Make parts p0 to p{size}: each is `link` of the next one's path."""
    return {f"p{n}": link(f"parts.p{n + 1}") for n in range(size)} | {f"p{size}": end}


# Parts that use each other.


def doubling_choice(size: int) -> str:
    return mapping({"a": "parts.p0"}, parts=chain(size, lambda p: [p, p]))


def doubling_list(size: int) -> str:
    return mapping({"a": "parts.p0"}, parts=chain(size, lambda p: {"list": [p, p]}), event={"properties": {"a": 1}})


def doubling_list_as_json(size: int) -> str:
    made = {"a": {"from": "parts.p0", "as": "json"}}
    return mapping(made, parts=chain(size, lambda p: {"list": [p, p]}), event={"properties": {"a": 1}})


def doubling_text(size: int) -> str:
    parts = chain(size, lambda p: {"text": f"${{{p}}}${{{p}}}"}, {"text": "${event}"})
    return mapping({"a": "parts.p0"}, parts=parts, event={})


def doubling_merge(size: int) -> str:
    parts = chain(size, lambda p: {"merge": [p, p], "only": ["a"]}, "properties")
    return mapping("parts.p0", parts=parts, event={"properties": {"a": 1}})


def doubling_fields(size: int) -> str:
    parts = chain(size, lambda p: {"fields": {"a": p, "b": p}, "required": True})
    return mapping("parts.p0", parts=parts, event={"properties": {"a": 1}})


def doubling_absent(size: int) -> str:
    parts = chain(size, lambda p: {"list": [p, p]}, "traits.a")
    steps = {"track": [{"request": "save", "for_each": "parts.p0", "require": {"parts.p0": "x"}}], "identify": "track"}
    return whole(f"parts: {written(parts)}\ncalls: {written(steps)}")


def doubling_or(size: int) -> str:
    return mapping({"a": {"from": "parts.p0", "within": {"past": "1d"}}}, parts=chain(size, lambda p: f"{p} || {p}"))


def doubling_default(size: int) -> str:
    parts = chain(size, lambda p: {"from": [p, p], "default": 1, "rename": {"a": "b"}}, "properties")
    return mapping({"a": "parts.p0.x"}, parts=parts)


def doubling_paths(size: int) -> str:
    value = "parts.p0"
    parts = chain(size, lambda p: f"[{p}, {p}]")
    return mapping({"a": {"from": value, "as": "json"}}, parts=parts, event={"properties": {"a": 1}})


def long_chain(size: int) -> str:
    return mapping({"a": "parts.p0"}, parts=chain(size, lambda p: p), event={"properties": {"a": 1}})


def long_chain_used_twice(size: int) -> str:
    return mapping({"a": "parts.p0"}, parts=chain(size, lambda p: [p, p]), event={"properties": {"a": 1}})


def long_chain_of_instructions(size: int) -> str:
    parts = chain(size, lambda p: {"from": p, "as": "string"})
    return mapping({"a": "parts.p0"}, parts=parts, event={"properties": {"a": 1}})


def every_part_uses_all(size: int) -> str:
    parts = {f"p{n}": [f"parts.p{m}" for m in range(n + 1, size)] or "event" for n in range(size)}
    return mapping({"a": "parts.p0"}, parts=parts, event={})


def circle_of_parts(size: int) -> str:
    parts = {f"p{n}": [f"parts.p{(n + 1) % size}", "event"] for n in range(size)}
    return mapping({"a": "parts.p0"}, parts=parts)


def circles_of_all_parts(size: int) -> str:
    parts = {f"p{n}": [f"parts.p{m}" for m in range(size)] for n in range(size)}
    return mapping({"a": "parts.p0"}, parts=parts)


# Loops.


def nested_each(size: int) -> str:
    value: Any = "item"
    for _ in range(size):
        value = {"each": "properties.list", "value": value}
    return mapping({"a": value}, event={"properties": {"list": list(range(1024))}})


def nested_entries(size: int) -> str:
    value: Any = "item"
    for _ in range(size):
        value = {"entries": "properties.all", "value": value}
    return mapping({"a": value}, event={"properties": {"all": {f"k{n}": n for n in range(1024)}}})


def parts_with_each(size: int) -> str:
    parts = {f"p{n}": {"each": f"parts.p{n + 1}", "value": f"parts.p{n + 1}"} for n in range(size)}
    return mapping(
        {"a": "parts.p0"},
        parts={**parts, f"p{size}": "properties.list"},
        event={"properties": {"list": list(range(20))}},
    )


def nested_projections(size: int) -> str:
    numbers = "`[" + ",".join(["1"] * 1000) + "]`"
    path = "@"
    for _ in range(size):
        path = f"{numbers}[*].[{path}]" if path != "@" else f"{numbers}[*]"
    return mapping({"a": f"properties.list[*].[{path}]"}, event={"properties": {"list": list(range(1000))}})


def projections_by_library(size: int) -> str:
    numbers = "`[" + ",".join(["1"] * 1000) + "]`"
    path = f"{numbers}[*]"
    for _ in range(size):
        path = f"map(&({path}), {numbers})"
    return mapping({"a": f"properties.list[*].[{path}]"}, event={"properties": {"list": list(range(1000))}})


def many_projections(size: int) -> str:
    fields = {f"f{n}": {"list": ["properties.list[*]"] * 100} for n in range(size)}
    return mapping(fields, event={"properties": {"list": list(range(100_000))}})


def doubling_path(size: int) -> str:
    return mapping({"a": " | ".join(["properties", *["[@, @]"] * size])}, event={"properties": {"a": 1}})


def doubling_path_to_string(size: int) -> str:
    path = " | ".join(["properties", *["[@, @]"] * size, "to_string(@)"])
    return mapping({"a": path}, event={"properties": {"a": 1}})


def json_in_each(size: int) -> str:
    value = {"each": "properties.list", "value": {"from": "properties.list", "as": ["json", "sha256"]}}
    return mapping({"a": value}, event={"properties": {"list": [1] * size}})


def sort_in_each(size: int) -> str:
    value = {"each": "properties.list", "value": "sort(properties.list) | [0]"}
    return mapping({"a": value}, event={"properties": {"list": [1] * size}})


def merge_in_each(size: int) -> str:
    value = {"each": "properties.list", "value": {"merge": ["properties.all"], "prefix": "x_", "only": ["x"]}}
    event = {"properties": {"list": [1] * size, "all": {f"k{n}": 1 for n in range(size)}}}
    return mapping({"a": value}, event=event)


def flatten_long_key(size: int) -> str:
    inner = {f"k{n}": 1 for n in range(size // 10)}
    return mapping({"a": {"from": "properties", "flatten": True}}, event={"properties": {"x" * 1000: inner}})


def longer_and_longer(size: int) -> str:
    use = {"replace": {"find": "a", "with": "a" * 10}}
    return mapping({"a": {"from": "event", "as": [use] * size}}, event={"event": "a"})


def long_prefix(size: int) -> str:
    made = {"from": "properties", "prefix": "x" * size}
    return mapping({"a": made}, event={"properties": {f"k{n}": 1 for n in range(size // 10)}})


def for_each_huge(size: int) -> str:
    calls = {"track": [{"request": "save", "for_each": "properties.list", "from": "message"}]}
    event = {"type": "track", "userId": "u1", "event": "x", "properties": {"list": [1] * size}}
    return whole(f"calls: {written(calls)}\nexamples: [{{ title: x, event: {written(event)}, expect: [] }}]")


# Constants that many values copy.


def const_as_json(size: int) -> str:
    fields = {f"f{n}": {"from": "parts.big", "as": "json"} for n in range(size)}
    return mapping(fields, parts={"big": {"const": ["x" * 100] * 4_000}}, event={})


def const_renamed(size: int) -> str:
    fields = {f"f{n}": {"from": "parts.big", "prefix": "a"} for n in range(size)}
    return mapping(fields, parts={"big": {"const": {f"k{n}": 1 for n in range(30_000)}}}, event={})


def const_in_texts(size: int) -> str:
    fields = {f"f{n}": {"text": "${parts.big}${parts.big}"} for n in range(size)}
    return mapping(fields, parts={"big": {"const": "x" * 500_000}}, event={})


def setting_in_texts(size: int) -> str:
    fields = {f"f{n}": {"text": "${settings.big}${settings.big}"} for n in range(size)}
    return mapping(fields, settings={"big": {"title": "X", "type": "string", "example": "x" * 500_000}}, event={})


def event_as_json(size: int) -> str:
    fields = {f"f{n}": {"from": "properties", "as": "json"} for n in range(size)}
    return mapping(fields, event={"properties": {f"k{n}": 1 for n in range(30_000)}})


# JSON Schema.


def must(schema: Any, value: Any = "properties.a", given: Any = 1) -> str:
    return mapping({"a": {"from": value, "must": schema}}, event={"properties": {"a": given}})


def refs(size: int, word: str = "allOf") -> dict[str, Any]:
    named = {f"d{n}": {word: [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(size)}
    return {"definitions": {**named, f"d{size}": {"type": "number"}}, "$ref": "#/definitions/d0"}


def must_doubling_refs(size: int) -> str:
    return must(refs(size))


def must_doubling_refs_that_fail(size: int) -> str:
    return must(refs(size, "anyOf"), given="x")


def must_doubling_not(size: int) -> str:
    named = {
        f"d{n}": {"not": {"allOf": [{"$ref": f"#/definitions/d{n + 1}"}, {"$ref": f"#/definitions/d{n + 1}"}]}}
        for n in range(size)
    }
    schema = {"definitions": {**named, f"d{size}": {"type": "number"}}, "$ref": "#/definitions/d0"}
    return must(schema)


def body_schema_doubling(size: int) -> str:
    requests = {"save": {"path": "/save", "body_schema": refs(size)}}
    event = {"type": "track", "userId": "u1", "event": "x"}
    example = {"title": "x", "event": event, "expect": [{"save": {}}]}
    return mapping(requests=requests) + f"examples: {written([example])}\n"


def must_chain_of_refs(size: int) -> str:
    named = {f"d{n}": {"$ref": f"#/definitions/d{n + 1}"} for n in range(size)}
    return must({"definitions": {**named, f"d{size}": {"type": "number"}}, "$ref": "#/definitions/d0"})


def must_unique_items(size: int) -> str:
    return must({"uniqueItems": True}, given=[{"a": n} for n in range(size)])


def must_enum_of_enums(size: int) -> str:
    return must({"items": {"enum": [[n] for n in range(size)]}}, given=[[-1]] * size)


def must_any_of_products(size: int) -> str:
    return must({"items": {"anyOf": [{"const": n} for n in range(size)]}}, given=[-1] * size)


def must_patterns(size: int) -> str:
    patterns = {"(x+x+)+" + "y" * n: {} for n in range(size)}
    return must({"patternProperties": patterns}, given={f"{'x' * 100}{n}": 1 for n in range(size)})


def must_big_pattern(size: int) -> str:
    return must({"pattern": "((a{1,100}){1,100}){1,100}"}, given="a" * size)


def must_pattern_memory(size: int) -> str:
    return must({"properties": {f"a{n}": {"pattern": f"(.{{1,1000}}){n}"} for n in range(size)}})


def must_recursive(size: int) -> str:
    value: Any = 1
    for _ in range(size):
        value = [value]
    return must({"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, "type": "array"}, given=value)


def must_deep(size: int) -> str:
    schema: Any = {"type": "number"}
    for _ in range(size):
        schema = {"not": {"not": schema}} if size < 20 else {"not": schema}
    return must(schema)


def must_wide(size: int) -> str:
    return must({"allOf": [{"type": "number"}] * size})


def must_many(size: int) -> str:
    fields = {f"f{n}": {"from": "properties.a", "must": {"type": "number"}} for n in range(size)}
    return mapping(fields, event={"properties": {"a": 1}})


def must_huge_multiple(size: int) -> str:
    return must({"multipleOf": 0.1}, given=float(f"1e{min(size, 308)}"))


def setting_pattern(size: int) -> str:
    one = {"title": "X", "type": "string", "example": "x" * 100, "pattern": "((a{1,100}){1,100}){1,9}"}
    return mapping({"a": "settings.s0"}, settings={f"s{n}": one for n in range(size)}, event={})


def settings_by_the_thousand(size: int) -> str:
    one = {"title": "X", "type": "string", "example": "x"}
    fields = {f"f{n}": f"settings.s{n}" for n in range(size)}
    return mapping(fields, settings={f"s{n}": one for n in range(size)}, event={})


def setting_table(size: int) -> str:
    one = {"title": "X", "type": "table", "example": {f"k{n}": "x" for n in range(size)}}
    return mapping({"a": {"from": "event", "map": "settings.s0"}}, settings={"s0": one}, event={})


# Size alone.


def many_fields(size: int) -> str:
    return mapping({f"f{n}": f"properties.a{n}" for n in range(size)}, event={})


def many_unknown_fields(size: int) -> str:
    return mapping({f"f{n}": f"propreties.a{n}" for n in range(size)})


def many_unknown_parts(size: int) -> str:
    parts = {f"part_number_{n}": "event" for n in range(size)}
    return mapping({f"f{n}": f"parts.prat_number_{n}x" for n in range(size)}, parts=parts)


def many_unused_parts(size: int) -> str:
    return mapping({"a": "event"}, parts={f"part_number_{n}": "event" for n in range(size)})


def many_unknown_settings(size: int) -> str:
    one = {"title": "X", "type": "string", "example": "x"}
    fields = {f"f{n}": f"settings.setting_nr_{n}x" for n in range(size)}
    return mapping(fields, settings={f"setting_number_{n}": one for n in range(size)})


def many_unknown_keys(size: int) -> str:
    return mapping({f"f{n}": {"form": "event"} for n in range(size)})


def many_unknown_words(size: int) -> str:
    return mapping({"a": {"from": "event", **{f"requierd{n}": 1 for n in range(size)}}})


def many_wrong_types(size: int) -> str:
    return mapping({f"f{n}": n for n in range(size)})


def many_functions(size: int) -> str:
    return mapping({"a": {"from": "event", "as": ["lowercase"] * size}}, event={})


def many_unknown_functions(size: int) -> str:
    return mapping({"a": {"from": "event", "as": [f"lowercas{n}" for n in range(size)]}})


def many_alternatives(size: int) -> str:
    return mapping({"a": [f"properties.a{n}" for n in range(size)]}, event={})


def many_instruction_alternatives(size: int) -> str:
    values = [{"from": f"properties.a{n}", "when": "event", "as": "string"} for n in range(size)]
    return mapping({"a": values}, event={})


def same_alternatives(size: int) -> str:
    return mapping({"a": ["properties.a"] * size}, event={})


def many_steps(size: int) -> str:
    step = {"request": "save", "when": "parts.p", "fields": {"a": "parts.p"}}
    return whole(f"parts: {{ p: event }}\ncalls: {written({'track': [step] * size})}")


def many_requests(size: int) -> str:
    requests = {f"r{n}": {"path": f"/x/${{parts.p{n}}}", "query": {"a": "${event}"}} for n in range(size)}
    parts = {f"p{n}": "event" for n in range(size)}
    steps = [{"request": f"r{n}"} for n in range(size)]
    text = f"parts: {written(parts)}\nrequests: {written(requests)}\ncalls: {written({'track': steps})}"
    return whole(text)


def if_missing_chain(size: int) -> str:
    requests = {f"r{n}": {"path": "/x", "if_missing": f"r{n + 1}"} for n in range(size)}
    requests |= {f"r{size}": {"path": "/y"}}
    return whole(f"requests: {written(requests)}\ncalls: {{ track: [{{ request: r0 }}] }}")


def many_examples(size: int) -> str:
    one = {"event": {"type": "track", "userId": "u", "event": "x"}, "expect": [{"save": {"a": "x"}}]}
    examples = [{"title": f"x{n}", **one} for n in range(size)]
    return mapping(None) + f"examples: {written(examples)}\n"


def many_failing_examples(size: int) -> str:
    one = {"event": {"type": "track", "userId": "u", "event": "x"}, "expect": [{"save": {"a": "y"}}]}
    examples = [{"title": "x", **one} for _ in range(size)]
    return mapping(None) + f"examples: {written(examples)}\n"


def slow_examples(size: int) -> str:
    value = {"each": "properties.list", "value": {"each": "properties.list", "value": "index"}}
    event = {"type": "track", "userId": "u", "event": "x", "properties": {"list": [1] * 200}}
    examples = [{"title": f"x{n}", "event": event, "expect": [{"save": {}}]} for n in range(size)]
    return mapping({"a": value}) + f"examples: {written(examples)}\n"


def example_of_one_list(size: int) -> str:
    return mapping("properties", event={"properties": {"list": [1] * size}})


def example_expects_a_list(size: int) -> str:
    event = {"type": "track", "userId": "u", "event": "x", "properties": {"list": [1] * size}}
    examples = [{"title": "x", "event": event, "expect": [{"save": {"list": [2] * size}}]}]
    return mapping("properties") + f"examples: {written(examples)}\n"


def example_expects_other_keys(size: int) -> str:
    event = {"type": "track", "userId": "u", "event": "x", "properties": {f"key{n}": n for n in range(size)}}
    examples = [{"title": "x", "event": event, "expect": [{"save": {f"kye{n}": n for n in range(size)}}]}]
    return mapping("properties") + f"examples: {written(examples)}\n"


def example_event_of_other_fields(size: int) -> str:
    return mapping(event={f"proprety{n}": n for n in range(size)})


def json_bomb_in_a_literal(size: int) -> str:
    return mapping({"a": "`" + "[" * size + "`"}, event={})


def json_bomb_parsed(size: int) -> str:
    made = {"from": "properties.a", "as": "parse_json"}
    return mapping({"a": made}, event={"properties": {"a": "[" * size}})


def json_bomb_parsed_whole(size: int) -> str:
    made = {"from": "properties.a", "as": "parse_json"}
    return mapping(
        {"a": made, "b": {"from": "properties.a", "as": ["parse_json", "json"]}},
        event={"properties": {"a": "[" * size + "]" * size}},
    )


def json_bomb_in_a_setting(size: int) -> str:
    one = {"title": "X", "type": "table", "example": {"a": "[" * size}}
    return mapping({"a": "settings.s0"}, settings={"s0": one}, event={})


def json_number_bomb(size: int) -> str:
    return mapping({"a": {"from": "properties.a", "as": "number"}}, event={"properties": {"a": "9" * size}})


def exponent_bomb(size: int) -> str:
    made = {"from": "properties.a", "as": {"fixed": 2}}
    return mapping({"a": made, "b": {"from": "properties.a", "as": "number"}}, event={"properties": {"a": f"1e{size}"}})


def long_path(size: int) -> str:
    return mapping({f"f{n}": "properties" + ".a" * 4_000 for n in range(size)}, event={})


def brackets_path(size: int) -> str:
    return mapping({f"f{n}": "(" * 9_000 + "a" for n in range(size)})


def many_filters(size: int) -> str:
    return mapping({f"f{n}": "properties.a" + "[?a]" * 2_000 for n in range(size)}, event={})


def many_long_ors(size: int) -> str:
    one = " || ".join(["properties.a"] * 90)
    return mapping({f"f{n}": f"{one} || properties.b{n}" for n in range(size)}, event={})


def many_comparisons(size: int) -> str:
    one = " && ".join(["event == 'x'"] * 95)
    return mapping({f"f{n}": {"from": "event", "when": f"{one} && event != 'y{n}'"} for n in range(size)}, event={})


def wide_paths(size: int) -> str:
    one = "[" + ", ".join(["properties.a"] * 700) + "]"
    return mapping({f"f{n}": f"{one} | [{n}]" for n in range(size)}, event={})


def long_roots(size: int) -> str:
    one = ", ".join(f"properties.a{n}" for n in range(500))
    return mapping({f"f{n}": f"[{one}] | [{n}]" for n in range(size)}, event={})


def many_holes(size: int) -> str:
    return mapping({"a": {"text": "${event}" * size}}, event={})


def many_unfinished_holes(size: int) -> str:
    return mapping({"a": {"text": "${event " * size}}, event={})


def quotes_in_holes(size: int) -> str:
    return mapping({"a": {"text": "${'" * size}}, event={})


def many_lines(size: int) -> str:
    lines = "\n".join(f"        f{n}: propreties" for n in range(size))
    return whole(f"calls:\n  track:\n    - request: save\n      fields:\n{lines}")


def long_lines(size: int) -> str:
    lines = "\n".join(f"        f{n}: {'x ' * 5_000}y" for n in range(size))
    return whole(f"calls:\n  track:\n    - request: save\n      fields:\n{lines}")


def many_duplicate_keys(size: int) -> str:
    return whole("calls:\n" + "  track: []\n" * size)


def many_headers(size: int) -> str:
    return mapping(
        http={"base_url": "https://x.example", "headers": {f"X-{n}": "${event}" for n in range(size)}}, event={}
    )


def many_responses(size: int) -> str:
    rule = {"status": list(range(100, 600)), "when": "body.a", "then": "retry"}
    return mapping(responses=[rule] * size, event={})


def many_rules_for_many_requests(size: int) -> str:
    rule = {"status": [500], "when": "body.a", "then": "retry"}
    requests = {f"r{n}": {"path": "/x"} for n in range(size)}
    steps = [{"request": f"r{n}"} for n in range(size)]
    return whole(
        f"responses: {written([rule] * size)}\nrequests: {written(requests)}\ncalls: {written({'track': steps})}"
    )


def many_renames(size: int) -> str:
    table = {f"k{n}": f"K{n}" for n in range(size)}
    return mapping({"a": {"from": {"fields": {"x": "event"}}, "rename": table}}, event={})


def renames_near_keys(size: int) -> str:
    fields = {f"key_{n}_a": "event" for n in range(size)}
    return mapping({"a": {"fields": fields, "rename": {f"kye_{n}_b": "x" for n in range(size)}}}, event={})


def many_map_entries(size: int) -> str:
    return mapping({"a": {"from": "event", "map": {f"k{n}": n for n in range(size)}}}, event={})


def map_of_setting_choices(size: int) -> str:
    one = {"title": "X", "type": "string", "choices": [f"c{n}" for n in range(size)], "default": "c0"}
    made = {"from": "settings.s0", "map": {f"k{n}": n for n in range(size)}}
    return mapping({"a": made}, settings={"s0": one}, event={})


def many_integrations(size: int) -> str:
    return mapping(integrations=[f"Shop {n}" for n in range(size)], event={})


def many_saves(size: int) -> str:
    steps = [{"request": "save", "save": {f"s{n}": "body.x"}} for n in range(size)]
    steps.append({"request": "save", "fields": {f"f{n}": f"saved.s{n}x" for n in range(size)}})
    return whole(f"calls: {written({'track': steps})}")


def many_includes(size: int) -> str:
    return mapping(include=["common"] * size, event={})


def many_unknown_includes(size: int) -> str:
    return mapping(include=[f"c{n}" for n in range(size)], event={})


# Depth.


def deep_lists(size: int) -> str:
    value: Any = "event"
    for _ in range(size):
        value = {"list": [value]}
    return mapping({"a": value}, event={})


def deep_choices(size: int) -> str:
    value: Any = "properties.a"
    for _ in range(size):
        value = ["properties.b", value]
    return mapping({"a": value}, event={})


def deep_from(size: int) -> str:
    value: Any = "properties.a"
    for _ in range(size):
        value = {"from": value, "as": "string", "when": "event"}
    return mapping({"a": value}, event={})


def deep_each(size: int) -> str:
    value: Any = "item"
    for _ in range(size):
        value = {"each": "properties.a", "value": value}
    return mapping({"a": value}, event={})


def deep_when_in_parts(size: int) -> str:
    parts = chain(size, lambda p: {"from": ["properties.x", p], "when": "event", "default": 1})
    return mapping({"a": "parts.p0"}, parts=parts, event={})


def deep_dynamic_keys(size: int) -> str:
    value: Any = "event"
    for _ in range(size):
        value = {"fields": {"${event}": value}}
    return mapping({"a": value}, event={})


def deep_const(size: int) -> str:
    value: Any = 1
    for _ in range(size):
        value = [value]
    return mapping({"a": {"const": value}}, event={})


def deep_event(size: int) -> str:
    value: Any = 1
    for _ in range(size):
        value = [value]
    return mapping("properties", event={"properties": {"a": value}})


# YAML.


def anchors(size: int) -> str:
    return "\n".join(
        ["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, size))]
    )


def open_brackets(size: int) -> str:
    return whole("parts:\n  deep: " + "[" * size)


def open_braces(size: int) -> str:
    return whole("parts:\n  deep: " + "{a: " * size)


def indented_keys(size: int) -> str:
    return "\n".join(" " * n + "a:" for n in range(size))


def question_marks(size: int) -> str:
    return "? " * size


def dashes(size: int) -> str:
    return "- " * size


def many_documents(size: int) -> str:
    return "---\n" * size


def many_comments(size: int) -> str:
    return whole("#\n" * size)


def one_quote(size: int) -> str:
    return whole("about: '" + "x\n\n" * size)


def escapes(size: int) -> str:
    return whole('about: "' + "\\u0041" * size + '"')


def folded(size: int) -> str:
    return whole("about: >\n" + "  x\n" * size)


def colons(size: int) -> str:
    return ": " * size


def flow_without_colons(size: int) -> str:
    return whole("parts: {" + "a, " * size + "}")


def tags(size: int) -> str:
    return whole("parts:\n" + "".join(f"  p{n}: !x{n} event\n" for n in range(size)))


FULL: dict[Generator, int] = {
    doubling_choice: 40, doubling_list: 40, doubling_list_as_json: 40, doubling_text: 40, doubling_merge: 40,
    doubling_fields: 40, doubling_absent: 40, doubling_or: 40, doubling_default: 40, doubling_paths: 40,
    long_chain: 25_000, long_chain_used_twice: 15_000, long_chain_of_instructions: 12_000,
    every_part_uses_all: 350, circle_of_parts: 15_000, circles_of_all_parts: 250,
    nested_each: 5, nested_entries: 5, parts_with_each: 30, nested_projections: 3, projections_by_library: 3,
    many_projections: 150, doubling_path: 40, doubling_path_to_string: 40, json_in_each: 90_000, sort_in_each: 90_000,
    merge_in_each: 50_000, flatten_long_key: 200_000, longer_and_longer: 30, long_prefix: 400_000,
    for_each_huge: 300_000,
    const_as_json: 1_600, const_renamed: 1_600, const_in_texts: 1_600, setting_in_texts: 1_600, event_as_json: 1_100,
    must_doubling_refs: 40, must_doubling_refs_that_fail: 40, must_doubling_not: 40, body_schema_doubling: 40,
    must_chain_of_refs: 15_000, must_unique_items: 50_000, must_enum_of_enums: 50_000, must_any_of_products: 30_000,
    must_patterns: 1_000, must_big_pattern: 100_000, must_pattern_memory: 10_000, must_recursive: 40, must_deep: 50,
    must_wide: 40_000, must_many: 12_000, must_huge_multiple: 308, setting_pattern: 5_000,
    settings_by_the_thousand: 8_000, setting_table: 50_000,
    many_fields: 30_000, many_unknown_fields: 30_000, many_unknown_parts: 14_000, many_unused_parts: 30_000,
    many_unknown_settings: 9_000, many_unknown_keys: 30_000, many_unknown_words: 40_000, many_wrong_types: 60_000,
    many_functions: 70_000, many_unknown_functions: 50_000, many_alternatives: 40_000,
    many_instruction_alternatives: 10_000, same_alternatives: 50_000, many_steps: 12_000, many_requests: 7_000,
    if_missing_chain: 20_000, many_examples: 7_000, many_failing_examples: 7_000, slow_examples: 500,
    example_of_one_list: 300_000, example_expects_a_list: 150_000, example_expects_other_keys: 25_000,
    example_event_of_other_fields: 40_000, json_bomb_in_a_literal: 9_000, json_bomb_parsed: 900_000,
    json_bomb_parsed_whole: 450_000, json_bomb_in_a_setting: 900_000, json_number_bomb: 900_000,
    exponent_bomb: 999_999_999, long_path: 120, brackets_path: 110, many_filters: 120, many_long_ors: 700,
    many_comparisons: 600, wide_paths: 100, long_roots: 100, many_holes: 120_000, many_unfinished_holes: 120_000,
    quotes_in_holes: 300_000, many_lines: 40_000, long_lines: 90, many_duplicate_keys: 80_000, many_headers: 40_000,
    many_responses: 350, many_rules_for_many_requests: 6_000, many_renames: 40_000, renames_near_keys: 20_000,
    many_map_entries: 50_000, map_of_setting_choices: 30_000, many_integrations: 60_000, many_saves: 9_000,
    many_includes: 90_000, many_unknown_includes: 90_000,
    deep_lists: 28, deep_choices: 55, deep_from: 55, deep_each: 55, deep_when_in_parts: 100, deep_dynamic_keys: 28,
    deep_const: 55, deep_event: 50,
    anchors: 30, open_brackets: 900_000, open_braces: 200_000, indented_keys: 1_400, question_marks: 500_000,
    dashes: 500_000, many_documents: 250_000, many_comments: 500_000, one_quote: 300_000, escapes: 170_000,
    folded: 250_000, colons: 500_000, flow_without_colons: 300_000, tags: 50_000,
}  # fmt: skip

AT_THE_LIMIT: dict[Generator, int] = {
    long_chain: 4442, long_chain_used_twice: 1581, long_chain_of_instructions: 1593, every_part_uses_all: 99, circle_of_parts: 1581, circles_of_all_parts: 70, many_projections: 48, must_chain_of_refs: 2343, must_enum_of_enums: 2465, must_any_of_products: 2460, must_patterns: 206, must_pattern_memory: 225, must_wide: 2460, must_many: 1206, setting_pattern: 198, settings_by_the_thousand: 952, many_fields: 4452, many_unknown_fields: 4452, many_unknown_parts: 1995, many_unused_parts: 3573, many_unknown_settings: 896, many_unknown_keys: 2343, many_unknown_words: 3828, many_wrong_types: 4452, many_functions: 4921, many_unknown_functions: 4979, many_alternatives: 4921, many_instruction_alternatives: 1230, same_alternatives: 4979, many_steps: 995, many_requests: 683, if_missing_chain: 1601, many_examples: 1243, many_failing_examples: 1243, long_path: 24, brackets_path: 22, many_filters: 24, many_long_ors: 134, many_comparisons: 121, wide_paths: 20, long_roots: 23, many_holes: 24843, many_unfinished_holes: 24843, quotes_in_holes: 65625, many_lines: 4453, long_lines: 19, many_headers: 4296, many_rules_for_many_requests: 609, many_renames: 4375, renames_near_keys: 1992, many_integrations: 4921, many_saves: 966, many_includes: 4922, many_unknown_includes: 4922, tags: 44531,
}  # fmt: skip
"""Sizes a little below the limit of a mapping's values, of the kinds whose largest file is over it."""
