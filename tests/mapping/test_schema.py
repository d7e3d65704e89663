"""The mapping schema: what it accepts, and what is said of every slip (invalid/schema/*.yaml and .txt)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from whole import whole

from engine.language.functions import FUNCTIONS
from engine.mapping import schema
from engine.mapping.model import SOURCES
from engine.mapping.schema import files, links
from engine.mapping.yaml.reader import parse, read
from engine.reference.problems import problem_docs
from engine.reference.schema import schema_text
from tests.tables import each

HERE = Path(__file__).parent
INVALID = sorted((HERE / "invalid" / "schema").glob("*.yaml"))
INVALID_PARTS = sorted((HERE / "invalid" / "parts").glob("*.yaml"))
MAPPINGS = sorted((HERE.parent.parent / "mappings").glob("*.yaml"))
PARTS = sorted((HERE.parent.parent / "mappings" / "parts").glob("*.yaml"))


def problems_of(text, kind="mapping", file="shop.yaml"):
    document = parse(text, file)
    return [*document.problems, *schema.check(document, kind)]


def lines(problems):
    return "".join(f"{problem}\n" for problem in problems)


@each("path", INVALID, ids=lambda path: path.stem)
def test_says_what_is_wrong(path):
    """`name.yaml` holds a few keys and is completed, unless it is named `file_...`; `name.txt` is what is said."""
    text = path.read_text()
    problems = problems_of(text if path.stem.startswith("file_") else whole(text), file=path.name)
    assert lines(problems) == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", INVALID_PARTS, ids=lambda path: path.stem)
def test_says_what_is_wrong_with_parts(path):
    assert lines(problems_of(path.read_text(), "parts", path.name)) == path.with_suffix(".txt").read_text()


def test_every_invalid_file_has_its_text():
    texts = {path.with_suffix(".yaml") for path in (HERE / "invalid").rglob("*.txt")}
    assert texts == {*INVALID, *INVALID_PARTS}


@pytest.mark.parametrize("path", sorted((HERE / "valid").glob("*.yaml")), ids=lambda path: path.stem)
def test_accepts(path):
    assert lines(problems_of(path.read_text())) == ""


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_accepts_the_mappings_that_ship(path):
    assert lines(schema.check(read(path), "mapping")) == ""


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_accepts_the_parts_that_ship(path):
    assert lines(schema.check(read(path), "parts")) == ""


EXTENDING = "mapping: 1\nname: shop\nextends: base\n"
NULLS = [
    # what null may take away in a file that extends; in one that does not, it is empty
    "about:",
    "check:",
    "responses:",
    "parts:\n  a:",
    "calls:\n  track:",
    "settings:\n  key:",
    "settings:\n  key:\n    title: Key\n    type: string\n    default:",
    "http:\n  base_url: https://x.example\n  rate_limit:",
    "http:\n  base_url: https://x.example\n  headers:\n    Accept:",
    "requests:\n  save:",
    "requests:\n  save:\n    path: /save\n    method:",
    "requests:\n  save:\n    path: /save\n    query:\n      v:",
    "batches:\n  all:\n    path: /all\n    fields: { a: items }\n    max_wait:",
    "retry:\n  for:",
]


@each("text", NULLS)
def test_null_takes_away_only_where_something_is_extended(text):
    assert lines(problems_of(EXTENDING + text)) == ""
    assert [problem.code for problem in problems_of(whole(text))] == ["empty"]


def test_a_file_that_extends_needs_nothing_else():
    assert lines(problems_of(EXTENDING + "requests: { save: { method: PUT } }\nhttp: { timeout: 5s }")) == ""


def test_the_result_of_extending_must_be_whole():
    document = parse("mapping: 1\nname: shop\nrequests: { save: { method: PUT } }", "shop.yaml")
    assert [(problem.path, problem.message) for problem in schema.check_value(document.value, document)] == [
        ("", "A mapping file needs `title`, `http` and `calls`."),
        ("requests.save", "A request needs `path`."),
    ]


def test_refused_yaml_is_not_complained_about_again():
    problems = problems_of(whole("parts:\n  a: *b\n  c: { <<: *d, as: trim }\n  e: { from: 1e999 }"))
    assert [problem.code for problem in problems] == ["alias", "merge-key", "number-range"]


def test_what_is_no_yaml_has_no_shape():
    assert [problem.code for problem in problems_of("mapping: [")] == ["not-closed"]


DOCS = problem_docs()
OF_FILES_AND_SHAPES = {code: doc for code, doc in DOCS.items() if doc.group in ("Files and YAML", "Shapes")}
CODE_EXAMPLES = [
    pytest.param(code, text, side, id=f"{code}-{side}")
    for code, doc in OF_FILES_AND_SHAPES.items()
    for side, text in (("wrong", doc.wrong), ("right", doc.right))
    if not text.startswith("#")
]


@each("code, text, side", CODE_EXAMPLES)
def test_the_example_of_every_code(code, text, side):
    assert {problem.code for problem in problems_of(whole(text))} == ({code} if side == "wrong" else set())


def test_every_code_is_documented():
    said = "".join(path.read_text() for path in HERE.rglob("*.txt"))
    codes = set(re.findall(r" {2}\[([a-z][a-z0-9-]+)\]$", said, re.MULTILINE))
    assert codes <= set(DOCS)
    in_no_text = {
        "file-missing",
        "file-is-directory",
        "file-unreadable",
        "not-utf8",
        "too-large",
        "too-deep",
        "not-printable",
        "too-many-values",
        "more-problems",
        "cannot-be-checked",
    }
    assert set(OF_FILES_AND_SHAPES) == codes | in_no_text


def schemas():
    return [files.read("mapping"), files.read("parts")]


@pytest.mark.parametrize("whole_schema", schemas(), ids=["mapping", "parts"])
def test_the_schema_files_are_draft_7(whole_schema):
    Draft7Validator.check_schema(whole_schema)


def test_the_schema_of_schemas_is_draft_7():
    """An editor must find it without a network, so it stands in the file."""
    here = dict(files.read("mapping")["definitions"]["draft_7"])
    del here["$comment"]
    text = json.dumps(here).replace("#/definitions/draft_7", "#")
    official = {
        key: rule for key, rule in Draft7Validator.META_SCHEMA.items() if key not in ("$schema", "$id", "title")
    }
    assert json.loads(text) == official


def keys_of(thing, place=""):
    """Every key an author may write, with its schema."""
    if isinstance(thing, dict):
        for key, rule in thing.get("properties", {}).items() if "additionalProperties" in thing else ():
            yield pytest.param(rule, id=f"{place}/{key}")
        for key, inner in thing.items():
            yield from keys_of(inner, f"{place}/{key}")
    elif isinstance(thing, list):
        for number, inner in enumerate(thing):
            yield from keys_of(inner, f"{place}/{number}")


def every_key():
    mapping, parts = schemas()
    definitions = {name: thing for name, thing in mapping["definitions"].items() if name not in ("whole", "draft_7")}
    return [*keys_of({**mapping, "definitions": definitions}), *keys_of(parts)]


@each("rule", every_key)
def test_every_key_has_a_description(rule):
    if "$ref" in rule:
        rule = links.find(files.read("mapping"), rule["$ref"])
    assert len(rule["description"]) > 10
    assert rule["description"].endswith((".", "`", ")"))
    assert len(rule.get("enum", [])) == len(rule.get("enumDescriptions", rule.get("enum", [])))


def test_the_functions_in_the_schema_are_those_of_the_registry():
    path = files.folder() / "mapping.schema.json"
    assert path.read_text() == schema_text(), "run: make docs"


@each("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_example_of_a_function_is_accepted(function):
    for example in function.examples:
        use = json.dumps({function.name: dict(example.parameters)} if example.parameters else function.name)
        assert lines(problems_of(whole(f"parts:\n  a: {{ from: x, as: {use} }}"))) == ""


def test_every_source_is_a_word_of_an_instruction_and_of_a_step():
    definitions = files.read("mapping")["definitions"]
    words = list(definitions["instruction"]["properties"])
    assert words[:8] == list(SOURCES)
    assert set(words) <= set(definitions["step"]["properties"])


def test_jsonschema_is_imported_when_it_is_needed():
    code = "import sys, engine.mapping.schema; print([name for name in ('jsonschema', 'yaml', 're2') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
