"""Files that are broken, hostile or huge: each is reported quickly, in a line or two, and nothing in it is ever run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.mapping.checks import check
from engine.mapping.load import Library, Loaded
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject
from engine.testing.files import check_file
from tests.checks.harness import printed, problems_of
from tests.mapping.whole import whole

EVENT: JsonObject = {"type": "track", "userId": "u1", "event": "Bought", "timestamp": "2024-03-05T10:15:30Z"}


def output_of(name: str) -> str:
    return printed(check_file(Library([]), Path(name)))


def loaded(text: str) -> Loaded:
    Path("shop.yaml").write_text(text, encoding="utf-8")
    return Library([]).read(Path("shop.yaml"))


def connection(text: str, settings: JsonObject | None = None) -> Connection:
    return Destination(loaded(text)).connect(settings or {}, {})


# --- files ---

FILES = {
    "empty": (b"", "empty-file", 1, 1),
    "only comments": (b"# a\n\n# b\n", "empty-file", 1, 1),
    "Latin-1": ("mapping: 1\nname: café\n".encode("latin-1"), "not-utf8", 2, 10),
    "UTF-16": ("mapping: 1\n".encode("utf-16"), "not-utf8", 1, 1),
    "a list": (b"- a\n- b\n", "wrong-type", 1, 1),
    "a word": (b"hello\n", "wrong-type", 1, 1),
    "null": (b"null\n", "empty", 1, 1),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_mapping(name: str) -> None:
    content, *expected = FILES[name]
    Path("shop.yaml").write_bytes(content)
    assert [[each.code, each.line, each.column] for each in check_file(Library([]), Path("shop.yaml"))] == [expected]


def test_a_missing_file() -> None:
    assert output_of("shpo.yaml").splitlines()[0] == "shpo.yaml:1:1"
    assert "The file does not exist." in output_of("shpo.yaml")


def test_a_folder_in_the_place_of_a_file() -> None:
    Path("folder.yaml").mkdir()
    assert "This is a folder, not a file." in output_of("folder.yaml")
    assert "Unknown mapping" in printed(problems_of(whole("extends: folder")))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{ a: ", " }")])
def test_a_hundred_deep(opening: str, closing: str) -> None:
    text = whole(f"parts:\n  deep: {{ const: {opening * 100}1{closing * 100} }}")
    assert [problem.code for problem in problems_of(text)] == ["too-deep"]


def test_sixty_thousand_open_brackets() -> None:
    codes = [problem.code for problem in problems_of(whole("parts:\n  deep: " + "[" * 60_000))]
    assert codes == ["too-deep"]


def test_a_yaml_bomb_is_refused_at_its_first_anchor() -> None:
    levels = ["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    started = time.process_time()
    codes = {problem.code for problem in problems_of("\n".join(levels))}
    assert codes >= {"anchor", "alias"}
    assert time.process_time() - started < 10


def test_a_line_of_nearly_a_megabyte() -> None:
    started = time.process_time()
    long = "x" * 1_000_000
    problems = problems_of(whole(f"calls: {{ track: [{{ request: save, fields: {{ a: {long} }} }}] }}"))
    assert [problem.code for problem in problems] == ["path-syntax"]
    assert len(printed(problems)) < 500
    assert time.process_time() - started < 20


def test_more_than_a_megabyte() -> None:
    assert "The file is larger than 1 MiB." in printed(problems_of(whole(f"about: {'x' * 1_100_000}")))


# --- files that belong together ---


def test_a_base_with_problems_is_reported_at_the_base() -> None:
    Path("base.yaml").write_text(whole("name: base\nparts:\n  a: { cosnt: 1 }"), encoding="utf-8")
    assert printed(problems_of(whole("extends: base"))) == (
        "base.yaml:3:8  parts.a.cosnt\n"
        "  3 |   a: { cosnt: 1 }\n"
        "    |        ^\n"
        '  An instruction has no key "cosnt".\n'
        '  Did you mean "const"?                                            [unknown-key]\n'
    )


def test_a_base_whose_paths_are_wrong_is_reported_once() -> None:
    wrong = "calls: { track: [{ request: save, from: propreties }] }"
    Path("base.yaml").write_text(whole(f"name: base\n{wrong}"), encoding="utf-8")
    child = whole("name: shop\nextends: base").replace(whole("").splitlines()[-1], "")
    Path("shop.yaml").write_text(child, encoding="utf-8")
    found = {*check_file(Library([]), Path("shop.yaml")), *check_file(Library([]), Path("base.yaml"))}
    assert [(problem.file, problem.code) for problem in found] == [("base.yaml", "unknown-field")]


def test_what_a_batch_ignores_can_be_inherited_and_removed() -> None:
    batch = "batches: { all: { path: /all, fields: { rows: items } } }"
    child = whole(f"name: shop\nextends: base\n{batch}\nrequests: {{ save: {{ batch: all }} }}")
    [problem] = [each for each in problems_of(child) if each.code == "ignored-in-batch"]
    assert (problem.file, problem.path) == ("base.yaml", "requests.save.path")
    assert problem.advice.startswith("It is inherited: remove it with `path: null`.")
    removed = child.replace("batch: all", "batch: all, path: null")
    assert [each for each in problems_of(removed) if each.code == "ignored-in-batch"] == []


def test_shared_parts_with_problems_are_reported_in_their_file() -> None:
    Path("parts/common.yaml").write_text("parts:\n  email: [trait.email]\n  broken: a..b\n", encoding="utf-8")
    use = "include: [common]\ncalls: { track: [{ request: save, fields: { email: parts.email } }] }"
    text = (
        "parts/common.yaml:2:11  parts.email[0]\n"
        "  2 |   email: [trait.email]\n"
        "    |           ^\n"
        '  No call has a field "trait".\n'
        "  Did you mean traits?                                           [unknown-field]\n"
        "parts/common.yaml:3:13  parts.broken\n"
        "  3 |   broken: a..b\n"
        "    |             ^\n"
        '  A dot must be followed by a name, not ".".                       [path-syntax]\n'
    )
    assert output_of("parts/common.yaml") == text
    assert printed(problems_of(whole(use))) == text


# --- settings of a connection ---

SETTINGS = whole(
    "settings:\n"
    "  region: { title: Region, type: string, choices: [eu, us] }\n"
    "  api_key: { title: API Key, type: string, secret: true, pattern: '^key-' }\n"
    "  address: { title: Address, type: url, default: https://api.shop.example }\n"
    "  retries: { title: Retries, type: integer, optional: true }\n"
    "http:\n"
    "  base_url: ${settings.address}/${settings.region}/${settings.retries}\n"
    "  headers: { X-Key: '${settings.api_key}' }"
)
WRONG_SETTINGS = {
    "missing": ({}, ["Region (region) is not set.", "API Key (api_key) is not set."]),
    "unknown": (
        {"region": "eu", "api_key": "key-1", "adress": "https://x.example", "colour": "red"},
        [
            'There is no setting "adress"; did you mean address?',
            'There is no setting "colour"; available: region, api_key, address, retries.',
        ],
    ),
    "wrong type": (
        {"region": 5, "api_key": "key-1", "retries": "3"},
        ["Region (region): 5 is not text", 'Retries (retries): "3" is not a whole number'],
    ),
    "not a choice, and a secret that does not fit": (
        {"region": "asia", "api_key": "3f9a8c"},
        [
            'Region (region): "asia" is not one of "eu", "us"',
            "API Key (api_key): the value does not fit the type string; it is secret and not shown.",
        ],
    ),
    "no address": (
        {"region": "eu", "api_key": "key-1", "address": "shop.example"},
        ["Address (address): this is not an http:// or https:// address without ? and #."],
    ),
    "a port out of range": (
        {"region": "eu", "api_key": "key-1", "address": "http://127.0.0.1:99999/x"},
        ["Address (address): the port of this address is not a number from 1 to 65535."],
    ),
    "a password in an address": (
        {"region": "eu", "api_key": "key-1", "address": "http://user:3f9a8c@host/x"},
        [
            (
                "Address (address): this address has a name or password before an @, which proxies and logs would "
                "show; remove it."
            ),
        ],
    ),
    "environment variables that are not set": (
        {"region": "${env:A}${env:B}", "api_key": "${env:C}"},
        [
            "Region (region): the environment variables A, B are not set.",
            "API Key (api_key): the environment variable C is not set.",
        ],
    ),
    "not filled in": (
        {"region": "${env:", "api_key": "key-${env:3f9a8c"},
        [
            "Region (region): it contains a ${...} that cannot be filled in; write ${env:NAME}, with letters, digits and _ in NAME.",
            (
                "API Key (api_key): it contains a ${...} that cannot be filled in; write ${env:NAME}, with letters, digits "
                "and _ in NAME."
            ),
        ],
    ),
}

DEEP: Json = 1
for _ in range(5_000):
    DEEP = [DEEP]
WRONG_SETTINGS["nested too deeply"] = (
    {"region": DEEP, "api_key": "key-1"},
    ["Region (region): the value is nested too deeply."],
)


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_settings_that_do_not_fit(name: str) -> None:
    given, problems = WRONG_SETTINGS[name]
    with pytest.raises(SettingsError) as raised:
        connection(SETTINGS, given)
    assert [problem.rstrip(".") for problem in raised.value.problems] == [problem.rstrip(".") for problem in problems]
    assert str(raised.value).startswith("Invalid settings for Shop:\n  ")
    assert "3f9a8c" not in str(raised.value)


# --- hostile ---


def test_a_catastrophic_pattern_takes_linear_time() -> None:
    text = whole(
        "calls: { track: [{ request: save, fields: { a: { from: properties.a, must: { pattern: '^(a+)+$' } } } }] }"
    )
    assert problems_of(text) == []
    ready = connection(text)
    started = time.process_time()
    plan = ready.plan({**EVENT, "properties": {"a": "a" * 50_000 + "!"}})
    assert plan.outcome == "invalid"
    assert time.process_time() - started < 10


HOSTILE = [
    "__import__('os').system('touch pwned')",
    "'); __import__('os').system('touch pwned'); ('",
    '"""\n__import__("os").system("touch pwned")\n"""',
    "'''\nopen('pwned', 'w')\n'''",
    "{__import__('os')}",
    "{0.__class__.__mro__}",
    "%(x)s %s %d",
    "$${settings.x}",
    "\\",
    "\\'",
    "a\nb",
    "\r\n\t",
    "\x00\x1b[2J",
    "\u202eright to left",
    "\u2028line",
    "# comment",
    "None",
    "def f():",
    "lambda: 1",
    "👩‍👩‍👧 🛒",
    "a.b",
    'Feed "Type"',
    "two  words",
    "]]}}",
    "x" * 900,
]


def hostile_mapping(text: str) -> str:
    """Put a text everywhere in a mapping where text can stand that is not a path or a name of the language."""
    plain = text.replace("$${", "${").replace("${", "$${")  # in texts, ${ begins a path
    step: JsonObject = {
        "request": "save",
        "require": {"userId": text},
        "fields": {
            plain: {"const": text},
            "text": {"text": plain},
            "map": {"from": "event", "map": {text: 1, "Bought": text}},
            "renamed": {"from": "properties", "rename": {text: text + "!", "id": text}},
            "only": {"from": "properties", "only": [text, "id"], "prefix": plain},
            "except": {"from": "properties", "except": [text]},
            "default": {"from": "properties.missing", "default": {text: text}},
            "replaced": {"from": "event", "as": {"replace": {"find": text, "with": text}}},
            "must": {"from": "event", "must": {"not": {"const": text}}},
        },
    }
    mapping: JsonObject = {
        "mapping": 1,
        "name": "shop",
        "title": text,
        "integrations": [text],
        "about": text,
        "settings": {"x": {"title": text, "about": text, "type": "string", "choices": [text], "default": text}},
        "http": {"base_url": "https://api.shop.example"},
        "requests": {"save": {"path": {"text": "/save/${settings.x}"}, "query": {text: plain}, "about": text}},
        "responses": [{"status": 400, "then": "reject", "hint": text, "when": "body.code"}],
        "calls": {"track": [step]},
        "examples": [{"title": text, "event": {"type": "page", "userId": text, text: text}, "expect": []}],
    }
    return json.dumps(mapping, ensure_ascii=max(text) < "\U00010000")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_texts(text: str, folder: Path) -> None:
    """Through every check, the compiler and an event: they come out as they went in, and nothing has run."""
    mapping = hostile_mapping(text)
    assert [problem for problem in check(loaded(mapping)) if problem.level == "error"] == []
    problems_of(mapping)
    plan = connection(mapping).plan({**EVENT, "properties": {"id": 1, text: 2}})
    if plan.outcome == "planned":
        plain = text.replace("$${", "${")
        (request,) = plan.requests
        body = request.body
        assert isinstance(body, dict)
        assert body[plain] == text
        assert body["map"] == text
        assert body["default"] == {text: text}
    assert not (folder / "pwned").exists()


HOSTILE_PATHS = [
    "__import__('os').system('touch pwned')",
    "traits.__class__",
    "properties.`x`",
    "properties.'x'",
    "'; DROP TABLE events",
    "x" * 20_000,
    "[" * 2_000,
    "!" * 5_000 + "a",
    "a" + "." * 3,
    'properties."\\ud800"',
    "userId || " * 3_000 + "userId",
]


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=range(len(HOSTILE_PATHS)))
def test_hostile_paths_are_problems_of_a_few_lines(path: str, folder: Path) -> None:
    mapping = {"calls": {"track": [{"request": "save", "fields": {"a": path}, "when": path}]}}
    text = whole("calls: 0").replace("calls: 0", json.dumps(mapping)[1:-1].replace('"calls"', "calls", 1))
    problems = problems_of(text)
    assert all(len(str(problem)) < 700 for problem in problems)
    assert not (folder / "pwned").exists()


KEYS = [
    "a.b",
    "it's",
    'say "hi"',
    "two words",
    " outer ",
    "🛒",
    "naïve",
    "$",
    "#",
    "key: value",
    "[0]",
    "{}",
    "null",
    "1",
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_all_kinds_reach_the_body(key: str) -> None:
    mapping = {"calls": {"track": [{"request": "save", "fields": {key: f"properties.{json.dumps(key)}"}}]}}
    text = whole("calls: 0").replace(
        "calls: 0", json.dumps(mapping, ensure_ascii=False)[1:-1].replace('"calls"', "calls", 1)
    )
    assert problems_of(text) == []
    plan = connection(text).plan({**EVENT, "properties": {key: 7}})
    assert plan.requests[0].body == {key: 7}


@pytest.mark.parametrize("key", ["a\x1b[31mb", "a\u202eb", "a\nb", "a" * 900])
def test_no_key_does_anything_to_the_terminal(key: str) -> None:
    step = {"request": "save", "from": "properties", "only": [key], "rename": {key + "x": "y"}}
    mapping = json.dumps({"calls": {"track": [step]}})[1:-1].replace('"calls"', "calls", 1)
    (problem,) = problems_of(whole("calls: 0").replace("calls: 0", mapping))
    assert problem.code == "key-never-there"
    assert problem.message.isprintable()
    assert len(problem.message) < 150
