"""What written code looks like and promises: laziness, order, nothing of a mapping's text in it, markers, secrets."""

from __future__ import annotations

import warnings

import pytest

from engine.compiler.lines import Lines, Names
from engine.compiler.paths.emitter import Emitter, emit
from engine.errors import PathError
from engine.language import paths
from engine.language.paths import Marker, PathTypeError
from engine.language.paths.syntax import DEEPEST, TALLEST
from engine.records import Report, Secret
from tests.paths.compiled import Compiled, DocumentScope, by_library, strict
from tests.tables import each


def test_a_field_of_a_field_costs_two_lookups_and_one_test() -> None:
    names, lines = Names(), Lines()
    scope = DocumentScope(names, objects=("context",))
    code = emit(paths.parse("context.traits.email"), scope, lines, names)
    assert lines.text() == "root_1 = look(document, 'context')\n"
    assert code == "(v_1.get('email') if type(v_1 := root_1.get('traits')) is dict else None)"


def test_code_of_a_filter() -> None:
    names, lines = Names(), Lines()
    scope = DocumentScope(names, objects=("context",))
    code = emit(paths.parse("context.externalId[?type=='x'].id | [0]"), scope, lines, names)
    assert lines.text() == (
        "root_1 = look(document, 'context')\n"
        "v_1 = root_1.get('externalId')\n"
        "v_2 = None\n"
        "if type(v_1) is list:\n"
        "    v_2 = []\n"
        "    for v_3 in v_1:\n"
        "        if ((v_3.get('type') if type(v_3) is dict else None) == 'x'):\n"
        "            if (v_4 := (v_3.get('id') if type(v_3) is dict else None)) is not None:\n"
        "                v_2.append(v_4)\n"
    )
    assert code == "(v_2[0] if v_2 else None)"


YES, NO = ("parts", "yes"), ("parts", "no")
LAZY = [
    ("parts.yes || parts.no", [YES]),
    ("parts.no || parts.yes", [NO, YES]),
    ("parts.no && parts.yes", [NO]),
    ("parts.yes && parts.no", [YES, NO]),
    ("parts.yes || parts.no || parts.other", [YES]),
    ("parts.no && parts.yes || parts.yes", [NO, YES]),
    ("!(parts.yes || parts.no)", [YES]),
    ("(parts.yes || parts.no) == parts.yes", [YES]),
    ("(parts.no && parts.yes) || parts.yes", [NO, YES]),
    ("[parts.yes || parts.no, parts.no]", [YES, NO]),
    ("length(parts.yes || parts.no)", [YES]),
    ("not_null(parts.yes, parts.no)", [YES, NO]),
    ("parts.yes && parts.yes.x", [YES]),
    ("parts | yes || no", [YES]),
    ("parts.{a: yes || no}", [YES]),
    ("parts.[yes][0]", [YES]),
    ("'x' || parts.no", []),
    ("'' && parts.no", []),
    ("sort_by(parts.list || parts.no, &x)", [("parts", "list")]),
]


@each("text, asked", LAZY)
def test_a_part_is_asked_for_only_where_it_is_needed(text: str, asked: list[tuple[str, ...]]) -> None:
    document = {"parts": {"yes": "yes", "no": None, "list": [{"x": 1}]}}
    compiled = Compiled(text, objects=("parts",), members=("parts",))
    value = compiled.value(document)
    assert compiled.asked == asked, compiled.source
    assert strict(value) == strict(by_library(text, document))
    compiled.asked.clear()
    compiled.truth(document)
    assert compiled.asked == asked, compiled.source


def test_what_can_raise_is_a_statement() -> None:
    names, lines = Names(), Lines()
    code = emit(paths.parse("[length(a), b > `1`, abs(c)]"), DocumentScope(names), lines, names)
    assert code == "[v_1, v_2, v_3]"
    assert lines.text().splitlines()[-1] == "v_3 = path_call('abs', root_3)"


HOSTILE = [
    "'; import os; os.abort()",
    '"',
    '"""',
    "'''",
    "\\",
    "\\'",
    "{0}",
    "{document}",
    "%(x)s",
    "${x}",
    "\n",
    "\r\n    return 1",
    "\u2028",
    "\0",
    "__import__('os').abort()",
    "__class__",
    "é😀",
    "x" * 1_800,
]


@each("text", HOSTILE)
def test_names_and_texts_are_never_code(text: str) -> None:
    raw = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if "\\" in text:
        raw = "'none'"
    name = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 128 and not c.isalnum() else c for c in text) + '"'
    document = {text: {text: 1, "is": text}, "a": {text: [{text: 2}]}}
    for path in (name, f"{name}.{name}", f"{name}.is == {raw}", f"a.{name}[*].{name}", f"{{{name}: {name}}}"):
        compiled = Compiled(path)
        assert strict(compiled.value(document)) == strict(by_library(path, document))
    assert Compiled("x" * 9_000).value({"x" * 9_000: 1}) == 1


DEEP = [
    " || ".join(["a"] * 90),
    " && ".join(["a.b"] * 90),
    " || ".join(["a[*].b"] * 90),
    " || ".join(f"a.b == 'x{number}'" for number in range(90)),
    " && ".join(["length(a.b) > `0`"] * 45),
    "a" + " | @" * 90,
    " == ".join(["a"] * 90),
    "(" * 45 + "a" + ")" * 45,
    "!(" * 24 + "a" + ")" * 24,
    "[" * 45 + "a" + "]" * 45,
    "{x: " * 45 + "a" + "}" * 45,
    "length(" * 45 + "a" + ")" * 45,
    "to_array(" * 45 + "a" + ")" * 45,
    "(a || " * 45 + "b" + ")" * 45,
    "(a && " * 45 + "b" + ")" * 45,
    "(a || b[*] && " * 22 + "b" + ")" * 22,
    "(a || length(b) > `1` && " * 22 + "b" + ")" * 22,
    "a" + ".b" * 90,
    "a" + "[0]" * 40,
    "a" + ".*" * 20,
    "a" + "[*].b" * 40,
    "a" + "[]" * 45,
    "a" + "[?b]" * 40,
    "a[?b" * 40 + "]" * 40,
    "a[*].{x: b" * 20 + "}" * 20,
    "map(&a, " * 20 + "b" + ")" * 20,
    "a.[" * 40 + "b" + "]" * 40,
    "contains([" + ", ".join(f"'{number}'" for number in range(900)) + "], a)",
]


@pytest.mark.parametrize("text", DEEP)
def test_what_is_allowed_also_compiles(text: str) -> None:
    nested = {"b": {"b": [{"b": 1}]}}
    for document in ({}, {"a": nested, "b": [1, "x"]}, {"a": [[nested]], "b": "x"}, {"a": 0, "b": "x"}):
        compiled = Compiled(text)
        assert strict(compiled.value(document)) == strict(by_library(text, document))


TOO_DEEP = ["(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), " || ".join(["a"] * (TALLEST + 1)), "!" * 9_000 + "a"]


@pytest.mark.parametrize("text", [*TOO_DEEP, "a" + "[*]" * 3_000, "[" * 9_000, "`" + "[" * 9_000 + "`", "&" * 9_000])
def test_what_is_deeper_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        paths.parse(text)


def test_python_warns_about_nothing_in_written_code() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("'a' == `true`", "'a'.x", "'a'[0]", "`1` == `null`", "!'a' == `true`", "('a' || b) == `null`"):
            Compiled(text)


@pytest.mark.parametrize("text", ["@", "*", "[0]", "length(@)", "a || @", "[?a]", "@ | [0]"])
def test_the_whole_scope_is_no_value(text: str) -> None:
    names = Names()
    with pytest.raises(PathError) as raised:
        emit(paths.parse(text), DocumentScope(names), Lines(), names)
    assert str(raised.value) == "@ is the whole scope here, which is no value: name a field of it."


def test_every_kind_of_node_is_written() -> None:
    from jmespath import ast

    part_of_others = {"key_val_pair", "expref"}
    kinds = {name for name, maker in vars(ast).items() if callable(maker)} - {"current_node"} | {"current"}
    assert {kind for kind in kinds - part_of_others if not hasattr(Emitter, f"_{kind}")} == set()


MARKED = [
    ("saved.key", "<saved.key>"),
    ("saved.key.id", "<saved.key.id>"),
    ("saved.key.a.b", "<saved.key.a.b>"),
    ("saved | key.id", "<saved.key.id>"),
    ("(saved.key || name).id", "<saved.key.id>"),
    ("(name || saved.key).id", "<saved.key.id>"),
    ("saved.{k: key}.k.id", "<saved.key.id>"),
    ("[saved.key][0].id", "<saved.key.id>"),
    ("[saved.key][*].id | [0]", "<saved.key.id>"),
    ("not_null(name, saved.key).id", "<saved.key.id>"),
    ("saved.key[0]", None),
    ("saved.key[*].id", None),
    ("saved.key.*", None),
    ("saved.other.id", None),
    ("saved.real.id", 1),
    ("saved.key && 'yes'", "yes"),
    ("!(saved.key)", False),
    ("length(saved.key)", 11),
    ("type(saved.key)", "string"),
    ("join('-', ['a', saved.key])", "a-<saved.key>"),
    ("sort([saved.key, 'z'])", ["<saved.key>", "z"]),
    ("sort_by([{a: saved.key}], &a)[0].a", "<saved.key>"),
]


@each("text, expected", MARKED)
def test_markers_have_every_field(text: str, expected: object) -> None:
    document = {"saved": {"key": Marker("<saved.key>"), "real": {"id": 1}}, "name": None}
    assert Compiled(text, objects=("saved",)).value(document) == expected
    assert paths.search(text, document) == expected


SECRETS = [
    ("settings.key", "abc"),
    ("settings.key == 'abc'", True),
    ("settings.key && 'yes'", "yes"),
    ("settings.empty && 'yes'", ""),
    ("settings.key.x", None),
    ("settings.key[0]", None),
    ("length(settings.key)", 3),
    ("type(settings.key)", "string"),
    ("to_string(settings.key)", "abc"),
    ("to_string([settings.key])", '["abc"]'),
    ("to_array(settings.key)", ["abc"]),
    ("contains(settings.key, 'b')", True),
    ("starts_with(settings.key, 'a')", True),
    ("ends_with('xabc', settings.key)", True),
    ("join(':', [settings.key, ''])", "abc:"),
    ("reverse(settings.key)", "cba"),
    ("sort([settings.key, 'a'])", ["a", "abc"]),
    ("max(['a', settings.key])", "abc"),
    ("settings.key > 'a'", None),
    ("sort_by([{a: settings.key}, {a: 'a'}], &a)[*].a", ["a", "abc"]),
]


@each("text, expected", SECRETS)
def test_a_secret_is_text(text: str, expected: object) -> None:
    document = {"settings": {"key": Secret("abc"), "empty": Secret("")}}
    assert Compiled(text, objects=("settings",), members=("settings",)).value(document) == expected
    assert paths.search(text, document) == expected


def test_a_secret_taken_whole_stays_one() -> None:
    value = Compiled("settings.key || 'none'", members=("settings",)).value({"settings": {"key": Secret("abc")}})
    assert type(value) is Secret


NUMBERS = [
    ("1", 1),
    ("-1.50", -1.5),
    ("1e3", 1000.0),
    ("12345678901234567890123", 1.2345678901234568e22),
    ("1e999", None),
    ("nan", None),
    ("inf", None),
    ("Infinity", None),
    ("1_000", None),
    (" 1", None),
    ("01", None),
    ("+1", None),
    ("\u0661", None),
    ("", None),
    (True, None),
    (None, None),
    ([1], None),
    (2.0, 2.0),
]


@each("text, number", NUMBERS)
def test_to_number_reads_json_numbers(text: object, number: object) -> None:
    assert strict(Compiled("to_number(n)").value({"n": text})) == strict(number)
    assert strict(paths.search("to_number(n)", {"n": text})) == strict(number)


TYPE_ERRORS = [
    ("length(n)", "length() takes text or a list or an object, not a number."),
    ("length(nothing)", "length() takes text or a list or an object, not null."),
    ("join(',', list)", "join() takes a list of text values; one item is a number."),
    ("join(',', n)", "join() takes a list of text values, not a number."),
    ("sum(list)", "sum() takes a list of numbers; one item is text."),
    ("max(mixed)", "max() takes a list of numbers or a list of text values; one item is text."),
    ("keys(list)", "keys() takes an object, not a list."),
    ("abs(text)", "abs() takes a number, not text."),
    ("contains(text, n)", "contains() searches text for text, not for a number."),
    ("contains(n, text)", "contains() takes a list or text, not a number."),
    ("starts_with(text, n)", "starts_with() takes text, not a number."),
    ("merge(object, list)", "merge() takes an object, not a list."),
    ("sort_by(objects, &y)", "sort_by() compares numbers or text, not null."),
    ("max_by(objects, &z)", "max_by() compares numbers or text, not a boolean."),
    ("map(&x, n)", "map() takes a list, not a number."),
    ("sum(`[1e308, 1e308]`)", "sum() returns a number that is too large."),
    ("sum(`[18446744073709551615, 1]`)", "sum() returns a number that is too large."),
    ("ceil(`1e300`)", "ceil() returns a number that is too large."),
    ("ceil(nan)", "A function in the path cannot handle this value."),
]


@each("text, message", TYPE_ERRORS)
def test_type_errors_say_what_does_not_fit(text: str, message: str) -> None:
    document = {
        "n": 1,
        "text": "a",
        "list": ["a", 1],
        "mixed": [1, "a"],
        "object": {},
        "objects": [{"x": 1, "z": True}],
        "nan": float("nan"),
    }
    assert paths.parse(text).can_fail
    with pytest.raises(PathTypeError) as raised:
        paths.search(text, document)
    assert str(raised.value) == message
    with pytest.raises(PathTypeError) as raised:
        Compiled(text)._value(document, [])
    assert str(raised.value) == message


NOT_ORDERED = [
    ("n > text", None, "> compares two numbers; comparing a number with text gives null"),
    ("text <= n", None, "<= compares two numbers; comparing text with a number gives null"),
    ("text < 'b'", None, "< compares two numbers; comparing text with text gives null"),
    ("n >= yes", None, ">= compares two numbers; comparing a number with a boolean gives null"),
    ("[text > n, list < n]", [None, None], "> compares two numbers; comparing text with a number gives null"),
    ("objects[?x < 'a']", [], "< compares two numbers; comparing a number with text gives null"),
    ("sort_by(objects, &x)[?x < 'a']", [], "< compares two numbers; comparing a number with text gives null"),
    ("map(&(x < 'a'), objects)", [None], "< compares two numbers; comparing a number with text gives null"),
    ("n > nothing", None, None),
    ("nothing < text", None, None),
    ("n > `0`", True, None),
    ("n >= `1.5`", False, None),
]


@each("text, value, message", NOT_ORDERED)
def test_what_has_no_order_gives_null_and_is_reported(text: str, value: object, message: str | None) -> None:
    document = {"n": 1, "text": "a", "list": ["a", 1], "yes": True, "objects": [{"x": 1}]}
    reports: list[Report] = []
    noted: list[str] = []

    assert Compiled(text)._value(document, reports) == value
    assert reports == ([Report("not-compared", "here", message)] if message else [])
    assert paths.search(text, document, noted.append) == value
    assert noted[:1] == ([message] if message else [])
