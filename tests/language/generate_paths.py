"""Random JMESPath over a small vocabulary, so that paths hit what random events hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.oracle.run import OWN_FIELDS

# The keys of events, settings' tables and made objects; one needs quotes in a path, two differ only in case.
NAMES = ("a", "b", "c", "items", "aB", "a b")

OBJECT_FIELDS = ("properties", "traits", "context", "options", "message")
TEXT_FIELDS = ("userId", "anonymousId", "timestamp", "event", "name", "category", "groupId", "previousId")


@dataclass(frozen=True)
class Ground:
    """The roots that a path may begin with in its scope."""

    call: str
    settings: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    loop: str = ""
    added: tuple[str, ...] = ()

    def inside(self, loop: str) -> Ground:
        """Return the ground inside a loop: `each` (item, index) or `entries` (key too)."""
        return replace(self, loop=loop)

    @property
    def objects(self) -> list[str]:
        """Name the fields of the call that are objects."""
        own = OWN_FIELDS[self.call]
        return [name for name in OBJECT_FIELDS if name in own or name in {"context", "options", "message"}]

    @property
    def scalars(self) -> list[str]:
        """Name the fields of the call that are texts."""
        own = OWN_FIELDS[self.call]
        return [name for name in TEXT_FIELDS if name in own or name in {"userId", "anonymousId", "timestamp"}]


@st.composite
def paths(draw: DrawFn, ground: Ground) -> str:
    """Any path, most of them plain."""
    kind = draw(st.sampled_from(["plain"] * 8 + ["function", "function", "logic", "filter", "shape", "pipe"]))
    return draw(KINDS[kind](ground))


@st.composite
def conditions(draw: DrawFn, ground: Ground) -> str:
    """A path for `when`, `unless`, `where`: plain ones, comparisons, logic."""
    return draw(st.one_of(plain(ground), comparisons(ground), logic(ground), paths(ground)))


@st.composite
def hole_paths(draw: DrawFn, ground: Ground) -> str:
    """A path for `${}`: one that holds no `}`."""
    return draw(st.one_of(plain(ground), plain(ground), either(ground), functions(ground)))


@st.composite
def plain(draw: DrawFn, ground: Ground) -> str:
    """Names and indexes only."""
    root = draw(st.sampled_from(roots(ground)))
    if root in ground.scalars or root in {"index", "key"}:
        return root
    steps = draw(st.lists(st.sampled_from(STEPS), max_size=2))
    if not steps and root in {"message", *ground.objects}:
        steps = [draw(st.sampled_from(STEPS[:6]))] if draw(st.booleans()) or root == "message" else []
    if steps and root.startswith("settings."):
        steps = []
    return root + "".join(steps)


@st.composite
def plain_names(draw: DrawFn, ground: Ground) -> str:
    """Names alone, so that a null behind them can be told from nothing."""
    names = draw(st.lists(st.sampled_from([".a", ".b", '."a b"']), min_size=1, max_size=2))
    inside = st.sampled_from([*ground.objects, *(["item"] if ground.loop else [])])
    return draw(st.one_of(inside.map(lambda root: root + "".join(names)), st.sampled_from(ground.scalars)))


STEPS = (".a", ".b", ".c", ".items", ".aB", '."a b"', ".a", ".items", "[0]", "[-1]", "[1:]", "[*].a", "[].b", ".*")


OF_ROWS = ("rows[0].b", "rows[?a == 'a'].b | [0]", "rows[].items[].a", "rows[1]")


def roots(ground: Ground) -> list[str]:
    """Name everything a plain path may begin with; what matters most several times."""
    found = ground.objects * 3 + ground.scalars
    found += [f"settings.{name}" for name in ground.settings]
    found += [f"settings.{path}" for path in OF_ROWS] if "rows" in ground.settings else []
    found += [f"parts.{name}" for name in ground.parts] * 2
    found += [f"saved.{name}" for name in ground.saved] * 2
    found += [*ground.added] * 8
    if ground.loop:
        found += ["item"] * 8 + ["index", *(["key"] * 2 if ground.loop == "entries" else [])]
    return found


@st.composite
def comparisons(draw: DrawFn, ground: Ground) -> str:
    """Two sides and an operator."""
    sign = draw(st.sampled_from(("==", "!=", "<", ">=", "==")))
    right = draw(st.one_of(st.sampled_from(LITERALS), plain(ground)))
    return f"{draw(plain(ground))} {sign} {right}"


LITERALS = ("'a'", "`1`", "`true`", "`false`", "''", "`1.0`", "`[]`", "'1'")


@st.composite
def either(draw: DrawFn, ground: Ground) -> str:
    """`a || b`, the right side perhaps a literal."""
    return f"{draw(plain(ground))} || {draw(st.one_of(plain(ground), st.sampled_from(LITERALS)))}"


@st.composite
def logic(draw: DrawFn, ground: Ground) -> str:
    """`||`, `&&` and `!` of smaller paths, with and without parentheses."""
    left, right = (
        draw(st.one_of(plain(ground), comparisons(ground))),
        draw(st.one_of(plain(ground), comparisons(ground))),
    )
    form = draw(
        st.sampled_from(
            ("{} || {}", "{} && {}", "!({}) && {}", "({} || {}) && `1`", "!({}) || !({})", "{} && {} || 'a'")
        )
    )
    return form.format(left, right)


@st.composite
def filters(draw: DrawFn, ground: Ground) -> str:
    """`list[?condition]` with something after it."""
    test = draw(
        st.sampled_from(("a", "!a", "a == 'a'", "b > `1`", "a && b", "a == b", "@", "contains(a, 'a')", "items[0]"))
    )
    rest = draw(st.sampled_from(("", ".a", " | [0]", "[].a", ".b | [0]", "[0]", ".[a, b]")))
    return f"{draw(plain(ground))}[?{test}]{rest}"


@st.composite
def shapes(draw: DrawFn, ground: Ground) -> str:
    """Multiselects and literals."""
    form = draw(
        st.sampled_from(
            ("{}.[a, b]", "{}.{{p: a, q: items}}", "[{}, `1`]", "{{a: {}, b: 'x'}}", '{}.a || `{{"a": [null]}}`')
        )
    )
    return form.format(draw(plain(ground)))


@st.composite
def functions(draw: DrawFn, ground: Ground) -> str:
    """A function of JMESPath, often over the wrong type."""
    form = draw(st.sampled_from(FUNCTION_FORMS))
    return form.format(draw(plain(ground)), draw(plain(ground)))


FUNCTION_FORMS = (
    "length({})",
    "join(',', {})",
    "keys({})",
    "values({})",
    "to_string({})",
    "to_number({})",
    "to_array({})",
    "type({})",
    "contains({}, 'a')",
    "starts_with({}, 'a')",
    "not_null({}, {})",
    "merge({}, {})",
    "sort({})",
    "reverse({})",
    "max({})",
    "sum({})",
    "abs({})",
    "ceil({})",
    "map(&a, {})",
    "sort_by({}, &a)",
    "max_by({}, &b)",
    "sort(keys({}))[0]",
)


@st.composite
def pipes(draw: DrawFn, ground: Ground) -> str:
    """`a | b`: the right side sees only the left's result."""
    right = draw(st.sampled_from(("a", "[0]", "@", "length(@)", "[?a].b", "items[*]", "a || b", "*.a")))
    return f"{draw(plain(ground))} | {right}"


KINDS = {"plain": plain, "function": functions, "logic": logic, "filter": filters, "shape": shapes, "pipe": pipes}
