"""What holds for every JSON value, tested with generated ones."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import normalizing, timestamps
from engine.events.draft import Draft
from engine.events.integrations import lowercase, says_nothing, switch
from engine.events.json_values import json_problem, nesting_problem, size_problem
from engine.events.normalizing import normalize, normalize_json, repair
from engine.events.spec import FIELDS
from engine.language import times
from engine.language.times import read_time
from tests.events.strategies import EVENTS, JSON, KEYS, OBJECTS, TIMES


@given(JSON | EVENTS)
def test_every_json_value_is_valid_or_has_a_reason(value):
    event, call, reports, invalid, _ = normalize(value)

    assert isinstance(event, dict)
    assert (invalid is None) <= (call in FIELDS)
    assert invalid is None or invalid.strip() == invalid != ""
    assert all(report.code and report.place and report.message for report in reports)
    assert normalize_json(orjson.dumps(value))[:4] == (event, call, reports, invalid)


@given(EVENTS)
def test_what_is_valid_has_fields_of_the_right_kind(value):
    event, call, _, invalid, _ = normalize(value)
    if invalid is not None:
        return

    for name in FIELDS[call]:
        field = event.get(name)
        if name in ("context", "integrations", "properties", "traits"):
            assert type(field) is dict or name not in event
        elif name in ("userId", "anonymousId", "groupId", "previousId", "name", "category", "timestamp"):
            assert field is None or type(field) is str
    assert call in ("alias", "delete") or event.get("userId") or event.get("anonymousId")


@given(EVENTS)
def test_normalizing_again_changes_nothing_and_has_nothing_to_say(value):
    once = normalize(value)
    if once.invalid is not None:
        return
    again = normalize(once.event)

    assert again.event == once.event
    if once.event.get("timestamp") is not None:
        assert again.reports == ()
    else:  # what was missing is still missing
        assert {report.code for report in again.reports} <= {
            "no-timestamp",
            "timestamp-unreadable",
            "timestamp-implausible",
        }


@given(EVENTS, st.none() | TIMES.filter(lambda time: isinstance(time, str)), st.none() | st.floats(0, 2e9))
def test_the_quick_look_lets_pass_only_what_the_rules_leave_alone(value, received_at, now):
    repaired = repair(Draft(value, received_at, now))
    if normalizing.is_clean(value, b"", received_at, now):
        assert repaired == (value, value["type"], (), None)
    if timestamps.is_clean_time(value.get("timestamp"), value.get("receivedAt"), received_at, now):
        assert repair(Draft(value, received_at, now), has_clean_time=True) == repaired


@given(EVENTS, st.none() | st.floats(0, 2e9))
def test_no_timestamp_is_before_1971_or_long_after_the_receipt(value, now):
    event, _, _, invalid, _ = normalize(value, now=now)
    seconds = read_time(event.get("timestamp"))
    if invalid is not None or seconds is None:
        return

    received = read_time(event.get("receivedAt"))
    has_receipt = received is not None and received >= timestamps.EARLIEST
    clock = received if has_receipt else now
    assert seconds >= timestamps.EARLIEST
    assert clock is None or seconds <= clock + timestamps.MOST_AHEAD


@given(EVENTS, EVENTS)
def test_fields_that_are_not_the_call_s_own_are_left_as_they_came(value, more):
    event, call, _, invalid, _ = normalize(more | value)
    if invalid is None:
        others = {name: field for name, field in (more | value).items() if name not in FIELDS[call]}
        assert {name: event[name] for name in others} == others


ODD_TIMES = st.from_regex(
    r"\A(000[12]|2024|999[89])-(02|13)-(29|30)[T ](23|24):(00|59):(29|60)([.,]\d{2,4})?([+-](02|24):?(00|60)|Z)?\Z"
)


@given(ODD_TIMES)
def test_common_times_are_read_as_the_pattern_reads_them(text):
    common = times._common_moment(text)

    assert common is None or (common, common.tzinfo) == (again := times._moment(text), again and again.tzinfo)


@given(OBJECTS)
def test_json_is_json(value):
    assert json_problem(value) is None
    assert size_problem(value) is None


@given(OBJECTS, st.lists(KEYS, max_size=3))
def test_integrations_that_say_nothing_leave_every_spelling_of_a_name_out(integrations, names):
    others = {key: value for key, value in integrations.items() if key != "All"}
    spelled = {name.lower() for name in (*names, "All")}

    assert says_nothing(integrations, lowercase(names)) == (
        integrations.get("All", True) is True and spelled.isdisjoint(map(str.lower, others))
    )


@given(OBJECTS, st.lists(KEYS, max_size=3))
def test_a_destination_is_on_with_options_or_off_with_a_reason(integrations, names):
    on, options, reason, reports = switch(integrations, names)

    assert on == (reason is None)
    assert options == {} or any(options is value for value in integrations.values())
    assert {report.code for report in reports} <= {"integration-unknown-value", "integration-spelling"}


MARKS = st.text(st.sampled_from('[]{}"\\,a'), max_size=6)


def nested(value, levels):
    """`value` inside of as many objects and lists as there are levels, each with texts beside it."""
    for is_list, before, after in levels:
        value = [before, value, after] if is_list else {before: after, "a": value, after: before}
    return {"a": value}


@given(st.lists(st.tuples(st.booleans(), MARKS, MARKS), max_size=8), st.integers(1, 30), st.booleans())
def test_brackets_tell_what_a_walk_would(levels, times, is_pretty):
    value = nested(1, levels * times)
    raw = orjson.dumps(value, option=orjson.OPT_INDENT_2 if is_pretty else 0) if len(levels) * times < 250 else b""

    assert not raw or nesting_problem(value, raw) == size_problem(value)


CROSSED = [
    '["]",' * 150 + "1" + ',"["]' * 150,  # text closes each level, and opens it again
    '["\\"]",' * 150 + "1" + ',"[\\""]' * 150,
    '["\\\\",' * 150 + "1" + ',"\\\\"]' * 150,
    '["\\\\\\"]\\"",' * 150 + "1" + ',"\\"["]' * 150,
    '{"}":[' * 75 + "1" + ',"]{"]}' * 75,
    "[" * 99 + "]" * 99,
    "[" * 98 + "]" * 98,
    "[" + "[]," * 99_998 + "1]",
    '"' + '[{\\"' * 500 + '"',
]


@pytest.mark.parametrize("text", CROSSED, ids=len)
def test_brackets_in_texts_open_and_close_nothing(text):
    raw = f'{{"a":{text}}}'.encode()
    value = orjson.loads(raw)

    assert nesting_problem(value, raw) == size_problem(value)
