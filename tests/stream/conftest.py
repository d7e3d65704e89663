"""One server for all tests of streams: each test takes a NAME of its own on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from engine.delivery.outbox.location import StreamAddress
from tests.stream.servers import NatsServer

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a server with JetStream."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def new_address(nats_server: NatsServer) -> Callable[..., StreamAddress]:
    """Return a function that makes an address of a name that is not taken, with limits such as `partitions=4`."""
    return lambda **limits: nats_server.address(f"test{next(NUMBERS)}", **limits)
