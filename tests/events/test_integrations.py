"""An event's `integrations`, read for one destination."""

from __future__ import annotations

import pytest

from engine.events.integrations import switch
from engine.records import Report

NAMES = ("Exponea", "Bloomreach Engagement")


def unknown(place, text):
    return Report("integration-unknown-value", place, f"{place} must be {text}")


def spelled(place, name):
    return Report("integration-spelling", place, f'{place} was read as "{name}"')


OF_A_NAME = "true, false or an object of options; it is"
BLOOMREACH = 'integrations["Bloomreach Engagement"]'

SWITCHES = [
    # integrations, on, options, reason, reports
    ({}, True, {}, None, []),
    ({"All": True}, True, {}, None, []),
    ({"All": True, "Extole": False}, True, {}, None, []),
    ({"Extole": False}, True, {}, None, []),
    ({"All": False}, False, {}, 'switched off by integrations: {"All": false}', []),
    ({"All": False, "Extole": True}, False, {}, 'switched off by integrations: {"All": false}', []),
    ({"All": False, "Exponea": True}, True, {}, None, []),
    ({"All": False, "Exponea": {}}, True, {}, None, []),
    ({"Exponea": {"hardID": "x"}}, True, {"hardID": "x"}, None, []),
    ({"Exponea": False}, False, {}, 'switched off by integrations: {"Exponea": false}', []),
    ({"All": True, "Exponea": False}, False, {}, 'switched off by integrations: {"Exponea": false}', []),
    # several names: the first of the mapping's list that says something
    ({"Bloomreach Engagement": False, "Exponea": True}, True, {}, None, []),
    (
        {"Exponea": False, "Bloomreach Engagement": {"softID": "y"}},
        False,
        {},
        'switched off by integrations: {"Exponea": false}',
        [],
    ),
    ({"All": False, "Bloomreach Engagement": {"softID": "y"}}, True, {"softID": "y"}, None, []),
    # names in another case
    (
        {"exponea": False},
        False,
        {},
        'switched off by integrations: {"exponea": false}',
        [spelled("integrations.exponea", "Exponea")],
    ),
    (
        {"bloomreach engagement": {"softID": "y"}, "all": False},
        True,
        {"softID": "y"},
        None,
        [spelled('integrations["bloomreach engagement"]', "Bloomreach Engagement")],
    ),
    ({"all": False}, False, {}, 'switched off by integrations: {"all": false}', [spelled("integrations.all", "All")]),
    ({"all": False, "Exponea": True}, True, {}, None, []),
    ({"ALL": True}, True, {}, None, [spelled("integrations.ALL", "All")]),
    ({"all": True, "Extole": False}, True, {}, None, [spelled("integrations.all", "All")]),
    # spellings that disagree
    (
        {"All": True, "all": False},
        False,
        {},
        'switched off by integrations: {"all": false}',
        [spelled("integrations.all", "All")],
    ),
    (
        {"EXPONEA": False, "Exponea": {"hardID": "x"}},
        False,
        {},
        'switched off by integrations: {"EXPONEA": false}',
        [spelled("integrations.EXPONEA", "Exponea")],
    ),
    (
        {"exponea": {"hardID": "y"}, "Exponea": {"hardID": "x"}},
        True,
        {"hardID": "x"},
        None,
        [spelled("integrations.exponea", "Exponea")],
    ),
    (
        {"exponea": {"hardID": "y"}, "Exponea": "yes"},
        True,
        {"hardID": "y"},
        None,
        [spelled("integrations.exponea", "Exponea")],
    ),
    # anything else counts as not there
    (
        {"Exponea": "no", "Bloomreach Engagement": False},
        False,
        {},
        'switched off by integrations: {"Bloomreach Engagement": false}',
        [unknown("integrations.Exponea", f"{OF_A_NAME} text and was ignored")],
    ),
    (
        {"All": False, "Exponea": 1},
        False,
        {},
        'switched off by integrations: {"All": false}',
        [unknown("integrations.Exponea", f"{OF_A_NAME} a number and was ignored")],
    ),
    (
        {"Exponea": None, "Bloomreach Engagement": []},
        True,
        {},
        None,
        [
            unknown("integrations.Exponea", f"{OF_A_NAME} null and was ignored"),
            unknown(BLOOMREACH, f"{OF_A_NAME} a list and was ignored"),
        ],
    ),
    (
        {"Exponea": 0, "Bloomreach Engagement": {"softID": "y"}},
        True,
        {"softID": "y"},
        None,
        [unknown("integrations.Exponea", f"{OF_A_NAME} a number and was ignored")],
    ),
    (
        {"All": 1},
        True,
        {},
        None,
        [unknown("integrations.All", "true or false; it is a number and was treated as true")],
    ),
    (
        {"All": "false"},
        True,
        {},
        None,
        [unknown("integrations.All", "true or false; it is text and was treated as true")],
    ),
    (
        {"All": {}},
        True,
        {},
        None,
        [unknown("integrations.All", "true or false; it is an object and was treated as true")],
    ),
]


@pytest.mark.parametrize(("integrations", "on", "options", "reason", "reports"), SWITCHES, ids=repr)
def test_switch(integrations, on, options, reason, reports):
    assert switch(integrations, NAMES) == (on, options, reason, tuple(reports))


def test_a_destination_without_names_listens_to_all_only():
    assert switch({"All": False}, ()).on is False
    assert switch({"Exponea": False}, ()).on is True
