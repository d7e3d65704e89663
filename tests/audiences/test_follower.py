"""The follower: what is due, a file that changes, and runs that fail, in real processes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.audiences.definitions import load
from engine.audiences.follower import AudienceFollower, FollowedFiles
from engine.audiences.schedule import CLOCK_WENT_BACK
from engine.audiences.state import AudienceStateError
from engine.commands.audiences import follow
from engine.commands.audiences.shared import AudienceFiles
from engine.errors import UsageError
from tests.audiences.shop import Shop, order

EVERY = "audiences: [{ name: Buyers, connections: [crm], every: 1h, did: Order Completed }]"
BAD = "audiences: [{ name: Buyers, didd: Order Completed }]"


class Followed:
    """A follower with a clock that is given, and runs that are a shell script."""

    def __init__(self, shop: Shop, script: str = "exit 0") -> None:
        self.shop, self.now = shop, 1_796_000_000.0
        files = FollowedFiles(
            shop.file, shop.archive, shop.folder / "connections.yaml", (), shop.folder / "outbox.db", load,
            command=("sh", "-c", script, "run"), clock=lambda: self.now,
        )  # fmt: skip
        self.follower = AudienceFollower(shop.state, files)

    def due(self) -> str | None:
        found = self.follower.step()
        return None if found is None else found.key

    def run_one(self) -> None:
        """Run what is due until nothing is."""
        stop = threading.Event()
        found = self.follower.step()
        assert found is not None
        self.follower._sync(found, stop)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(tmp_path, EVERY)) as made:
        yield made


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged: the event and its reason."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields = record.fields  # type: ignore[attr-defined]
            found.append(f"{record.getMessage()}: {fields.get('reason', fields.get('key', ''))}".rstrip(": "))

    logger, handler = logging.getLogger("waybill.delivery"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)


def test_what_is_due(shop: Shop, logged: list[str]) -> None:
    followed = Followed(shop)
    assert followed.due() == "buyers"
    shop.sync()  # at noon of the day before
    assert shop.state.runs("buyers")[0].started_at < followed.now
    followed.now = shop.state.runs("buyers")[0].started_at + 60
    assert followed.due() is None
    assert shop.state.definitions()[0].next_run == followed.now - 60 + 3600
    followed.now += 7200
    assert followed.due() == "buyers"
    followed.now -= 30 * 86400
    assert followed.due() == "buyers"
    assert logged[-1] == f"audience due: {CLOCK_WENT_BACK}"


def test_a_file_with_errors_keeps_the_last_good_one(shop: Shop, logged: list[str]) -> None:
    assert Followed(shop).due() == "buyers"
    shop.file.write_text(BAD)
    followed = Followed(shop)  # also after a restart
    assert followed.due() == "buyers"
    assert logged[-2].startswith(f"audiences not reloaded: {shop.file}:1:")
    shop.file.write_text("audiences: [{ name: Others, every: 1h, did: Something }]")
    assert followed.due() == "others"
    assert [(each.key, each.removed_at is None) for each in shop.state.definitions()] == [
        ("buyers", False),
        ("others", True),
    ]


def test_a_definition_that_is_removed_during_a_sync(shop: Shop, logged: list[str]) -> None:
    shop.happened(*(order(f"u{number:04}") for number in range(600)))
    stops = iter([False, True])
    assert shop.sync(stopped=lambda: next(stops)).state == "sending"
    shop.file.write_text("audiences: [{ name: Others, did: Something }]")
    assert Followed(shop).due() is None
    run = shop.state.runs("buyers")[0]
    message = "The definition was removed while its events were sent: 500 of 600 were."
    assert (run.state, run.fed, run.message) == ("canceled", 500, message)
    assert "audience removed: buyers" in logged
    shop.define(EVERY)
    assert shop.sync().total == 100  # exactly those who have had nothing


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -SEGV $$", "signal 11"),
        ("echo 'The outbox is locked.' >&2; exit 4", "The outbox is locked."),
    ],
)
def test_a_run_that_ends_badly_is_tried_again_later(script: str, reason: str, shop: Shop, logged: list[str]) -> None:
    followed = Followed(shop, script)
    followed.run_one()
    assert logged[-1] == f"audience failed: {reason}"
    assert followed.due() is None
    followed.now += 61
    followed.run_one()
    followed.now += 61
    assert followed.due() is None
    followed.now += 60
    assert followed.due() == "buyers"


def test_a_crash_while_computing_is_noted(shop: Shop, logged: list[str]) -> None:
    shop.state.begin("buyers", "", 1_795_990_000.0, 1_795_990_000.0)
    followed = Followed(shop, "kill -KILL $$")
    followed.run_one()
    run = shop.state.runs("buyers")[0]
    assert (run.state, run.message) == ("failed", "The process of the computation was ended by signal 9.")


def test_a_crash_before_a_run_is_noted_is_not_given_the_reason_of_an_earlier_run(shop: Shop, logged: list[str]) -> None:
    run = shop.state.begin("buyers", "", 1_795_990_000.0, 1_795_990_000.0)
    shop.state.note(run._replace(state="guarded", message="too many", ended_at=1_795_990_001.0))
    Followed(shop, "kill -KILL $$").run_one()
    assert logged[-1] == "audience failed: signal 9"


def test_a_state_that_is_replaced_ends_the_follower(shop: Shop) -> None:
    followed = Followed(shop)
    assert followed.due() == "buyers"
    (shop.state.directory / "state.db").rename(shop.folder / "elsewhere.db")
    with pytest.raises(
        AudienceStateError, match=r"state\.db was removed or replaced while it was in use\. What is there"
    ):
        followed.due()
    (shop.folder / "elsewhere.db").rename(shop.state.directory / "state.db")
    assert followed.due() == "buyers"


def test_the_state_is_json_for_programs(shop: Shop) -> None:
    from engine.commands.audiences.sync import run_json

    shop.sync()
    found = run_json(shop.state.runs("buyers")[0])
    assert json.loads(json.dumps(found))["moment"] == "2026-11-29T12:00:00.000Z"


def test_queries_are_checked_in_a_process_that_may_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    files = AudienceFiles(shop.file, shop.archive, shop.folder / "connections.yaml", (), None)
    monkeypatch.setattr(follow, "CHECKED_WITHIN", 0.0)
    with pytest.raises(UsageError) as caught:
        follow.definitions_apart(files)
    text = f"{shop.file}: the check of its queries ended the process. It takes more than 0 seconds."
    assert str(caught.value) == text
