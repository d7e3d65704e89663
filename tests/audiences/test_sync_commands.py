"""`engine audiences`: what a person types, what it prints, and what goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path

import click
import pytest

from engine.audiences import state
from engine.commands.audiences.listing import table_lines
from engine.commands.output.text import Display
from tests.audiences.shop import Shop, order
from tests.operating import said

CONNECTIONS = "mail: { destination: extole, settings: { api_key: access-token } }\n"
TEXT = "audiences: [{ name: Buyers, connections: [mail], did: Order Completed, within: 30d }]\n"
AT = "--at 2026-11-29T13:00:00Z"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    with closing(Shop(tmp_path, TEXT)) as made, chdir(tmp_path):
        yield made


def run(command: str, code: int = 0) -> str:
    found, text = said(*command.split())
    assert found == code, text
    return text


def test_json_of_all(shop: Shop) -> None:
    shop.happened(order("ada"))
    shown = json.loads(run(f"audiences sync --dry-run --json {AT}"))
    done = json.loads(run(f"audiences sync --json {AT}"))
    assert [each["userId"] for each in shown[0]["events"]] == ["ada"]
    assert (done[0]["state"], done[0]["entered"], done[0]["connections"]) == ("done", 1, ["mail"])
    assert shop.fed() == shown[0]["events"]
    [listed] = json.loads(run("audiences list --json"))
    assert (listed["key"], listed["size"], listed["every"], listed["last_run"]["number"]) == ("buyers", 1, None, 1)
    overview = json.loads(run("audiences show Buyers --json"))
    assert (overview["sample"], len(overview["runs"])) == ([{"userId": "ada", "value": True}], 1)
    why = json.loads(run(f"audiences show buyers --user ada --json {AT}"))
    assert (why["in"], why["sent"], why["changes_at"]) == (True, True, "2026-12-29T12:00:00.000Z")


def test_what_goes_wrong(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("audiences sync buyer", 2) == 'audiences.yaml has no definition "buyer". Did you mean Buyers?\n'
    assert run("audiences sync --archive nowhere", 2) == (
        "There is no archive nowhere; name one with --archive, or make one: engine serve --archive.\n"
    )
    assert run("audiences sync buyers --exit-all", 2) == (
        "Buyers is still in audiences.yaml. Remove it there first: otherwise its members enter again with the next sync.\n"
    )
    assert run("audiences sync --exit-all", 2) == (
        "Name the audiences that should be left by all: engine audiences sync NAME --exit-all.\n"
    )
    assert run("audiences sync --connections none.yaml", 2) == (
        "There is no connections file none.yaml; name one with --connections.\n"
    )
    shop.happened(order("ada"))
    assert run("audiences show buyers --user \x1b[2J", 1) == (
        'The archive has no user with the ID or email "\\u001b[2J".\n'
    )
    monkeypatch.setattr(state, "SYNC_PATIENCE", 0.2)
    with shop.state.lock():
        assert run("audiences sync", 4) == (
            "Another process is syncing, such as engine serve; waiting for it, 0 seconds at most.\n"
            "Another process is syncing audiences in archive/audiences, such as engine serve. Nothing was computed or "
            "sent; try again when it is done.\n"
        )


def test_a_definition_that_is_gone(shop: Shop) -> None:
    shop.happened(order("ada"))
    run(f"audiences sync {AT}")
    shop.file.write_text("audiences: [{ name: Others, did: Something }]\n")
    assert run(f"audiences sync {AT}").partition(", took")[0] == (
        "others: 0 entered, 0 left, 0 unchanged, 0 without id"
    )
    assert [each["removed"] for each in json.loads(run("audiences list --json"))] == [False, True]
    gone = (
        'audiences.yaml no longer has "Buyers". To tell vendors that all its users left: engine audiences sync buyers '
        "--exit-all.\n"
    )
    assert (run("audiences sync buyers", 2), run("audiences show Buyers", 2)) == (gone, gone)
    assert run("audiences sync buyers --exit-all").partition(", took")[0] == (
        "buyers: 0 entered, 1 left, 0 unchanged, 0 without id"
    )
    assert [event["traits"] for event in shop.fed()] == [{"buyers": True}, {"buyers": False}]


def test_the_list_on_a_narrow_terminal_has_whole_keys() -> None:
    display = Display(sys.stdout)
    display.terminal, display.width = True, 80
    at = "2026-11-29T12:00:00.000Z"
    last = {"started_at": at, "state": "done"}
    entry = {"key": "order_completed_last_30days", "kind": "audience", "size": 16, "every": "1h", "next_run": at}
    [head, row] = table_lines(display, [{**entry, "connections": ["shop", "mail"], "last_run": last}])
    assert row == "order_completed_last_30days     16  1h     11-29 12:00  11-29 12:00  done"
    assert click.unstyle(head) == "key                          users  every  next (UTC)   last (UTC)   ended"
