"""An outbox that this process cannot write, such as a backup: every command that only looks works."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from engine.commands import main
from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome

NOW = 1_000_000.0
RAW = b'{"type":"track","messageId":"m1","userId":"u1","event":"Signed Up"}'
NOT_WRITTEN = (
    "outbox.db cannot be opened for writing (attempt to write a readonly database); check that its directory exists "
    "and is writable.\n"
)


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outbox in a folder of which the system says that it cannot be written; for root every folder can."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "outbox.db"
    with closing(SqliteOutbox(path)) as made:
        made.take_in([NewEvent("web", "m1", "2026-01-01T00:00:00Z", RAW)], ["shop"], NOW)
        fence = made.lease("shop", "w", NOW, 10)
        made.write("shop", fence, [Change(1, Outcome.REJECTED, "the vendor answered 400")], NOW)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    return path


READING = {
    "status": "rejected",
    "list": "the vendor answered 400",
    "list --reason 400": "Signed Up",
    "show m1": "rejected: the vendor answered 400",
    "export": RAW.decode(),
    "discards": "No discarded event is kept.",
    "replay --dry-run": "1 event would be queued again.",
    "purge --older-than 1h --dry-run": "1 event would be removed",
}


@pytest.mark.parametrize("words", READING)
def test_it_can_be_looked_at(words: str, outbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outbox.read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(["outbox", *words.split()])
    out, error = capsys.readouterr()
    assert (ended.value.code or 0, error) == (0, "")
    assert READING[words] in out
    assert [file.name for file in outbox.parent.iterdir()] == ["outbox.db"], "nothing was made beside it"
    assert outbox.read_bytes() == before


@pytest.mark.parametrize("words", ["replay", "resume shop", "purge --older-than 1h"])
def test_it_is_not_changed(words: str, outbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["outbox", *words.split()])
    assert (ended.value.code, *capsys.readouterr()) == (4, "", NOT_WRITTEN)
