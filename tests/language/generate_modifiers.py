"""Random modifiers for a value whose possible types are known."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from engine.language.functions import FUNCTIONS, Function, Parameter
from engine.records import Json, JsonObject
from tests.language.generate_events import TEXTS, values
from tests.language.generate_paths import NAMES, Ground, conditions, hole_paths, plain

ANY = frozenset({"text", "number", "boolean", "object", "list"})
OBJECT = frozenset({"object"})

# Takes a second to load, and its result does not matter here.
LEFT_OUT = {"user_agent"}

WITHIN: tuple[JsonObject, ...] = ({"past": "7d"}, {"past": "3650d", "future": "1m"}, {"future": "1500ms"})
MUST: tuple[JsonObject, ...] = (
    {"type": ["string", "number", "object"]},
    {"minLength": 1, "minProperties": 1},
    {"pattern": "^[a-z]*$"},
    {"not": {"const": 0}},
    {"enum": [True, 1.0, "a", {}]},
)


class Made(NamedTuple):
    """A value of a mapping, and the JSON types it can have."""

    raw: Json
    types: frozenset[str]


@st.composite
def modified(draw: DrawFn, source: SearchStrategy[Made], ground: Ground) -> Made:
    """A source with some modifiers, written in any order."""
    made = draw(source)
    assert isinstance(made.raw, dict)
    words: JsonObject = {}
    types = made.types
    count = draw(st.sampled_from((0, 0, 1, 1, 2, 3)))
    wanted = draw(st.lists(st.sampled_from(LIKELY), min_size=count, max_size=count))
    for word in WORDS:
        if word in wanted:
            types = APPLY[word](draw, ground, words, types)
    raw = {**made.raw, **words}
    order = draw(st.permutations(list(raw))) if words else list(raw)
    return Made({word: raw[word] for word in order}, types)


def _when(draw: DrawFn, ground: Ground, words: JsonObject, types: frozenset[str]) -> frozenset[str]:
    words[draw(st.sampled_from(["when", "unless"]))] = draw(conditions(ground))
    return types


def _as(draw: DrawFn, _ground: Ground, words: JsonObject, types: frozenset[str]) -> frozenset[str]:
    chain: list[Json] = []
    for _ in range(draw(st.integers(1, 3))):
        fitting = [function for function in CHEAP if function.takes & types]
        if not fitting:
            break
        function = draw(st.sampled_from(fitting))
        chain.append(draw(_use(function)))
        types = function.gives
    if chain:
        words["as"] = chain if len(chain) > 1 or draw(st.booleans()) else chain[0]
    return types


CHEAP = [function for function in FUNCTIONS.values() if function.name not in LEFT_OUT]


@st.composite
def _use(draw: DrawFn, function: Function) -> Json:
    given = {
        parameter.name: draw(_parameter(parameter))
        for parameter in function.parameters
        if parameter.required or draw(st.booleans())
    }
    if len(set(map(str, given.values()))) < len(given):  # `pairs` needs two different names
        given = {parameter.name: given[parameter.name] for parameter in function.parameters if parameter.required}
    return {function.name: given} if given else function.name


def _parameter(parameter: Parameter) -> SearchStrategy[Json]:
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.kind in OTHER_KINDS:
        return st.sampled_from(OTHER_KINDS[parameter.kind])
    if parameter.kind == "integer":
        return st.integers(parameter.at_least, 3)
    return st.sampled_from(BY_KIND[parameter.kind])


OTHER_KINDS: dict[str, tuple[Json, ...]] = {
    "number": (0, -1, 0.5, 1e300),
    "functions": ("lowercase", ["trim", {"truncate": 1}], {"round": 1}, ["to_list", "sum"], "non_empty", "unix_ms"),
}
BY_KIND: dict[str, tuple[str, ...]] = {
    "text": ("a", ",", "x y"),
    "path": ("a", "items[0]", "a.b"),
    "pattern": ("[a-c]+", "^(a|b)", "."),
    "format": ("%Y-%m-%d", "%-H:%M"),
}


def _map(draw: DrawFn, ground: Ground, words: JsonObject, types: frozenset[str]) -> frozenset[str]:
    keys = st.sampled_from(
        ("1", "2", "7", "0.5") if types == {"number"} else ("true", "false") if types == {"boolean"} else TEXTS
    )
    table = st.dictionaries(keys, values, min_size=1, max_size=3)
    chain = words.get("as")
    plain_table = not (chain and types == {"text"})  # a key in capitals can never match after `lowercase`
    by_path = st.sampled_from(["settings.table", "settings.many", *(f"{name}.items" for name in ground.objects)])
    words["map"] = draw(st.one_of(table, by_path) if plain_table else by_path)
    words |= draw(st.fixed_dictionaries({}, optional={"unmapped": st.just("keep")}))
    if isinstance(words["map"], str):
        words |= {"reverse": True} if draw(st.booleans()) else {}
        words |= draw(st.fixed_dictionaries({}, optional={"ignore_case": st.just(value=True)}))
    return ANY


def _objects(draw: DrawFn, ground: Ground, words: JsonObject, types: frozenset[str]) -> frozenset[str]:
    if "object" not in types:
        return types
    names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
    renamed: SearchStrategy[Json] = st.lists(st.sampled_from((*NAMES, "z")), min_size=2, max_size=4, unique=True).map(
        lambda drawn: dict(zip(drawn[::2], drawn[1::2], strict=False))
    )
    own: dict[str, SearchStrategy[Json]] = {
        "only": st.one_of(names, st.just("settings.names"), plain(ground)),
        "except": st.one_of(names, st.just("settings.names"), plain(ground)),
        "rename": st.one_of(renamed, st.just("settings.table"), plain(ground)),
        "flatten": st.one_of(st.just(value=True), st.just("settings.flag"), conditions(ground), _flatten(ground)),
        "keys": st.sampled_from(["snake_case", "camel_case", "lowercase", {"pattern": "^[a-z_]+$", "else": "drop"}]),
        "prefix": st.one_of(st.just("p_"), hole_paths(ground).map(lambda path: f"${{{path}}}_")),
    }
    for word in draw(st.lists(st.sampled_from(list(own)), min_size=1, max_size=3, unique=True)):
        words[word] = draw(own[word])
    return OBJECT


@st.composite
def _flatten(draw: DrawFn, ground: Ground) -> Json:
    own: dict[str, SearchStrategy[Json]] = {
        "separator": st.sampled_from(["_", ".", "__"]),
        "lists": st.sampled_from(["keep", "index", "brackets", "join", "json", "drop"]),
        "if": conditions(ground),
    }
    return draw(
        st.fixed_dictionaries({"lists": own["lists"]}, optional={"separator": own["separator"], "if": own["if"]})
    )


def _default(draw: DrawFn, _ground: Ground, words: JsonObject, _types: frozenset[str]) -> frozenset[str]:
    words["default"] = draw(values)
    return ANY


def _last(draw: DrawFn, _ground: Ground, words: JsonObject, types: frozenset[str]) -> frozenset[str]:
    word = draw(st.sampled_from(["within", "must", "required"]))
    if draw(st.booleans()) or word == "must":
        words[word] = draw(st.sampled_from({"within": WITHIN, "must": MUST, "required": (True, False)}[word]))
    return types


APPLY = {"when": _when, "as": _as, "map": _map, "objects": _objects, "default": _default, "last": _last}
WORDS = tuple(APPLY)
LIKELY = ("when", "as", "as", "map", "objects", "objects", "objects", "default", "last")
