"""The state of writing: one `Module` for the whole file, one `Writer` for each generated function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import NamedTuple

from engine.compiler import filling, runtime
from engine.compiler.growth import ValueGrowth
from engine.compiler.lines import Lines, Names
from engine.compiler.optimizations import ALL, Optimization
from engine.compiler.recording import Kind, Recorder
from engine.events.spec import FIELDS
from engine.language.objects import drop_nulls
from engine.language.template import Text
from engine.mapping.load import Loaded
from engine.mapping.model import Choice, Mapping, PathValue, Value
from engine.mapping.problems import place_text
from engine.mapping.types import plain
from engine.noun import Noun
from engine.records import Json, Place

OBJECTS = frozenset({"traits", "properties", "context", "integrations", "settings", "options", "message"})
MOST_CHEAP = 2
FIELDS_OF_EVENTS = frozenset((name,) for fields in FIELDS.values() for name in fields)
MANY_READS = 3
"""Reads of an object's fields from which on the object is read once for all of them."""
DEEPEST_INLINED = 5
"""Parts inside parts that are written into one function: Python allows 20 blocks (`for`, `try`) inside each other."""
MOST_NAMED = 2
"""Loops inside each other whose items are named, for each costs one of those 20 blocks."""
COUNTS: tuple[object, ...] = (0, 0, 0, None)
"""How an event's memo begins: items of loops, steps of paths and schemas, and the budget of `language/budget.py`."""
ARGUMENTS = "event, options, saved, now, reports, memo"


class BatchCode(NamedTuple):
    """The functions of a batch: where it goes, whether settings alone say so, its body, its results."""

    address: str
    settled: bool
    reads_items: bool
    body: str
    results: str


class Module:
    """Everything the functions of one generated module share."""

    def __init__(
        self,
        loaded: Loaded,
        emit_value: Callable[[Writer, Value], ValueCode],
        optimizations: frozenset[Optimization] = ALL,
        recorder: Recorder | None = None,
    ) -> None:
        self.loaded = loaded
        self.recorder = recorder
        self.optimizations = optimizations
        self.mapping: Mapping = loaded.mapping
        self.emit_value = emit_value  # handed in: the emitters of values need the writer, and the writer them
        self.names = Names()
        self.settled = Lines()
        self.functions = Lines()
        self.closing = Lines()
        self.settled_texts: dict[Text, str] = {}
        self.settled_urls: dict[str, str] = {}
        self.settled_headers: dict[tuple[str, bool], tuple[str, str]] = {}
        self.growth = ValueGrowth(loaded.mapping)
        self.counted_items: set[str] = set()
        self.item_functions: dict[str, str] = {}
        self.batch_functions: dict[str, BatchCode] = {}
        self._settings: dict[str, str] = {}
        self._reports = False

    def setting(self, name: str) -> str:
        """Return the variable that holds a setting, read once when the connection is made."""
        if name not in self._settings:
            variable = self._settings[name] = f"setting_{len(self._settings) + 1}"
            self.settled.add(f"{variable} = settings.get({self.names.literal(name)})")
        return self._settings[name]

    def once(self) -> Writer:
        """Return the writer of what only settings fill and what cannot fail; its lines belong into `settled`."""
        if not self._reports:
            self._reports = True
            self.settled.add("reports = []")  # required settings always have a text, so nothing is reported
        return Writer(self, {"settings": "settings"})

    def settle(self, function: str, words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        """Write the call of what only settings fill but what may fail; return the names of results and problem.

        `function` is called as (reports) and returns as many values as there are `words`.
        """
        names = tuple(self.names.fresh(word) for word in words)
        problem = self.names.fresh("problem")
        self.helper("settle")
        self.closing.add(f"{', '.join((*names, problem))} = settle({function}, {len(words)}, plain)")
        return names, problem

    def helper(self, name: str) -> str:
        """Make a function of `runtime` available to the generated code."""
        return self.names.function(getattr(runtime, name), name)


class Writer:
    """One generated function being written; it is also the scope that paths are resolved in."""

    def __init__(self, module: Module, roots: dict[str, str], *, call: CallParts | None = None) -> None:
        self.module = module
        self.names = module.names
        self.call = call
        self.head = Lines()
        self.lines = Lines()
        self.roots = dict(roots)
        self.place: Place = ()
        self.secret_items = False  # inside a loop over a secret list or table
        self.template_items = False  # inside a loop over rows with templates that are not filled yet
        self.secret_group = False  # in a batch whose `group_by` reads a secret
        self.url = False  # inside an instruction for a piece of a URL: texts of the mapping are `LiteralText`
        self.fresh: set[str] = set()  # variables of parts made for one use alone
        self.own: set[str] = set()  # variables with the value of a path that nothing else reads
        self.cleaned: set[str] = set()  # variables of parts that hold no blank text and no nulls
        self.repeats = 0  # loops, and values that copy what they read very often, around what is written now
        self.counted = False  # whether anything is counted in the budget
        self.body_repeats = -1  # the `repeats` at which `body` of an envelope is made: there it is no copy
        self.path_place: Place = ()  # of the path that is being written
        self.named = 0  # loops around what is written now whose items are named in reasons
        self._counts = call is not None
        self._lost = False
        self._is_plain = False  # inside what is run where an optimization could not do it
        self._inside_parts = 0
        self._known: dict[str, str] = {}
        self._inner: dict[tuple[str, str], str] = {}

    def memo(self) -> str:
        """Return the variable of the memo whose budget counts what is copied."""
        self.counted = True
        return self.counts()

    def counts(self) -> str:
        """Return the variable of the memo that holds the counts; a function that is no part of a call has its own."""
        if not self._counts:
            self._counts = True
            self.head.add(f"memo = {[*COUNTS]}")
        return "memo"

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """Wrap what may read one thing very often."""
        self.repeats += 1
        yield
        self.repeats -= 1

    @contextmanager
    def envelope(self, body: str) -> Iterator[None]:
        """Wrap an envelope around `body`, the expression of what the step gives."""
        self.roots["body"], self.body_repeats = body, self.repeats
        yield
        del self.roots["body"]
        self.body_repeats = -1

    def value(self, value: Value) -> ValueCode:
        """Write a value."""
        return self.module.emit_value(self, value)

    @contextmanager
    def if_present(self, got: ValueCode) -> Iterator[None]:
        """Write what is inside for a value that is there."""
        if got.present:
            yield
            return
        with self.lines.block(f"if {got.code} is not None:"), self.branch():
            yield

    @contextmanager
    def if_sent(self, got: ValueCode) -> Iterator[None]:
        """Write what is inside for a value that is there, or whose null is sent."""
        if not got.null:
            with self.if_present(got):
                yield
            return
        with self.lines.block(f"if {got.code} is not None or {got.null}:"), self.branch():
            yield

    def clean(self, got: ValueCode) -> ValueCode:
        """Apply `nulls: drop` and `empty_text: drop` to what a source or a function returned."""
        got = self.without_nulls(got)
        if got.shape is not None:
            return got
        if not got.clean and self.module.mapping.empty_text == "drop":
            got = self.owned(got)
            present = "" if got.present else f"{got.code} is not None and "
            with self.lines.block(f"if {present}{self.blank(got)}:"):
                self.lines.add(f"{got.code} = None")
        return replace(got, clean=True)

    def without_nulls(self, got: ValueCode) -> ValueCode:
        """Apply `nulls: drop`; what is clean already is left as it is."""
        if got.clean and Optimization.CLEAN_ONCE in self.module.optimizations:
            return got
        got = replace(got, clean=False)
        if self.module.mapping.nulls == "drop":
            got = self.owned(got)
            self.names.function(drop_nulls, "drop_nulls")
            test = f"if type({got.code}) is dict or type({got.code}) is list:"
            with self.lines.block(test) if got.shape is None else nullcontext():
                self.lines.add(f"{got.code} = drop_nulls({got.code})")
        return got

    def absent(self, got: ValueCode) -> str:
        """Return the expression that is true if a value is not there, or is blank text that has yet to be left out."""
        blank = not got.clean and got.shape is None and self.module.mapping.empty_text == "drop"
        return f"{got.code} is None or {self.blank(got)}" if blank else f"{got.code} is None"

    def blank(self, got: ValueCode) -> str:
        """Return the expression that is true of blank text; texts of an event are `str`, a secret one is more."""
        is_text = f"isinstance({got.code}, str)" if self.url or got.secret else f"type({got.code}) is str"
        return f"{is_text} and (not {got.code} or {got.code}.isspace())"

    def own_variable(self) -> str:
        """Return the name of a new variable for a path's value, which the reader of the path may assign to."""
        variable = self.names.fresh("value")
        self.own.add(variable)
        return variable

    def owned(self, got: ValueCode) -> ValueCode:
        """Return the value in a variable that nothing else reads, so that it may be assigned to."""
        if got.own:
            return got
        variable = self.names.fresh("value")
        self.lines.add(f"{variable} = {got.code}")
        return replace(got, code=variable, own=True)

    def record(self, kind: Kind, place: Place, code: str, detail: str = "") -> None:
        """Write what tells the recorder, if there is one, what `code` is here."""
        recorder = self.module.recorder
        if recorder is not None:
            number = recorder.site(kind, place, detail)
            self.lines.add(f"{self.names.function(recorder, 'record')}({number}, {code})")

    # What emit_path asks of a scope.

    def root(self, name: str) -> str:
        """Return the expression of a root name; a field this call does not have is None."""
        if name in self.roots:
            return self.roots[name]
        if name == "parts":  # never read: `member` returns its members
            return "{}"
        if self.call is None or name not in self.call.fields:
            return "None"
        variable = self.roots[name] = f"field_{name}"
        otherwise = " or EMPTY" if name in OBJECTS else ""
        if otherwise:
            self.module.helper("EMPTY")
        self.head.add(f"{variable} = event.get({name!r}){otherwise}")
        return variable

    def member(self, name: str, field: str) -> str | None:
        """Return `parts.x` and `settings.x` directly."""
        if name == "settings":
            setting = self.module.mapping.settings.get(field)
            if setting is None or setting.type != "template":
                return self.module.setting(field)
            return "None" if self.call is None else self._template(field)  # without an event, nothing fills it
        if name == "parts" and self.call is not None:
            return self.part(field)
        return None

    def is_object(self, name: str) -> bool:
        """Whether a root is an object whatever the event."""
        return name == "parts" or (name in OBJECTS and self.root(name) != "None")

    def inner_object(self, root: str, field: str) -> str | None:
        """Return the variable of an object inside the event that the call reads several times, or nothing.

        Where there is no object it is empty: both have no fields.
        """
        if self.call is None or root not in self.call.fields or self.call.objects[root, field] < MANY_READS:
            return None
        if (root, field) not in self._inner:
            self.module.helper("EMPTY")
            variable = self._inner[root, field] = self.names.fresh("inner")
            self.head.add(f"{variable} = {self.root(root)}.get({self.names.literal(field)})")
            with self.head.block(f"if type({variable}) is not dict:"):
                self.head.add(f"{variable} = EMPTY")
        return self._inner[root, field]

    @contextmanager
    def branch(self) -> Iterator[None]:
        """Wrap what runs only under a condition: parts computed inside are not known outside."""
        known = dict(self._known)
        yield
        self._known = known

    @contextmanager
    def loop(self, *, secret: bool, templates: bool = False, **names: str) -> Iterator[None]:
        """Wrap the body of a loop: `item`, `index`, `key` have new meanings, and parts may be used again.

        `secret`: its items are. `templates`: they may have some.
        """
        roots, outer = dict(self.roots), (self.secret_items, self.template_items)
        self.roots.update(names)
        self.secret_items, self.template_items = secret, templates
        with self.branch(), self.repeated():
            yield
        self.secret_items, self.template_items = outer
        added = {name: code for name, code in self.roots.items() if name not in roots and name not in names}
        self.roots = roots | added

    @contextmanager
    def naming(self, of: Value, index: str, *, wanted: bool) -> Iterator[None]:
        """Wrap a loop over `of`: an event that one of its items makes invalid says which item."""
        if not wanted or self.named == MOST_NAMED:
            yield
            return
        names = plain(of.path) if isinstance(of, PathValue) else ()
        self.named += 1
        with self.lines.block("try:"):
            yield
        self.named -= 1
        with self.lines.block(f"except {self.module.helper('Invalid')} as error:"):
            self.lines.add(
                f"{self.module.helper('in_item')}(error, {self.names.literal(names[-1] if names else 'item')}, {index})"
            )

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Set whose modifiers are being written, for reports about the paths in them."""
        outer, self.place = self.place, place
        yield
        self.place = outer

    def count_items(self, length: str, place: Place) -> None:
        """Write what counts the items of a loop before it runs; all functions of an event share one count."""
        self._count(0, length, place, runtime.MOST_ITERATIONS, "too_many_iterations")

    def count_steps(self, length: str) -> None:
        """Write what counts steps: entries that a path goes through, the size of what a function gets."""
        self._count(1, length, self.path_place or self.place, runtime.MOST_STEPS, "too_many_steps")

    def place_of_path(self) -> str:
        """Return the place of the path that is being written, for reports."""
        return place_text(self.path_place or self.place)

    def _count(self, number: int, length: str, place: Place, most: int, helper: str) -> None:
        self.counts()
        self.module.helper(helper)
        self.lines.add(f"memo[{number}] += {length}")
        with self.lines.block(f"if memo[{number}] > {most}:"):
            self.lines.add(f"{helper}(memo[{number}], {self.names.literal(place_text(place))})")

    @contextmanager
    def path_at(self, place: Place) -> Iterator[None]:
        """Set the place of the path that is being written; writing it may write a part, with paths of its own."""
        outer, self.path_place = self.path_place, place
        yield
        self.path_place = outer

    def literal(self, value: Json) -> str:
        """Return the expression of a value that is written in the mapping itself."""
        return self.names.literal(runtime.LiteralText(value) if self.url and isinstance(value, str) else value)

    def uses_lost(self) -> None:
        """Make the list `lost` (keys that were set twice) once per function."""
        if not self._lost:
            self._lost = True
            self.head.add("lost = []")

    def optimizes(self, which: Optimization) -> bool:
        """Whether an optimization is wanted here."""
        return not self._is_plain and which in self.module.optimizations

    @contextmanager
    def word_by_word(self) -> Iterator[None]:
        """Wrap what runs only where an optimization could not do it: plain code, with a list `lost` of its own."""
        lost, self._lost, self._is_plain = self._lost, True, True
        self.lines.add("lost = []")
        yield
        self._lost, self._is_plain = lost, False

    # Parts.

    def part(self, name: str) -> str:
        """Return the variable that holds a part, written here or fetched from the event's memo."""
        if name in self._known:
            return self._known[name]
        assert self.call is not None
        once = self.call.uses[name] == 1 or _is_cheap(self.module.mapping.parts[name])
        inline = once and self._inside_parts < DEEPEST_INLINED
        variable = self._inlined(name) if inline else self._remembered(name)
        self._known[name] = variable
        return variable

    def _remembered(self, name: str) -> str:
        assert self.call is not None
        number, function, clean = self.call.function(name)
        variable = self.names.fresh("part")
        if clean:
            self.cleaned.add(variable)
        self.module.helper("UNSET")
        self.lines.add(f"{variable} = memo[{number}]")
        with self.lines.block(f"if {variable} is UNSET:"):
            self.lines.add(f"{variable} = memo[{number}] = {function}({ARGUMENTS})")
        return variable

    def _template(self, name: str) -> str:
        """Return the variable that holds the filled template of a setting, which is filled once per event."""
        key = f"settings.{name}"
        if key not in self._known:
            assert self.call is not None
            setting, number = self.module.setting(name), self.call.template(name)
            variable = self._known[key] = self.names.fresh("template")
            self.module.helper("UNSET")
            fill = self.names.function(filling.filled, "filled")
            self.lines.add(f"{variable} = memo[{number}]")
            with self.lines.block(f"if {variable} is UNSET:"):
                self.lines.add(f"{variable} = memo[{number}] = {fill}({setting}, event, options, reports, memo)")
        return self._known[key]

    def _inlined(self, name: str) -> str:
        url, self.url = self.url, False
        repeats, self.repeats = self.repeats, 0
        words: tuple[str, ...] = ("item", "index", "key")
        outer = {word: self.roots.pop(word) for word in words if word in self.roots}
        self._inside_parts += 1
        got = self.value(self.module.mapping.parts[name])
        self._inside_parts -= 1
        self.roots.update(outer)
        self.url, self.repeats = url, repeats
        if got.fresh:
            self.fresh.add(got.code)
        if got.clean:
            self.cleaned.add(got.code)
        self.own.discard(got.code)
        return got.code

    def check_settled(self, problem: str) -> None:
        """Write what repeats for each event what was reported, and what failed, when the connection was made."""
        self.module.helper("not_settled")
        with self.lines.block(f"if {problem} is not None:"):
            self.lines.add(f"not_settled({problem}, reports)")

    def body(self) -> Lines:
        """Return the statements of the function, field reads first."""
        whole = Lines()
        whole.extend(self.head)
        whole.extend(self.lines)
        return whole


class Uses(NamedTuple):
    """How often a call uses each part, and the fields of each object inside another one, such as `context.os`."""

    parts: Counter[str]
    objects: Counter[tuple[str, str]]


class CallParts:
    """The parts one call uses: how often, and the functions of those used more than once."""

    def __init__(self, module: Module, fields: tuple[str, ...], uses: Uses) -> None:
        self.module = module
        self.fields = fields
        self.uses = uses.parts
        shared = Optimization.SHARED_OBJECTS in module.optimizations
        self.objects = uses.objects if shared else Counter[tuple[str, str]]()
        self._functions: dict[str, tuple[int, str, bool]] = {}
        self._templates: dict[str, int] = {}

    @property
    def memo(self) -> list[object]:
        """The memo of an event before its first step: the counts of its loops, no part and no template computed."""
        return [*COUNTS] + [runtime.UNSET] * (len(self._functions) + len(self._templates))

    def template(self, name: str) -> int:
        """Return the memo number of a template of the settings."""
        return self._templates.setdefault(name, self._next())

    def _next(self) -> int:
        return len(COUNTS) + len(self._functions) + len(self._templates)

    def function(self, name: str) -> tuple[int, str, bool]:
        """Return memo number and function name of a part, and whether its value is clean; write it at the first use."""
        if name not in self._functions:
            number, function = self._next(), self.module.names.fresh("part_value")
            self._functions[name] = (number, function, False)
            self._functions[name] = (number, function, self._write(function, name))
        return self._functions[name]

    def _write(self, function: str, name: str) -> bool:
        writer = Writer(self.module, call_roots(), call=self)
        got = writer.value(self.module.mapping.parts[name])
        writer.lines.add(f"return {got.code}")
        with self.module.functions.block(f"def {function}({ARGUMENTS}):"):
            self.module.functions.extend(writer.body())
        return got.clean


def _is_cheap(value: Value) -> bool:
    """Whether a part is read as fast as it is remembered: one or two fields of the event."""
    alternatives = value.alternatives if isinstance(value, Choice) else (value,)
    fields = (plain(each.path) if isinstance(each, PathValue) else () for each in alternatives)
    return len(alternatives) <= MOST_CHEAP and all(
        names[:1] in FIELDS_OF_EVENTS and len(names) <= MOST_CHEAP for names in fields
    )


def is_clean(value: Json) -> bool:
    """Whether a value of the mapping itself has nothing that `nulls: drop` and `empty_text: drop` could leave out."""
    return not isinstance(value, dict | list) and not (isinstance(value, str) and not value.strip())


def call_roots() -> dict[str, str]:
    """Return the roots every call has beside its fields."""
    return {"options": "options", "saved": "saved", "settings": "settings", "message": "event"}


class ValueCode(Noun, kw_only=False):
    """A value's expression, to be used any number of times, and what is certain about it.

    `present`: never None; `shape`: dict or list if known; `made`: an object or list that the instruction made, absent
    if empty; `fresh`: an object made for this use alone, so that it may be changed; `null`: an expression that says
    whether null is to be sent where there is no value; `own`: a variable that nothing else reads; `clean`: without
    what `nulls: drop` and `empty_text: drop` leave out; `secret`: a text in it may be a `Secret`.
    """

    code: str
    present: bool = False
    shape: str | None = None
    made: bool = False
    fresh: bool = False
    null: str = ""
    own: bool = False
    clean: bool = False
    secret: bool = False
