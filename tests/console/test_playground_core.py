"""What the playground's server side says of a typed mapping and events: problems, requests, and what belongs together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from engine.console.playground.choices import FIRST_STEPS, chosen_mapping, mapping_names, samples
from engine.console.playground.links import flow_end
from engine.console.playground.question import LONGEST_EVENTS, LONGEST_MAPPING, Question, QuestionError
from engine.console.playground.spans import DEEPEST, MOST_SPANS, TextSpan, Units, value_spans
from engine.console.playground.trying import try_out
from engine.errors import MappingNotFound
from engine.mapping import bundled
from engine.records import Json, JsonObject

NOW = 1_709_640_000.0
FIRST = str(chosen_mapping(FIRST_STEPS, [])["text"])
EVENT = json.dumps(
    {
        "type": "track",
        "event": "Order Completed",
        "userId": "user-1",
        "timestamp": "2024-03-05T10:15:30Z",
        "properties": {"price": "49.90", "color": "red"},
    },
    indent=2,
)


def tried(mapping: str = FIRST, events: str = EVENT, **settings: Json) -> JsonObject:
    return try_out(Question(mapping, events, settings, 0, None), [], NOW)


def cut(text: str, span: list[int] | None) -> str | None:
    """Return a piece of a text as a browser counts."""
    if span is None:
        return None
    units = text.encode("utf-16-le")
    return units[2 * span[0] : 2 * span[1]].decode("utf-16-le")


# Places in JSON.

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def at(value: object, route: tuple[str | int, ...]) -> object:
    for key in route:
        value = value[key]  # type: ignore[index]
    return value


@for_any(JSON_VALUES, st.sampled_from([None, 2]), st.booleans())
def test_every_value_is_where_it_is_said_to_be(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for route, span in value_spans(text).items():
        piece = text[span.start : span.end]
        if route and isinstance(route[-1], str):
            piece = "{" + piece + "}"
            assert json.loads(piece) == {route[-1]: at(value, route)}
        else:
            assert json.loads(piece) == at(value, route)


@for_any(st.text(max_size=40))
def test_units_are_those_of_browsers(text: str) -> None:
    end = len(text) // 2
    assert Units(text).of(TextSpan(0, end)) == [0, len(text[:end].encode("utf-16-le", "surrogatepass")) // 2]


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("[" * 20_000, 0),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, DEEPEST + 1),
        ("[" + "1," * 60_000 + "1]", MOST_SPANS),
        ('"' * 60_001, 30_000),
        ("]}:,", 0),
    ],
)
def test_places_of_what_is_too_much_or_no_json(text: str, most: int) -> None:
    assert len(value_spans(text)) <= most


@pytest.mark.parametrize(
    ("line", "begins", "found"),
    [
        ("  a: { from: b, as: c }", "a", "a: { from: b, as: c }"),
        ("  a: { from: b, as: c }", "from", "from: b"),
        ("  a: [x, { y: z }]", "y", "y: z "),
        ("  a: one, two", "a", "a: one, two"),
    ],
)
def test_what_is_lit_in_a_line(line: str, begins: str, found: str) -> None:
    start = line.index(begins)
    assert line[start : flow_end(line, start)] == found


# What belongs together.


def links_of(answer: JsonObject, mapping: str, events: str) -> list[tuple[object, ...]]:
    """Return the links as texts: of the request, the mapping, the event, and the sentence."""
    texts = [each["text"] for each in answer["plan"]["requests"]]  # type: ignore[index, call-overload, union-attr]
    return [
        (
            cut(texts[each["request"]], each["output"]) if each["output"] else None,  # type: ignore[index, call-overload]
            " + ".join(str(cut(mapping, span)) for span in each["mapping"]) or None,  # type: ignore[index, call-overload, union-attr]
            [cut(events, span) for span in each["event"]],  # type: ignore[index, call-overload, union-attr]
            each["text"],  # type: ignore[index, call-overload]
        )
        for each in answer["links"]  # type: ignore[union-attr]
    ]


def test_the_first_steps_from_end_to_end() -> None:
    answer = tried()
    assert (answer["name"], answer["problems"], answer["event_problems"]) == ("first_steps", [], [])
    assert answer["plan"] == {
        "outcome": "planned",
        "reason": "1 request",
        "reports": [],
        "reports_left_out": 0,
        "requests": [
            {
                "title": "add_event",
                "text": """\
POST https://api.vendor.example/events
Content-Type: application/json
Authorization: Bearer ***

{
  "person": "user-1",
  "name": "order_completed",
  "time": 1709633730,
  "price": 49.9,
  "currency": "USD"
}""",
                "curl": answer["plan"]["requests"][0]["curl"],  # type: ignore[index, call-overload]
            }
        ],
    }
    curl = str(answer["plan"]["requests"][0]["curl"])  # type: ignore[index, call-overload]
    assert curl.startswith("curl -X POST https://api.vendor.example/events -H 'Content-Type: application/json'")
    assert "example-key" not in json.dumps(answer["plan"])
    assert links_of(answer, FIRST, EVENT) == [
        (
            '"person": "user-1"',
            "person: { from: userId, required: true }",
            ['"userId": "user-1"'],
            "person ← userId · first_steps.yaml:34",
        ),
        (
            '"name": "order_completed"',
            "name: { from: event, as: snake_case }",
            ['"event": "Order Completed"'],
            "name ← event through snake_case · first_steps.yaml:35",
        ),
        (
            '"time": 1709633730',
            "time: { from: timestamp, as: unix }",
            ['"timestamp": "2024-03-05T10:15:30Z"'],
            "time ← timestamp through unix · first_steps.yaml:36",
        ),
        (
            '"price": 49.9',
            "price: { from: properties.price, as: number }",
            ['"price": "49.90"'],
            "price ← properties.price through number · first_steps.yaml:37",
        ),
        (
            '"currency": "USD"',
            "currency: { from: properties.currency, default: USD }",
            [],
            "currency ← its default in the mapping; before it: properties.currency (not there) · first_steps.yaml:38",
        ),
        (
            None,
            "coupon: properties.coupon",
            [],
            "coupon is not sent: properties.coupon (not there) · first_steps.yaml:39",
        ),
        (None, None, ['"color": "red"'], "properties.color reaches no request"),
    ]


def test_places_are_counted_as_browsers_do() -> None:
    events = EVENT.replace("red", "😀😀").replace("user-1", "😀")
    found = links_of(tried(FIRST.replace("# A", "# 😀 A"), events), FIRST.replace("# A", "# 😀 A"), events)
    assert found[0][:3] == ('"person": "😀"', "person: { from: userId, required: true }", ['"userId": "😀"'])
    assert found[-1][2] == ['"color": "😀😀"']


def test_a_field_in_a_batch_and_a_rule_in_shared_parts() -> None:
    chosen = chosen_mapping("exponea", [])
    mapping, events = str(chosen["text"]), str(chosen["examples"][0]["events"])  # type: ignore[index, call-overload]
    found = links_of(tried(mapping, events), mapping, events)
    assert found[0][:3] == (
        '"registered": "userId123"',
        "${settings.hard_id}: userId",
        ['"userId": "userId123"'],
    )
    assert found[2] == (
        '"timestamp": 1709633730.25',
        "timestamp: parts.time + from: timestamp",
        ['"timestamp": "2024-03-05T10:15:30.250Z"'],
        "timestamp ← timestamp through unix · exponea.yaml:212, exponea.yaml:161",
    )
    extole = chosen_mapping("extole", [])
    events = str(extole["examples"][1]["events"])  # type: ignore[index, call-overload]
    shared = [each for each in links_of(tried(str(extole["text"]), events), str(extole["text"]), events) if not each[1]]
    assert any(str(each[3]).endswith("· parts/segment.yaml:43") for each in shared)


def test_one_of_several_events() -> None:
    events = str(samples()[-1]["events"])
    answer = try_out(Question(FIRST, events, {}, 2, None), [], NOW)
    assert [(each["title"], each["outcome"], each["line"]) for each in answer["events"]] == [  # type: ignore[index, call-overload, union-attr]
        ("identify", "planned", 1),
        ("track Signed Up", "planned", 2),
        ("track Plan Changed", "invalid", 3),
    ]
    assert answer["plan"]["reason"] == "neither userId nor anonymousId (no_user_anon_id)"  # type: ignore[index, call-overload]
    assert answer["chosen"] == 2


@pytest.mark.parametrize("name", [each["name"] for each in mapping_names([])])
def test_every_mapping_that_can_be_chosen(name: str) -> None:
    chosen = chosen_mapping(name, [])
    examples = [str(each["events"]) for each in chosen["examples"]]  # type: ignore[index, call-overload, union-attr]
    events = [*examples, str(samples()[0]["events"])][0]
    answer = tried(str(chosen["text"]), events)
    assert (answer["problems"], answer["event_problems"], answer["settings_problems"]) == ([], [], [])
    assert answer["plan"] is not None
    links_of(answer, str(chosen["text"]), events)


# Problems.


def test_a_problem_with_its_place_and_its_fix() -> None:
    mapping = FIRST.replace("as: lowercase", "as: lower")
    [problem] = tried(mapping)["problems"]  # type: ignore[misc]
    assert cut(mapping, problem["range"]) == "lower"  # type: ignore[index, call-overload, arg-type]
    assert problem == {
        "file": "first_steps.yaml",
        "line": 28,
        "column": 42,
        "path": "calls.identify[0].fields.email.as",
        "code": "unknown-function",
        "message": 'Unknown function "lower".',
        "advice": 'Did you mean "lowercase"?',
        "level": "error",
        "range": problem["range"],  # type: ignore[index, call-overload]
        "fix": {"title": "Replace lower with lowercase", "range": problem["range"], "text": "lowercase"},  # type: ignore[index, call-overload]
    }


def test_problems_of_events() -> None:
    [problem] = tried(events='{"type": "track",\n "event": nan}')["event_problems"]  # type: ignore[misc]
    assert problem["message"] == "not JSON: invalid literal, expected 'null'"  # type: ignore[index, call-overload]
    assert (problem["line"], problem["column"], problem["range"]) == (2, 11, [28, 29])  # type: ignore[index, call-overload]
    [empty] = tried(events=" ")["event_problems"]  # type: ignore[misc]
    assert empty["message"] == "There is no event. Paste one, as JSON, or choose a sample."  # type: ignore[index, call-overload]
    [many] = tried(events='{"type":"track"}\n' * 21)["event_problems"]  # type: ignore[misc]
    assert many["message"] == (  # type: ignore[index, call-overload]
        "The playground takes 20 events; the others are left out. `engine run` takes any number."
    )


def test_reports_are_shown() -> None:
    plan = tried(events=EVENT.replace("49.90", "about 50"))["plan"]
    assert [(each["code"], each["message"]) for each in plan["reports"]] == [  # type: ignore[index, call-overload, union-attr]
        ("not-converted", '"about 50" was left out: not a number'),
    ]


# Settings: given, secret, never from the environment.


def test_a_secret_that_is_given_is_masked_everywhere() -> None:
    answer = tried(events=EVENT.replace("red", "hidden-key-1"), api_key="hidden-key-1")
    assert "Authorization: Bearer ***" in str(answer["plan"])
    assert "hidden-key-1" not in json.dumps(answer)


def test_no_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_OF_SECRETS", "real-secret")
    mapping = FIRST.replace("secret: true\n    ", "").replace("    secret: true\n", "")
    answer = tried(mapping, api_key="${env:HOME_OF_SECRETS}")
    assert "real-secret" not in json.dumps(answer)
    assert "Authorization: Bearer <env:HOME_OF_SECRETS>" in str(answer["plan"])


def test_settings_that_do_not_fit() -> None:
    chosen = chosen_mapping("extole", [])
    answer = tried(str(chosen["text"]), EVENT, api_version="v9")
    assert answer["plan"] is None
    assert answer["settings_problems"] == ['API version (api_version): "v9" is not one of "v6", "v5"']


# Files: only those of the directories, by name.


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "secret", "parts/secret"])
def test_no_other_file_is_read(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here/parts").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "here"):
        (folder / "secret.yaml").write_text("parts: { password: { const: found-it } }")
    monkeypatch.chdir(tmp_path / "here")
    for word in ("extends", "include"):
        given = f"{word}: {name}" if word == "extends" else f"{word}: [{name}]"
        answer = try_out(Question(f"{given}\n{FIRST}", EVENT, {}, 0, tmp_path), [tmp_path / "here/own"], NOW)
        assert "found-it" not in json.dumps(answer)
        assert answer["problems"] != []


def test_what_is_beside_an_own_mapping_is_found(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/ours.yaml").write_text("parts:\n  team: { const: growth }\n")
    (tmp_path / "mine.yaml").write_text(FIRST.replace("first_steps", "mine"))
    assert {"name": "mine", "group": "own"} in mapping_names([tmp_path])
    chosen = chosen_mapping("mine", [tmp_path])
    assert chosen["home"] == str(tmp_path)
    text = str(chosen["text"]).replace("coupon: properties.coupon", "team: parts.team")
    text = text.replace("mapping: 1", "mapping: 1\ninclude: [ours]")
    answer = try_out(Question(text, EVENT, {}, 0, tmp_path), [tmp_path, bundled("mappings")], NOW)
    assert answer["problems"] == []
    assert '"team": "growth"' in str(answer["plan"])
    assert (tmp_path / "mine.yaml").read_text() == FIRST.replace("first_steps", "mine")


def test_what_only_looks_like_a_mapping_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "nowhere.yaml").symlink_to(tmp_path / "gone")
    (tmp_path / "latin.yaml").write_bytes(b"mapping: 1\nname: latin\ntitle: \xe9\n")
    assert [each["name"] for each in mapping_names([tmp_path]) if each["group"] == "own"] == ["latin"]
    chosen = chosen_mapping("latin", [tmp_path])
    assert (str(chosen["text"])[-3:], chosen["examples"]) == (" \ufffd\n", [])
    for name in ("folder", "nowhere"):
        with pytest.raises(MappingNotFound):
            chosen_mapping(name, [tmp_path])


# Hostile input: each answers within its bounds, with a message.

FIELDS = """\
mapping: 1
name: hostile
title: Hostile
http: { base_url: "https://vendor.example" }
requests: { send: { method: POST, path: /x } }
calls:
  track:
    - request: send
      fields:
"""
MANY_KEYS = json.dumps(
    {"type": "track", "event": "x", "userId": "u", "properties": {f"k{number}": 1 for number in range(400)}}
)

HOSTILE_MAPPINGS = {
    "bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "Anchors are not allowed (&a)."),
    "long line": (f'x: "{"a" * 200_000}"', 'A mapping file has no key "x".'),
    "brackets": ("{" * 200_000, "Lists and mappings are nested deeper than 64 here."),
    "values": (
        FIELDS + "".join(f"        f{number}: properties.a{number}\n" for number in range(7000)),
        "This mapping has 7,862 values; at most 5,000 are checked.",
    ),
    "nothing": ("", "The file is empty."),
    "half a character": (FIELDS + '        a: { const: "\\ud800" }\n', ""),
    "NUL": ("a: \0", ""),
}


@pytest.mark.parametrize("name", HOSTILE_MAPPINGS)
def test_hostile_mappings(name: str) -> None:
    mapping, expected = HOSTILE_MAPPINGS[name]
    answer = tried(mapping)
    assert answer["plan"] is None
    messages = [str(each["message"]) for each in answer["problems"]]  # type: ignore[index, call-overload, union-attr]
    assert any(each.startswith(expected) for each in messages), messages


HOSTILE_EVENTS = {
    "script": (
        '{"type":"track","event":"</script><script>alert(1)</script>","userId":"u","properties":{"a":"<img src=x>"}}',
        "planned",
    ),
    "bidi": ('{"type":"track","event":"x","userId":"u","properties":{"a":"\u202eevil\u2066\\u0007"}}', "planned"),
    "keys": (MANY_KEYS, "planned"),
    "deep object": (
        '{"type":"track","event":"x","userId":"u","properties":' + '{"a":' * 500 + "1" + "}" * 501,
        "invalid",
    ),
    "deep list": ('{"type":"track","properties":' + "[" * 20_000 + "]" * 20_000 + "}", None),
    "half a character": ('{"type":"track","event":"\ud800","userId":"u"}', "planned"),
    "not an object": ("[1, 2]", "invalid"),
    "huge number": ('{"type":"track","event":"x","userId":"u","properties":{"a":1e400}}', "planned"),
}


@pytest.mark.parametrize("name", HOSTILE_EVENTS)
def test_hostile_events(name: str) -> None:
    events, outcome = HOSTILE_EVENTS[name]
    answer = tried(FIELDS + "        a: properties.a\n        all: properties\n        event: event\n", events)
    plan = answer["plan"]
    assert (plan["outcome"] if plan else None) == outcome  # type: ignore[index, call-overload]
    assert plan or answer["event_problems"]
    shown = json.dumps({**answer, "links": []}, ensure_ascii=False)
    assert not set(shown) & set("\u202e\u2066\u0007")


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ([], "The question must be a JSON object with the mapping and the event."),
        ({"events": ""}, "The question has no text `mapping`."),
        ({"mapping": "", "events": 1}, "The question has no text `events`."),
        (
            {"mapping": "", "events": "", "chosen": "x"},
            "The question has settings, a chosen event or a home of another type.",
        ),
        (
            {"mapping": "é" * (LONGEST_MAPPING // 2 + 1), "events": ""},
            "The mapping has 262,146 bytes; the playground takes 262,144. `engine validate-mappings` checks larger ones.",
        ),
        (
            {"mapping": "", "events": "x" * (LONGEST_EVENTS + 1)},
            "The events have 65,537 bytes; the playground takes 65,536. `engine run` takes any number.",
        ),
        (
            {"mapping": "", "events": "", "settings": {"a": "x" * 70_000}},
            "The settings have more than 65,536 characters; take shorter ones.",
        ),
    ],
)
def test_questions_that_are_refused(question: Json, message: str) -> None:
    with pytest.raises(QuestionError) as caught:
        Question.of(question)
    assert str(caught.value) == message
