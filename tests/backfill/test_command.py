"""`engine backfill` without Spark: what it refuses, and how it goes on with shards that are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path

import pytest

from engine.backfill.cluster import _explained
from engine.backfill.counts import ConnectionCounts, Counts
from engine.backfill.shards import found_shards
from engine.backfill.work import FeedPosition, InputFile, WorkFolder, WorkPlan
from engine.collector import sources
from engine.collector.sources import EventSource
from engine.commands.backfill_target import backfill_target
from engine.commands.options import SettingsOptions
from engine.commands.output.backfill import plan_lines
from engine.delivery.outbox.base import Chosen
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.errors import SettingsError
from tests.backfill.shards import spread, write_shard
from tests.operating import said

CONNECTIONS = """
shop: { destination: ./shop.yaml }
crm: { destination: ./shop.yaml, enabled: false }
sources:
  web: { write_keys: [k1], connections: [shop, crm] }
  off: { write_keys: [k2], enabled: false }
"""
MAPPING = """
mapping: 1
name: shop
title: Shop
http: { base_url: "https://shop.test", rate_limit: 100/m }
requests:
  event: { path: /events }
calls:
  track:
    - { request: event, fields: { name: event } }
"""
NEW_MAPPING = (
    "The mapping of {names} changed since this backfill was planned. See what it makes of the events now with "
    "--dry-run; then add --yes to go on with it, or put the old one back."
)
RUN = ("backfill", "--from", "history.ndjson", "--source", "web", "--work", "work")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("WAYBILL_OUTBOX", raising=False)
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    (tmp_path / "shop.yaml").write_text(MAPPING)
    (tmp_path / "history.ndjson").write_text('{"type":"track"}\n')
    with chdir(tmp_path):
        yield tmp_path


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("--rate", "5"), '--rate: "5" is not a rate limit; write e.g. 100/s, 100/m or 100/h.'),
        (("--since", "2025-02-01", "--until", "2025-01-01"), "--since must be before --until."),
        (
            ("--since", "soon"),
            '"soon" is not a time: write how long ago (30m, 2h, 7d), a time of day (14:30), or a date such as 2026-01-31 or 2026-01-31T12:00:00Z.',
        ),
        (("shup",), "The source web has no connection shup in connections.yaml. Did you mean shop?"),
        (("crm",), "The source web has no connection crm in connections.yaml. Available: shop."),
        (("--source", "wep"), 'connections.yaml has no source "wep". Did you mean web?'),
        (
            ("--source", "off"),
            "The source off is disabled in connections.yaml (enabled: false) and accepts no events. Enable it, or name another one with --source.",
        ),
    ],
)
def test_wrong_usage(given: tuple[str, ...], text: str) -> None:
    code, out = said(*RUN, *given)
    assert (code, out.strip()) == (2, text)
    assert not Path("outbox.db").exists()
    assert not Path("work").exists()


NO_SUCH_MAPPING = (
    "Unknown mapping no_such; available: bloomreach_engagement, exponea, extole, slack, user_com, webhook\n"
    "For a connection of a connections file, add --source NAME, a source of that file."
)
WRONG_FORMS = [
    ((), "Name at least one mapping, or a source of a connections file with --source."),
    (("no_such",), NO_SUCH_MAPPING),
    (
        ("--connections", "connections.yaml"),
        "--connections needs --source NAME: a source of connections.yaml, which the events then are of.",
    ),
    *(
        (
            ("shop", "--source", "web", *given),
            "--source and --connections cannot be combined with settings: connections.yaml has those of its connections.",
        )
        for given in (("--set", "a=b"), ("--example-settings",), ("--settings", "settings.yaml"))
    ),
    (("./shop.yaml", "--set", "key=1"), '--set: there is no setting "key". Available: none.'),
    (
        ("--source", "web", "--connections", "none.yaml"),
        f"none.yaml:1:1\n  {'The file does not exist.':<63} [file-missing]",
    ),
]


@pytest.mark.parametrize(("given", "text"), WRONG_FORMS)
def test_a_mapping_or_a_source(given: tuple[str, ...], text: str) -> None:
    code, out = said("backfill", *given, "--from", "history.ndjson")
    assert (code, out.strip()) == (2, text)


def test_a_mapping_with_its_settings() -> None:
    """The form without a connections file: the connection has the mapping's name, the source is `backfill`."""
    Path("settings.yaml").write_text("keyed: { key: '${env:SHOP_KEY}' }\n")
    Path("keyed.yaml").write_text(
        MAPPING.replace("name: shop", "name: keyed").replace(
            "requests:", "settings:\n  key: { title: Key, type: string, secret: true, example: k }\nrequests:"
        )
    )
    given = SettingsOptions((), Path("settings.yaml"), (), examples=False)
    with pytest.raises(SettingsError, match="the environment variable SHOP_KEY is not set"):
        backfill_target(["./keyed.yaml"], None, None, given)
    for target in (
        backfill_target(["./keyed.yaml"], None, None, SettingsOptions(examples=True)),
        backfill_target(["./keyed.yaml"], None, None, SettingsOptions(assignments=("key=k",), examples=True)),
    ):
        assert target.source == EventSource("backfill", (), ("keyed",))
        assert [each.name for each in target.connections] == ["keyed"]
        assert target.settings == {"keyed": {"key": "k"}}
        assert target.archived_source is None, "an archive is read whole"


@pytest.mark.parametrize("option", ["--to", "--outbox"])
def test_a_mapping_goes_on_where_it_ended(option: str) -> None:
    planned(20, source="backfill")
    run = ("backfill", "./shop.yaml", "--from", "history.ndjson", option, "outbox.db", "--work", "work")
    assert said(*run) == (0, "Continuing work: 0 of 20 events were fed.\n20 new.\n")
    with closing(SqliteOutbox(Path("outbox.db"))) as outbox:
        assert {each.source for each in outbox.listed(Chosen(), 0, 100)} == {"backfill"}


def planned(events: int = 300, source: str = "web") -> WorkPlan:
    for number, rows in enumerate(spread(events, 3)):
        write_shard(Path("work"), number, rows)
    status = Path("history.ndjson").stat()
    arguments = {
        "from": ["history.ndjson"],
        "source": source,
        "connections": ["shop"],
        "outbox": str(Path("outbox.db").absolute()),
        "since": None,
        "until": None,
    }
    (shop,) = sources.load(Path("connections.yaml"), {}).file.connections
    files = [InputFile(str(Path("history.ndjson").absolute()), status.st_size, status.st_mtime)]
    plan = WorkPlan(arguments, files, {"shop": shop.digest()}, found_shards(Path("work")), Counts().as_json())
    WorkFolder(Path("work")).write_plan(plan)
    return plan


def test_it_goes_on_where_it_ended() -> None:
    planned()
    assert said(*RUN) == (0, "Continuing work: 0 of 300 events were fed.\n300 new.\n")
    assert said(*RUN) == (0, "Continuing work: 300 of 300 events were fed.\n300 new.\n")
    WorkFolder(Path("work")).write_position(FeedPosition((0, 0, 0)))
    assert said(*RUN) == (0, "Continuing work: 0 of 300 events were fed.\n300 new.\n")
    with closing(SqliteOutbox(Path("outbox.db"))) as outbox:
        assert outbox.counts() == {("shop", "waiting"): 300}, "what was there was looked up"


def test_another_mapping_is_refused_until_someone_says_yes() -> None:
    planned(10)
    Path("shop.yaml").write_text(MAPPING.replace("/events", "/v2/events"))
    assert said(*RUN) == (
        2,
        f"{NEW_MAPPING.format(names='shop')}\n",
    )
    assert said(*RUN, "--yes") == (0, "Continuing work: 0 of 10 events were fed.\n10 new.\n")


def test_changed_input_and_other_arguments_are_refused() -> None:
    planned(10)
    code, out = said(*RUN, "--since", "2024-01-01")
    assert code == 1
    assert out.startswith("work belongs to a backfill with another since: none, not 2024-01-01. ")
    with Path("history.ndjson").open("a") as file:
        file.write("{}\n")
    code, out = said(*RUN)
    assert code == 1
    assert f"{Path('history.ndjson').absolute()}: 17 bytes then, 20 bytes now" in out


def test_input_that_is_broken_is_said_before_spark_starts(folder: Path) -> None:
    Path("history.ndjson").write_text("id,name\n")
    code, out = said(*RUN, "--dry-run")
    assert code == 2
    assert out.strip().splitlines()[-1] in (
        f"{folder}/history.ndjson begins with neither {{ nor [: a backfill reads Parquet, and JSON or NDJSON, also gzipped.",
        "A backfill needs packages that are not installed (pyspark): pip install 'waybill[spark]'.",
    )


def test_the_plan_as_people_read_it() -> None:
    counts = Counts(
        events=1_000_000, size=250_000_000, first=1704067200.0, last=1711929600.5, users=51_000, duplicates=1, outside=2
    )
    counts.of_others = 7
    counts.zoneless, counts.timeless = 3, 1
    counts.unusable_row("a\x1b.ndjson:3", "not JSON: \x07", "not readable as JSON")
    counts.connections = {"shop": ConnectionCounts(requests=1_000_000)}
    counts.connections["shop"].outcomes.update({"planned": 999_990, "invalid": 10})
    counts.connections["shop"].reasons.update({"invalid: \x1b[2J": 10})
    connections = sources.load(Path("connections.yaml"), {}).file.connections
    assert list(plan_lines(counts, 4, connections, "500/s")) == [
        "1,000,000 events of about 51,000 users in 4 files (250.0 MB), from 2024-01-01T00:00:00Z to 2024-04-01T00:00:00.500Z",
        "  2 events outside of --since and --until: left out",
        "  7 events of other sources of the archive: left out",
        "  1 duplicate (same messageId, same user): left out, the first one counts",
        "  1 event without a time: fed last, received when they are fed",
        "  3 times without a zone: read as UTC",
        "  1 row that cannot be used: left out (1 not readable as JSON)",
        "    a\\u001b.ndjson:3: not JSON: \\u0007",
        "shop: 999,990 planned, 10 invalid; 1,000,000 requests",
        "  6d 22h at its rate limit, 100/m",
        "  10 invalid: \\u001b[2J",
        "Feeding them takes 33m 20s at --rate 500/s.",
    ]
    assert json.loads(json.dumps(counts.as_json()))["events"] == 1_000_000


SPARK_SAYS = [
    (
        'x\nTraceback:\n  File "a"\nengine.errors.UsageError: shop: no key\nThis is the executor h.\n\nat org.spark',
        "shop: no key\nThis is the executor h.",
    ),
    (
        "[FAILED_READ_FILE] file:///in/a%20b.gz. \nCaused by: java.io.EOFException: Unexpected end of input stream",
        "/in/a b.gz: its compressed data ends early: copy or compress the file again. Nothing was queued.",
    ),
    (
        "java.io.IOException: No space left on device",
        "no space is left on the disk: free some and run the same command again. Nothing was queued.",
    ),
    ("Job aborted.\nTraceback\nTypeError: odd", "Spark failed: TypeError: odd\nNothing was queued."),
    ("", "Spark failed: no reason given\nNothing was queued."),
]


@pytest.mark.parametrize(("error", "text"), SPARK_SAYS)
def test_errors_of_spark(error: str, text: str) -> None:
    assert _explained(error) == text
