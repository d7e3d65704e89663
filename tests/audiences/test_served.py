"""What `/status` and the metrics of a server say of audiences."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from engine.collector.audience_status import audiences_json, served_audiences
from engine.collector.observers import CollectorObserver
from tests.audiences.shop import ORDERS, Shop, order

NOON = "2026-11-29T12:00:00.000Z"


def test_audiences_in_the_status_and_the_metrics(tmp_path: Path) -> None:
    with closing(Shop(tmp_path, ORDERS)) as shop:
        shop.happened(*(order(f"u{number:02}") for number in range(21)))
        shop.sync()
        assert audiences_json(shop.archive) == [
            {"key": "buyers", "state": "done", "message": "", "users": 21, "last_run": NOON, "next_run": None}
        ]
        shop.sync(at="2026-12-31T12:00:00Z")  # all would leave
        [found] = served_audiences(shop.archive)
        assert (found.state, found.users, found.in_trouble) == ("guarded", 21, True)
    observer = CollectorObserver()
    observer.audiences([("gone", 1, False)])
    observer.audiences([(found.key, found.users, found.in_trouble)])
    lines = [line for line in observer.text().decode().splitlines() if line.startswith("waybill_audience")]
    assert lines == [
        'waybill_audience_users{audience="gone"} 0.0',
        'waybill_audience_users{audience="buyers"} 21.0',
        'waybill_audience_in_trouble{audience="gone"} 0.0',
        'waybill_audience_in_trouble{audience="buyers"} 1.0',
    ]


def test_an_archive_without_audiences_and_one_whose_state_is_damaged(tmp_path: Path) -> None:
    assert audiences_json(tmp_path) == []
    (tmp_path / "audiences").mkdir()
    (tmp_path / "audiences" / "state.db").write_bytes(b"text" * 1000)
    assert list(audiences_json(tmp_path)) == ["problem"]
