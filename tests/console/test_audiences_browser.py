"""Audiences and deletions in a real browser, with runs in real processes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from engine.delivery.outbox.base import Chosen
from engine.delivery.outbox.looking import newest
from tests.console.audience_seeding import NOW, seeded_shop, site_of, with_deletions
from tests.console.event_seeding import new_event
from tests.console.harness import served, tell


@pytest.mark.slow  # overview.mjs looks at the pages, too
def test_audiences_and_deletions(tmp_path: Path) -> None:
    with closing(seeded_shop(tmp_path)) as shop:
        shop.outbox.take_in([new_event({"type": "page", "userId": "ann"}, "page-1")], ["crm"], NOW - 60)
        with_deletions(shop.outbox)
        [found] = shop.outbox.look(lambda db: newest(db, Chosen(event="page-1"), 1))
        with served(site_of(shop)) as running:
            tell("audiences.mjs", url=running.url, event=f"/events/{found.event}")
