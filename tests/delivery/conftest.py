"""Every test that takes `outbox` runs on the durable one and on its twin in memory; those of the suite on streams, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.delivery.outbox.base import Outbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.on_streams import EACH_TIME, NOT_ON_STREAMS
from tests.stream.conftest import nats_server, new_address  # noqa: F401  fixtures

SUITE = "tests.delivery.test_outbox"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the outboxes of a test."""
    if "outbox" not in metafunc.fixturenames or "outbox" in metafunc.module.__dict__:
        return
    kinds = ["sqlite", "memory"]
    name = metafunc.function.__name__
    if metafunc.module.__name__ == SUITE and name not in NOT_ON_STREAMS:
        kinds.append("stream" if name in EACH_TIME else pytest.param("stream", marks=pytest.mark.slow))
    metafunc.parametrize("outbox", kinds, indirect=True)


@pytest.fixture
def outbox(request, tmp_path, monkeypatch) -> Iterator[Outbox]:
    if request.param == "stream":
        yield from _on_streams(request, tmp_path, monkeypatch)
        return
    made: Outbox = SqliteOutbox(tmp_path / "outbox.db") if request.param == "sqlite" else MemoryOutbox()
    yield made
    made.close()


def _on_streams(request, tmp_path, monkeypatch) -> Iterator[Outbox]:
    from tests.stream.whole_outbox import whole_outbox

    monkeypatch.setattr("engine.stream.outbox.FRESH", 0.0)
    address = request.getfixturevalue("new_address")(partitions=1)
    with whole_outbox(address, tmp_path / "view") as made:
        yield made


@pytest.fixture
def durable(tmp_path) -> Iterator[SqliteOutbox]:
    made = SqliteOutbox(tmp_path / "outbox.db")
    yield made
    made.close()
