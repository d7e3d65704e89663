"""The registry as a whole: complete, consistent, and the page made from it up to date."""

from __future__ import annotations

import re

from jsonschema import Draft7Validator

from engine.language.functions import FUNCTIONS, GROUPS, Function, bind, parameter_schema, parameters_of
from engine.language.functions.model import ANYTHING
from engine.mapping.schema import files
from engine.records import Json
from engine.reference import ROOT
from engine.reference.functions import functions_markdown
from engine.reference.schema import with_declared
from tests.tables import each

AS = {"definitions": with_declared(files.read("mapping"))["definitions"]}
EACH = each("function", FUNCTIONS.values(), ids=FUNCTIONS)
FIRST_SET = """
unix unix_seconds unix_ms iso8601 date utc_offset number integer round floor ceil abs fixed boolean string trim
lowercase uppercase capitalize snake_case camel_case replace pattern_replace truncate split first_word rest_words
url_encode base64 json parse_json digits_only sha256 sha1 md5 join first last unique sum product count min max
average compact pairs to_list limit url_host url_path url_query user_agent get
map_items matches add multiply from_pairs non_empty
""".split()  # noqa: SIM905  a list of words is easier to read
NEVER_FAIL = {"json", "to_list"}


def kind(value: Json) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return names[type(value)]


def test_the_first_set_is_there_in_order() -> None:
    assert list(FUNCTIONS) == sorted(FIRST_SET)


@EACH
def test_a_function_says_what_it_does(function: Function) -> None:
    assert function.about.endswith(".")
    assert "\n" not in function.about
    assert function.group in GROUPS
    assert function.takes
    assert function.takes | function.gives <= ANYTHING
    assert all(parameter.about.endswith(".") for parameter in function.parameters)
    assert function.source == "" or function.source.startswith("https://")


@EACH
def test_a_function_has_examples_of_both_kinds(function: Function) -> None:
    assert any(not example.reason for example in function.examples)
    assert any(example.reason for example in function.examples) is (function.name not in NEVER_FAIL)
    assert {example.note for example in function.examples if example.note} == set(function.notes)
    assert all(re.match("[a-zJ]", example.reason) for example in function.examples if example.reason)


@EACH
def test_examples_agree_with_the_types(function: Function) -> None:
    for example in function.examples:
        if not example.reason:
            assert kind(example.given) in function.takes
            assert kind(example.gives) in function.gives


@EACH
def test_the_forms_in_yaml_mean_the_same_parameters(function: Function) -> None:
    first = [parameter.name for parameter in function.parameters][:1]
    for example in function.examples:
        given = dict(example.parameters)
        forms: list[Json] = [given]
        if not given:
            forms.append(None)
        if given and list(given) == first:
            forms.append(given[first[0]])
        schema = Draft7Validator({**parameter_schema(function), **AS})
        for written in forms:
            assert parameters_of(function.name, written) == given
            assert schema.is_valid(written) is (function.parameters != () or written is None)


@EACH
def test_the_schema_is_one_and_refuses_what_binding_refuses(function: Function) -> None:
    Draft7Validator.check_schema(parameter_schema(function))  # AS is of the file, which tests/mapping checks
    schema = Draft7Validator({**parameter_schema(function), **AS})
    for written in ([], {"no such": 1}, True, 0.5, {"": ""}, None, 7, "text", {}, -1, 10**6, ""):
        try:
            parameters_of(function.name, written)
            fits = True
        except ValueError:
            fits = False
        if function.parameters or written not in ({}, None):  # `trim: {}` is harmless, but nobody needs it
            assert schema.is_valid(written) is fits, written


def test_the_page_is_what_the_registry_says() -> None:
    assert (ROOT / "docs" / "functions.md").read_text(encoding="utf-8") == functions_markdown(), "run: make docs"


def test_binding_gives_a_small_callable_where_nothing_needs_parameters() -> None:
    assert bind("trim", {}) is FUNCTIONS["trim"].call
