"""Random mappings that the checker accepts, each with settings, an event and replies to run it on.

Values know the types they can have (`Made`), so that chains of functions and object words are put only where
`validate-mappings` would let them stand; what the *event* holds there is as wild as it comes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.records import Json, JsonObject
from tests.language.cases import DEFAULT_MAPPING
from tests.language.generate_events import SETTINGS, events, settings_for, values
from tests.language.generate_modifiers import modified
from tests.language.generate_paths import Ground, conditions, hole_paths, paths
from tests.language.generate_values import fields, instructions, looped, made, rarely

CALLS = ("track", "track", "identify", "page", "group", "alias")


class Generated(NamedTuple):
    """Everything `plan` takes."""

    mapping: JsonObject
    settings: JsonObject
    event: Json
    replies: list[JsonObject]


@st.composite
def generated(draw: DrawFn) -> Generated:
    """A mapping and what to run it on."""
    call = draw(st.sampled_from(CALLS))
    mapping = draw(mappings(call))
    settings = draw(settings_for(mapping.get("settings", {})))
    event = draw(events(draw(st.sampled_from((call, call, call, call, "screen" if call == "page" else call)))))
    replies = draw(
        st.lists(st.fixed_dictionaries({"request": st.sampled_from(["send", "get"]), "body": values}), max_size=2)
    )
    known = mapping["requests"]
    return Generated(mapping, settings, event, [reply for reply in replies if reply["request"] in known])


@st.composite
def mappings(draw: DrawFn, call: str) -> JsonObject:
    """A mapping with one call of its own; nothing in it is unused."""
    ground = Ground(call, settings=tuple(name for name, (written, _) in SETTINGS.items() if "secret" not in written))
    parts: JsonObject = {}
    for name in draw(st.sampled_from(((), ("p",), ("p", "q")))):
        parts[name] = draw(made(replace(ground, parts=tuple(parts)), 2)).raw
    ground = replace(ground, parts=tuple(parts))
    mapping: JsonObject = {**DEFAULT_MAPPING, "calls": {call: draw(steps(ground))}}
    if call == "page":
        mapping["calls"] |= {"screen": "page"}
    mapping["http"] = {
        "base_url": draw(base_urls()),
        **draw(shared_headers(_without_templates(ground, mapping["calls"][call]))),
    }
    mapping["requests"] = {step["request"]: draw(REQUESTS[step["request"]](ground)) for step in mapping["calls"][call]}
    if "row" in mapping["requests"]:
        mapping["batches"] = {"all": draw(batches(ground))}
    mapping |= draw(st.fixed_dictionaries({}, optional={"nulls": st.just("drop"), "empty_text": st.just("drop")}))
    return _used(mapping, parts)


def _without_templates(ground: Ground, steps_of_call: list[JsonObject]) -> Ground:
    """Leave out the settings that hold templates where a batch has no event to fill them from."""
    batched = any(step["request"] == "row" for step in steps_of_call)
    held = {"rows", "document", "note"} if batched else set()
    return replace(ground, settings=tuple(name for name in ground.settings if name not in held))


def _used(mapping: JsonObject, parts: JsonObject) -> JsonObject:
    """Keep the parts and settings that something uses."""
    kept: JsonObject = {}
    for name, part in reversed(parts.items()):
        if f"parts.{name}" in json.dumps([mapping, kept]):
            kept = {name: part, **kept}
    mapping |= {"parts": kept} if kept else {}
    text = json.dumps(mapping)
    used = {name: written for name, (written, _) in SETTINGS.items() if f"settings.{name}" in text}
    return {**mapping, "settings": used} if used else mapping


@st.composite
def base_urls(draw: DrawFn) -> Json:
    """A plain base URL, or one made of settings."""
    by_table: Json = {
        "from": "settings.text",
        "map": {"a": "https://a.example.com/", "": "https://b.example.com"},
        "default": "https://c.d",
    }
    choices: list[Json] = ["https://api.example.com"] * 4
    choices += [
        "https://api.example.com/v1/",
        "${settings.api}",
        "${settings.api}/v2",
        "https://${settings.maybe}.example.com",
        by_table,
    ]
    return draw(st.sampled_from(choices))


@st.composite
def shared_headers(draw: DrawFn, ground: Ground) -> JsonObject:
    """What all requests share: a request id, a signature, headers, or a user and a password."""
    shared: JsonObject = {"request_id": "X-Request"} if draw(rarely) else {}
    shared |= draw(signatures()) if draw(rarely) else {}
    shared |= draw(from_objects(ground))
    if not draw(rarely):
        return shared
    pair = st.lists(paths(ground), min_size=2, max_size=2)
    other = st.one_of(st.fixed_dictionaries({"basic": pair}), st.fixed_dictionaries({"headers": headers(ground)}))
    return shared | draw(other)


@st.composite
def signatures(draw: DrawFn) -> JsonObject:
    """A signature of any form, and sometimes compression."""
    optional = {
        "hash": st.sampled_from(["sha256", "sha1", "md5"]),
        "encoding": st.sampled_from(["hex", "base64"]),
        "prefix": st.sampled_from(["v1=", "t=${sent_at},v1="]),
        "over": st.sampled_from(["body", "wire", "v0:${sent_at}:${body}", "${body}"]),
    }
    fixed = {"header": "X-Signature", "secret": "settings.signing_key", "sent_at_header": "X-Time"}
    signature = draw(st.fixed_dictionaries({word: st.just(text) for word, text in fixed.items()}, optional=optional))
    return {"signature": signature, **draw(st.fixed_dictionaries({}, optional={"compress": st.just("gzip")}))}


@st.composite
def posts(draw: DrawFn, ground: Ground) -> JsonObject:
    """A request with a plain path, sometimes as a form, sometimes with headers."""
    own: JsonObject = draw(st.fixed_dictionaries({}, optional={"encode": st.just("form"), "headers": headers(ground)}))
    own |= draw(from_objects(ground))
    if draw(rarely):
        own["envelope"] = draw(made(replace(ground, added=("body",)), 2)).raw
    return {"path": draw(st.sampled_from(["/send", "send/", "/$${x}"])), **own}


@st.composite
def gets(draw: DrawFn, ground: Ground) -> JsonObject:
    """A request that puts values into everything but its body."""
    ids = st.sampled_from(["userId", "messageId", "type", "settings.text", "userId || anonymousId"])
    path = draw(st.sampled_from(["/u/${%s}", "/u/x${%s}/y", "/x${%s}?z=1"])) % draw(
        st.one_of(ids, ids, ids, hole_paths(ground))
    )
    by_value = {"from": draw(hole_paths(ground)), "default": "/a b/c"}
    query = draw(st.dictionaries(st.sampled_from(["q", "r[]"]), written_texts(ground), max_size=2))
    method = draw(st.sampled_from(["GET", "PUT", "${settings.text}"]))
    return {
        "path": by_value if draw(rarely) else path,
        "method": method,
        "query": query,
        "headers": draw(headers(ground)),
        **draw(from_objects(ground)),
    }


@st.composite
def rows(draw: DrawFn, _ground: Ground) -> JsonObject:
    """A request that travels in a batch, as it is or as an item that may need a member of its body."""
    wrapped: Json = {"fields": {"kind": {"const": "row"}, "data": "body"}}
    needed: Json = {"fields": {"a": {"from": "body.a", "required": True}, "text": {"text": "${body.b}"}}}
    return {"batch": "all", **draw(st.sampled_from([{}, {"item": wrapped}, {"item": needed}]))}


@st.composite
def batches(draw: DrawFn, ground: Ground) -> JsonObject:
    """A batch with or without groups, which its address and body may tell."""
    batch: JsonObject = {"path": draw(st.sampled_from(["/all", "all/"])), "max_items": draw(st.integers(1, 4))}
    fields: JsonObject = {"rows": "items"}
    if draw(st.booleans()):
        path = draw(paths(ground))
        batch["group_by"] = path if draw(rarely) else {"from": path, "as": "json", "default": "none"}
        batch |= draw(st.fixed_dictionaries({}, optional={"headers": st.just({"X-One": "${group}"})}))
        batch |= draw(st.fixed_dictionaries({}, optional={"path": st.just("/all/${group}")}))
        fields |= draw(st.sampled_from([{}, {"group": "group"}, {"${group}": {"const": 1}}]))
    batch |= draw(batch_parameters("group" if "group_by" in batch else "items[0].b"))
    return batch | (draw(st.sampled_from([{}, {"fields": fields}])))


@st.composite
def batch_parameters(draw: DrawFn, path: str) -> JsonObject:
    """Query and headers of a batch, by its items or its group."""
    objects = st.sampled_from(["items[0]", "items[0].data", {"fields": {"X-One": path, "x-one": {"const": 1}}}])
    query = {"q": f"${{{path}}}", "n": {"from": "items[*].a"}}
    return draw(
        st.fixed_dictionaries({}, optional={"query": st.just(query), "query_from": objects, "headers_from": objects})
        if draw(rarely)
        else st.just({})
    )


REQUESTS = {"send": posts, "get": gets, "row": rows}


@st.composite
def headers(draw: DrawFn, ground: Ground) -> JsonObject:
    """One or two headers, the content type among them now and then; the mapping itself keeps them ASCII."""
    ascii_only = written_texts(ground).filter(lambda raw: json.dumps(raw, ensure_ascii=False).isascii())
    names = st.sampled_from(["X-One", "X-Two", "content-type"])
    return draw(st.dictionaries(names, ascii_only, min_size=1, max_size=2))


@st.composite
def from_objects(draw: DrawFn, ground: Ground) -> JsonObject:
    """Headers and query parameters from an object, now and then; its keys are names of headers but for a few."""
    found: JsonObject = {}
    for word in ("headers_from", "query_from"):
        if not draw(rarely) or not draw(st.booleans()):
            continue
        names = st.sampled_from(["X-One", "x-one", "X-Two", "q", "Host", "X-Request", "authorization", "a b"])
        members = st.dictionaries(names, made(ground, 1).map(lambda one: one.raw), min_size=1, max_size=3)
        objects = st.sampled_from(ground.objects)
        by_name = members.map(lambda each: {"fields": each})
        found[word] = draw(
            st.one_of(by_name, by_name, objects.map(lambda path: {"from": path, "flatten": True}), objects)
        )
    return found


@st.composite
def written_texts(draw: DrawFn, ground: Ground) -> Json:
    """What may stand in a header or query: text with `${}`, or an instruction."""
    text = f"a ${{{draw(hole_paths(ground))}}}"
    return draw(st.one_of(st.just(text), st.just(text[2:]), instructions(ground, 1).map(lambda one: one.raw)))


@st.composite
def steps(draw: DrawFn, ground: Ground) -> list[Json]:
    """One to three steps; a later one may use what an earlier one saved."""
    found: list[Json] = []
    for _ in range(draw(st.integers(1, 3))):
        found.append(step := draw(one_step(ground)))
        ground = replace(ground, saved=(*ground.saved, *step.get("save", ())))
    return found


@st.composite
def one_step(draw: DrawFn, ground: Ground) -> JsonObject:
    """A step of any form."""
    step: JsonObject = {"request": draw(st.sampled_from(["send", "send", "get", "row"]))}
    step |= (
        draw(st.fixed_dictionaries({}, optional={"when": conditions(ground), "unless": conditions(ground)}))
        if draw(rarely)
        else {}
    )
    if draw(rarely):
        step["require"] = {draw(conditions(ground)): "Something is needed."}
    kind = draw(st.sampled_from(["plain"] * 4 + ["loop", "save"]))
    if kind == "save" and step["request"] == "row":
        kind = "plain"
    if kind == "save":
        step["save"] = {
            draw(st.sampled_from(["k", "l"])): draw(st.sampled_from(["body", "body.a", "status", "length(body)"]))
        }
    if kind == "loop":
        step["for_each"] = draw(looped(ground))
        ground = ground.inside("each")
        step |= {"where": draw(conditions(ground))} if draw(rarely) else {}
    return step | draw(bodies(ground, loop=kind == "loop"))


@st.composite
def bodies(draw: DrawFn, ground: Ground, *, loop: bool) -> JsonObject:
    """The body of a step: its source and modifiers, mostly fields."""
    if draw(st.sampled_from([True] * 4 + [False])):
        body = draw(modified(fields(ground, 3), ground))
    else:
        body = draw(instructions(ground, 2))
    return {
        word: value
        for word, value in body.raw.items()
        if word not in {"when", "unless"} and not (loop and word == "where")
    }
