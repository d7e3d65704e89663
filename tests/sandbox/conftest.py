"""A running sandbox for the tests that need a port; emptied before each test."""

from __future__ import annotations

import pytest

from engine.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    running.remove_faults()
    yield running
    running.remove_faults()
