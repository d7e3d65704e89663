from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.expo.collector_stub import Stub, collector


@pytest.fixture
def stub() -> Iterator[Stub]:
    with collector() as running:
        yield running
