"""A dry run counts what `engine run` prints, of files and of an archive of the same events, for all shipped mappings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.archive.columns import row_of
from engine.backfill.cluster import HistoryFrames
from engine.backfill.counts import ConnectionCounts, Counts
from engine.backfill.history import HistoryJob
from engine.backfill.inputs import LocalFiles, find, sorted_out
from engine.collector.discards import Discard
from engine.collector.shaping import event_of_line
from engine.commands.backfill import BackfillOptions, _job
from engine.commands.backfill_target import backfill_target
from engine.commands.options import SettingsOptions
from engine.delivery.outbox.base import NewEvent
from engine.events.normalizing import normalize_json
from engine.events.reading import read_events
from engine.language.times import read_time
from tests.archive.made import filled
from tests.spark.comparing import NAMES, of_run
from tests.spark.events import TIME, events

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow


@pytest.fixture
def accepted(tmp_path: Path) -> list[NewEvent]:
    """Return events that a collector accepts, many of them odd; `history.ndjson` has them as they were sent."""
    (tmp_path / "all.ndjson").write_bytes(b"\n".join(events(600, seed=7)))
    with read_events(str(tmp_path / "all.ndjson")) as lines:
        found = [(line.raw, event_of_line(line, "web", "", TIME)) for line in lines if line.error is None]
    good = [(raw, event) for raw, event in found if not isinstance(event, Discard)]
    (tmp_path / "history.ndjson").write_bytes(b"\n".join(raw for raw, _ in good if raw is not None))
    return [event for _, event in good]


def job_of_all() -> HistoryJob:
    now = read_time(TIME)
    assert now is not None
    options = BackfillOptions((), Path("outbox.db"), None, None, "", yes=False)
    return _job(options, backfill_target(NAMES, None, None, SettingsOptions(examples=True)), now)


def counted(spark: SparkSession, path: Path, job: HistoryJob, source: str | None = None) -> Counts:
    files = sorted_out(find([str(path)], LocalFiles()), LocalFiles())
    return HistoryFrames(spark, files, source).count(job)


def of_engine_run(name: str, file: Path) -> ConnectionCounts:
    found = ConnectionCounts()
    for line in of_run(name, file):
        found.outcomes[line["outcome"]] += 1
        if line["outcome"] != "planned":
            found.reasons[f"{line['outcome']}: {line['reason']}"] += 1
            continue
        batches = [each["batch"] for each in line["requests"]]
        found.requests += batches.count(None)
        found.items.update(each for each in batches if each is not None)
    return found


def test_a_dry_run_counts_what_engine_run_prints(spark: SparkSession, tmp_path: Path, accepted: list[NewEvent]) -> None:
    file, job = tmp_path / "history.ndjson", job_of_all()
    found = counted(spark, file, job)
    assert (found.events, found.unusable) == (len(accepted), Counter())
    for name in NAMES:
        expected = of_engine_run(name, file)
        assert found.connections[name] == expected
        assert expected.outcomes["planned"]
    assert any(each.outcomes["invalid"] and each.outcomes["ignored"] for each in found.connections.values())
    rows = [row_of(normalize_json(each.raw, received_at=TIME), "web", each.message_id, TIME) for each in accepted]
    rows += [each._replace(source="app") for each in rows[:9]]
    assert any(each.other is not None for each in rows)
    filled(tmp_path / "archive", rows[:300], rows[300:]).close()
    archived = counted(spark, tmp_path / "archive", job, "web")
    assert (archived.events, archived.of_others, archived.unusable) == (len(accepted), 9, Counter())
    assert archived.connections == found.connections
    assert counted(spark, tmp_path / "archive", job).events == len(accepted) + 9, "of all sources"
