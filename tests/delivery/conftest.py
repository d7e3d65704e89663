"""Every test that takes `outbox` runs on the durable one and on its twin in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.delivery.outbox.base import Outbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.delivery.memory_outbox import MemoryOutbox


@pytest.fixture(params=["sqlite", "memory"])
def outbox(request, tmp_path) -> Iterator[Outbox]:
    made: Outbox = SqliteOutbox(tmp_path / "outbox.db") if request.param == "sqlite" else MemoryOutbox()
    yield made
    made.close()


@pytest.fixture
def durable(tmp_path) -> Iterator[SqliteOutbox]:
    made = SqliteOutbox(tmp_path / "outbox.db")
    yield made
    made.close()
