"""Random values: paths, choices and instructions with every source."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.records import Json, JsonObject
from tests.language.generate_events import values
from tests.language.generate_modifiers import ANY, Made, modified
from tests.language.generate_paths import NAMES, Ground, conditions, hole_paths, paths, plain_names

rarely = st.sampled_from([False, False, False, True])


@st.composite
def made(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """Any value: a path, a choice, an instruction."""
    kind = draw(st.sampled_from(["path", "path", "instruction", "instruction", "choice"])) if depth else "path"
    if kind == "path":
        return Made(draw(paths(ground)), ANY)
    if kind == "choice":
        return draw(choices(ground, depth - 1))
    return draw(instructions(ground, depth))


@st.composite
def choices(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """A list of different alternatives, of which only the last may be present whatever comes."""
    first = draw(st.lists(paths(ground), min_size=1, max_size=2, unique=True))
    last = draw(st.one_of(instructions(ground, depth), instructions(ground, 1)))
    inner = draw(instructions(ground, depth).filter(lambda one: "default" not in one.raw and "const" not in one.raw))
    middle = [inner.raw] if draw(rarely) else []
    return Made([*first, *middle, last.raw], ANY)


@st.composite
def instructions(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """A source with modifiers."""
    words = ["from", "from", "from", "text", "const"]
    words += ["fields", "merge", "list", "each", "each", "entries", "entries"] if depth > 1 else []
    return draw(modified(SOURCES[draw(st.sampled_from(words))](ground, depth - 1), ground))


@st.composite
def froms(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """`from` of any value, often of an object that comes whole."""
    if draw(st.booleans()):
        if draw(rarely):
            return Made({"from": "timestamp"}, ANY)
        step = draw(st.sampled_from(("", "", ".a", ".items[0]")))
        return Made({"from": draw(st.sampled_from(ground.objects)) + step}, ANY if step else frozenset({"object"}))
    inner = draw(made(ground, depth))
    return Made({"from": inner.raw}, inner.types)


@st.composite
def consts(draw: DrawFn, _ground: Ground, _depth: int) -> Made:
    """`const` of anything but null."""
    value = draw(values.filter(lambda one: one is not None))
    return Made({"const": value}, ANY)


@st.composite
def texts(draw: DrawFn, ground: Ground, _depth: int) -> Made:
    """`text` with one or two `${}`."""
    form = draw(st.sampled_from(["${%s}", "a ${%s}", "$${ ${%s}"])) % draw(hole_paths(ground))
    return Made({"text": form + (f"-${{{draw(hole_paths(ground))}}}" if draw(rarely) else "")}, frozenset({"text"}))


@st.composite
def fields(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """`fields`, some keys with `${}`."""
    keys = draw(st.lists(st.sampled_from([*NAMES, "$${", None]), min_size=1, max_size=4, unique=True))
    named = [key if key is not None else f"${{{draw(hole_paths(ground))}}}" for key in keys]
    return Made({"fields": {key: draw(members(ground, depth)) for key in named}}, frozenset({"object"}))


@st.composite
def members(draw: DrawFn, ground: Ground, depth: int) -> Json:
    """A value at a key of `fields`, which may send null."""
    if not draw(rarely):
        return draw(made(ground, depth)).raw
    found = {"from": draw(st.lists(plain_names(ground), min_size=1, max_size=2, unique=True)), "nulls": "send"}
    return found | ({"when": draw(conditions(ground))} if draw(rarely) else {})


@st.composite
def merges(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """`merge`, mostly of what could be objects."""
    objects = st.one_of(st.sampled_from(ground.objects), fields(ground, depth).map(lambda one: one.raw))
    odd = made(ground, depth).map(lambda one: one.raw)
    if draw(rarely):
        several = st.one_of(looped(ground), eaches(ground, depth).map(lambda one: one.raw))
        return Made({"merge": draw(several)}, frozenset({"object"}))
    members = draw(st.lists(st.one_of(objects, objects, objects, odd), min_size=1, max_size=3))
    return Made({"merge": members}, frozenset({"object"}))


@st.composite
def lists(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """`list` of values."""
    members = [draw(made(ground, depth)).raw for _ in range(draw(st.integers(1, 3)))]
    return Made({"list": members}, frozenset({"list"}))


@st.composite
def looped(draw: DrawFn, ground: Ground) -> Json:
    """What a loop goes over: mostly something's `items`."""
    roots = [f"{name}.items" for name in (*ground.objects, *(["item"] if ground.loop else []))]
    return draw(st.one_of(st.sampled_from(roots), st.sampled_from(roots), paths(ground)))


@st.composite
def eaches(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """`each`, with `where` now and then."""
    inner = ground.inside("each")
    raw: JsonObject = {"each": draw(looped(ground)), "value": draw(made(inner, depth)).raw}
    return Made(raw | ({"where": draw(conditions(inner))} if draw(rarely) else {}), frozenset({"list"}))


@st.composite
def entries(draw: DrawFn, ground: Ground, depth: int) -> Made:
    """`entries` with any of `where`, `key`, `value`."""
    inner = ground.inside("entries")
    own = {
        "where": conditions(inner),
        "key": made(inner, depth).map(lambda one: one.raw),
        "value": made(inner, depth).map(lambda one: one.raw),
    }
    over = st.sampled_from([*ground.objects, *(f"{name}.items" for name in ground.objects)])
    raw: JsonObject = {"entries": draw(over), **draw(st.fixed_dictionaries({}, optional=own))}
    return Made(raw, frozenset({"object"}))


SOURCES = {
    "from": froms,
    "const": consts,
    "text": texts,
    "fields": fields,
    "merge": merges,
    "list": lists,
    "each": eaches,
    "entries": entries,
}
