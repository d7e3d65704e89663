"""The strict YAML reader: what it reads, what it refuses (yaml_faults.txt), and that nothing brings it down."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.mapping.problems import Mark
from engine.mapping.yaml.reader import parse, read
from tests.tables import each

HERE = Path(__file__).parent


def told(document):
    return [str(problem) for problem in document.problems]


def value_of(text):
    document = parse(text, "mapping.yaml")
    assert told(document) == []
    return document.value


READ_AS = [
    # text, value
    ("map: { no: 1, NO: 2, on: 3 }", {"map": {"no": 1, "NO": 2, "on": 3}}),
    ("timestamp: 2019-09-01T12:00:00Z", {"timestamp": "2019-09-01T12:00:00Z"}),
    ("[12:30:45, 0123, 0x1F, 0o17, 1_000]", ["12:30:45", "0123", "0x1F", "0o17", "1_000"]),
    (
        "[no, on, yes, off, y, n, =, .inf, .nan, -.inf]",
        ["no", "on", "yes", "off", "y", "n", "=", ".inf", ".nan", "-.inf"],
    ),
    ("[true, false, null, ~]", [True, False, None, None]),
    ("a:", {"a": None}),
    ("a: { b: }", {"a": {"b": None}}),
    ("['true', \"null\", '1', '']", ["true", "null", "1", ""]),
    ("[0, -1, 1.10, -0.5, 1e3, 1.5E-2, -0]", [0, -1, 1.1, -0.5, 1000.0, 0.015, 0]),
    ("[+1, .5, 5., 00, 1e, 0.1.2, '-']", ["+1", ".5", "5.", "00", "1e", "0.1.2", "-"]),
    ("[18446744073709551615, -9223372036854775808]", [2**64 - 1, -(2**63)]),
    ("event_type: 'page_visit'", {"event_type": "page_visit"}),
    ("${settings.hard_id}: userId", {"${settings.hard_id}": "userId"}),
    ("path: /v2/${settings.token}/x", {"path": "/v2/${settings.token}/x"}),
    ("a: traits.x[?type == `1`].id | [0]", {"a": "traits.x[?type == `1`].id | [0]"}),
    ("a: x.y || z && !w", {"a": "x.y || z && !w"}),
    ("a: { url: https://x.example/y }", {"a": {"url": "https://x.example/y"}}),
    ('"<<": a', {"<<": "a"}),
    ("'1': a", {"1": "a"}),
    ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
    ("a: >-\n  b\n  c\n", {"a": "b c"}),
    ('a: "\\u00e9\\n\\0"', {"a": "é\n\0"}),
    ("a: b # c\n# d", {"a": "b"}),
    ("? a\n: b", {"a": "b"}),
    ("---\na: b\n...\n", {"a": "b"}),
    ("\ufeffa: b", {"a": "b"}),
    ("a: b\r\nc:\r\n  - d\r\n", {"a": "b", "c": ["d"]}),
    ("a: 😀 é", {"a": "😀 é"}),
    ("just text", "just text"),
]


@each("text, value", READ_AS)
def test_reads_as(text, value):
    got = value_of(text)
    assert got == value
    assert json.dumps(got) == json.dumps(value)  # True is not 1, and 1 is not 1.0


def faults():
    for case in (HERE / "yaml_faults.txt").read_text().split("=====\n")[1:]:
        text, _, expected = case.partition("-----\n")
        yield pytest.param(text, expected, id=text.strip())


@each("text, expected", faults)
def test_refuses(text, expected):
    assert "".join(f"{problem}\n" for problem in parse(text, "mapping.yaml").problems) == expected


NOT_PRINTABLE = """\
mapping.yaml:2:4
  The character U+{point} is not allowed in YAML.
  Remove it, or write it as "\\u{point}" in double quotes.           [not-printable]"""


@pytest.mark.parametrize("point", ["0000", "0001", "001B", "007F", "0080", "FFFE"])
def test_refuses_what_cannot_be_printed(point):
    assert told(parse(f"a: b\nc: {chr(int(point, 16))}x", "mapping.yaml")) == [NOT_PRINTABLE.format(point=point)]


NOT_UTF8 = """\
mapping.yaml:{place}
  The byte 0x{byte} is not valid UTF-8.
  Save the file as UTF-8.                                             [not-utf8]"""


@pytest.mark.parametrize(
    ("data", "place", "byte"),
    [
        (b"a: \xff", "1:4", "FF"),
        ("a: b\nc: é".encode("latin-1"), "2:4", "E9"),
        ("a: é\n".encode() + b"b: \xe9", "2:4", "E9"),
        ("a: b".encode("utf-16"), "1:1", "FF"),
        ("a: \ud800", "1:4", "ED"),
    ],
)
def test_refuses_other_encodings(data, place, byte):
    assert told(parse(data, "mapping.yaml")) == [NOT_UTF8.format(place=place, byte=byte)]


TOO_LARGE = """\
mapping.yaml:1:1
  The file is larger than 1 MiB.
  Remove data from it.                                               [too-large]"""
TOO_DEEP = """\
mapping.yaml:{place}
  Lists and mappings are nested deeper than 64 here.                  [too-deep]"""
BOMBS = [
    # name, text, the first problem or None
    ("60,000 lists", "a: " + "[" * 60_000, TOO_DEEP.format(place="1:67")),
    ("a million lists", "[" * 1_048_576, TOO_DEEP.format(place="1:65")),
    ("60,000 mappings", "{" * 60_000, TOO_DEEP.format(place="1:65")),
    ("mappings in values", "{a: " * 60_000, TOO_DEEP.format(place="1:257")),
    ("entries in entries", "- " * 60_000, TOO_DEEP.format(place="1:129")),
    ("keys in keys", "? " * 60_000, TOO_DEEP.format(place="1:129")),
    ("64 deep", "[" * 64 + "]" * 64, None),
    ("65 deep", "[" * 65 + "]" * 65, TOO_DEEP.format(place="1:65")),
    ("too large", "#" * 1_048_577, TOO_LARGE),
    ("one long line", "a: " + "x" * 1_048_000, None),
    ("one long quote", 'a: "' + "x" * 1_048_000 + '"', None),
    ("only spaces", "a: b" + " " * 1_048_000, None),
    ("only lines", "\n" * 1_048_000 + "a: b", None),
    ("digits", "a: 1." + "1" * 1_000_000, None),
]


def in_time(text, seconds=1.0):
    start = time.process_time()
    document = parse(text, "mapping.yaml")
    assert time.process_time() - start < seconds
    return document


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*case[1:], id=case[0]) for case in BOMBS])
def test_bombs_are_read_or_refused_quickly(text, expected):
    assert told(in_time(text))[:1] == ([] if expected is None else [expected])


SLOW_FAULTS = [
    ("laughs", "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 20_000)), "anchor"),
    ("twice", "a: 1\n" * 200_000, "duplicate-key"),
    ("tags", "a: [" + "!x y,\n" * 100_000 + "]", "tag"),
    ("no values", "a: {" + "x, " * 300_000, "key-without-value"),
    ("open quote", 'a: "' + "x\n" * 500_000, "not-closed"),
    ("open call", "a: [f(" + "x(" * 300_000, "not-closed"),
    ("quotes", "a: '" + "''" * 300_000 + "' b", "needs-quotes"),
    ("spaces before a colon", "a: x" + " " * 500_000 + ": b", "needs-quotes"),
    ("spaces before a bar", "a: !" + " " * 500_000 + "|x", "tag"),
    ("digits", "a: " + "1" * 1_000_000, "number-range"),
    ("last character", "a: " + "x" * 1_000_000 + "\x01", "not-printable"),
]


@pytest.mark.parametrize(("text", "code"), [pytest.param(*case[1:], id=case[0]) for case in SLOW_FAULTS])
def test_faults_are_found_quickly(text, code):
    document = in_time(text)
    assert document.problems[0].code == code
    assert len(document.problems) <= 100


TEXT = """\
# yaml-language-server
parts:
  ids: { fields: { "a b": x.y } }
  all:
    - traits
    - 'two words'
  empty:
  folded: >
    one
    two
"""
MARKS = [
    # path, place of the value, place of the key
    ((), (2, 1), (2, 1)),
    (("parts",), (3, 3), (2, 1)),
    (("parts", "ids"), (3, 8), (3, 3)),
    (("parts", "ids", "fields", "a b"), (3, 27), (3, 20)),
    (("parts", "all"), (5, 5), (4, 3)),
    (("parts", "all", 1), (6, 7), (6, 7)),
    (("parts", "empty"), (7, 9), (7, 3)),
    (("parts", "folded"), (8, 11), (8, 3)),
    (("parts", "missing", "deeper"), (3, 3), (2, 1)),
]


@each("path, value, key", MARKS)
def test_knows_its_places(path, value, key):
    document = parse(TEXT, "mapping.yaml")
    assert document.mark(path) == Mark("mapping.yaml", *value)
    assert document.key_mark(path) == Mark("mapping.yaml", *key)
    assert document.holds(path) is ("missing" not in path)


INSIDE = [
    # path, text, column in the text, column in the file
    (("parts", "ids", "fields", "a b"), "x.y", 3, 29),
    (("parts", "all", 1), "two words", 5, 12),
    (("parts", "folded"), "one two\n", 5, 11),
]


@each("path, text, column, expected", INSIDE)
def test_knows_places_inside_texts_that_are_written_as_they_read(path, text, column, expected):
    assert parse(TEXT, "mapping.yaml").mark_inside(path, text, column).column == expected


def test_knows_places_inside_keys():
    document = parse(TEXT, "mapping.yaml")
    assert document.key_mark_inside(("parts", "ids", "fields", "a b"), 3) == Mark("mapping.yaml", 3, 23)


def test_refused_values_are_null_and_named():
    document = parse("a: *b\nc: 1e999\nd: { 1: e }\nf: g\nf: h", "mapping.yaml")
    assert document.value == {"a": None, "c": None, "d": {}, "f": "g"}
    assert document.faulty == {("a",), ("c",), ("d",)}
    assert document.readable


@pytest.mark.parametrize("text", ["a: [", "", "[" * 65, "a: \x01", "a: 1\n" * 200])
def test_what_breaks_off_is_not_readable(text):
    assert not parse(text, "mapping.yaml").readable


FILES = [
    # name, text
    ("missing.yaml", "The file does not exist.                                        [file-missing]"),
    (".", "This is a folder, not a file.\n  Name the files in it.                                      [file-is-directory]"),
    ("a\0b", "The file cannot be read: embedded null byte.                 [file-unreadable]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), FILES)
def test_files_that_cannot_be_read(tmp_path, monkeypatch, name, expected):
    monkeypatch.chdir(tmp_path)
    document = read(Path(name))
    assert told(document) == [f"{name}:1:1\n  {expected}"]
    assert not document.readable


def test_reads_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("shop.yaml").write_bytes(b"\xef\xbb\xbfname: shop\r\n")
    document = read(Path("shop.yaml"))
    assert document.value == {"name": "shop"}
    assert document.mark(("name",)) == Mark("shop.yaml", 1, 7)


def test_reads_no_more_than_it_must(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("endless.yaml").symlink_to("/dev/zero")
    assert [problem.code for problem in read(Path("endless.yaml")).problems] == ["too-large"]


@given(st.text() | st.text(alphabet="ab:-[]{}'\"!&*|>%@`#,?. \n\t\\$"))
def test_never_raises(text):
    document = parse(text, "mapping.yaml")
    assert document.readable or document.problems
    for problem in document.problems:
        assert str(problem)
        assert problem.line >= 1
        assert problem.column >= 1


@given(st.binary())
def test_never_raises_for_bytes(data):
    document = parse(data, "mapping.yaml")
    assert document.readable or document.problems


texts = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), exclude_characters="\u2028\u2029"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_is_read_as_json(value):
    text = json.dumps({"value": value}, ensure_ascii=False)
    assert value_of(text) == {"value": value}
