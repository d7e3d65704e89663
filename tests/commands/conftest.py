"""Runs the command line in this process, as if it had been typed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.commands import main

HERE = Path(__file__).parent
SHOP = HERE / "mappings" / "shop.yaml"


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Engine = Callable[..., Done]


@pytest.fixture
def engine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Return what runs `engine WORDS...` in an empty folder with the mapping `shop`; `stdin` is what is piped in."""
    (tmp_path / "shop.yaml").write_text(SHOP.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYBILL_MAPPINGS", str(tmp_path))

    def run(*words: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main(words)
        out, err = capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., str]:
    """Return what writes events into a file of one each line, and tells the file's name."""

    def write(*values: Any, name: str = "events.ndjson") -> str:
        lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return name

    return write


def event(call: str = "track", **fields: Any) -> dict[str, Any]:
    """Make an event with all that every event has."""
    known = {"type": call, "messageId": "m1", "userId": "u1", "timestamp": "2024-03-05T10:15:30Z"}
    return {**known, **({"event": "Viewed"} if call == "track" else {}), **fields}
