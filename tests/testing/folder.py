"""A folder with a mapping, and `engine test` in it: in this process, because a process of its own takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import syrupy

from engine.commands import main

SHOP = """\
mapping: 1
name: shop
title: Shop
settings:
  key: { title: Key, about: The key of the shop., type: string, secret: true, example: sk-example-0001 }
http:
  base_url: https://shop.example
  headers: { X-Key: "${settings.key}" }
requests:
  add: { path: /add }
calls:
  track:
    - request: add
      fields: { name: event, total: properties.total }
examples:
  - title: An order
    event: { type: track, messageId: m1, timestamp: 2024-03-05T10:15:30Z, userId: u1, event: Order, properties: { total: 5 } }
    expect:
      - add: { name: Order, total: 5 }
  - title: "A refund: all of it"
    event: { type: track, messageId: m2, timestamp: 2024-03-05T10:15:30Z, userId: u1, event: Refund, properties: { total: -5 } }
    expect:
      - add: { name: Refund }
"""
SNAPSHOT = """\
{
  "outcome": "planned",
  "reason": "1 request",
  "reports": [],
  "requests": [
    {
      "body": {
        "name": "Order",
        "total": 5
      },
      "headers": {
        "Content-Type": "application/json",
        "X-Key": "***"
      },
      "method": "POST",
      "query": {},
      "request": "add",
      "url": "https://shop.example/add"
    }
  ]
}
"""


class Done(NamedTuple):
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    def lines(self) -> list[str]:
        """Return the lines after pytest's own of a run, without the time that it took."""
        lines = self.out.splitlines()
        return [line for line in lines if line and not line.startswith(("====", "collect", "mappings/parts"))]


class Folder:
    """A folder with `mappings/shop.yaml`."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.mapping = path / "mappings" / "shop.yaml"
        self.snapshots = path / "mappings" / "snapshots" / "shop"
        self._capsys = capsys
        self.write(SHOP)

    def write(self, text: str) -> None:
        """Write the mapping."""
        self.mapping.parent.mkdir(exist_ok=True)
        self.mapping.write_text(text)

    def replace(self, old: str, new: str) -> None:
        """Change the mapping in one place."""
        text = self.mapping.read_text()
        assert text.count(old) == 1
        self.write(text.replace(old, new))

    def test(self, *words: str) -> Done:
        """Run `engine test`."""
        with own_syrupy(), pytest.raises(SystemExit) as ended:
            main(["test", *words])
        out, err = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    def files(self) -> list[str]:
        """Return everything in the folder."""
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())


@contextmanager
def own_syrupy() -> Iterator[None]:
    """Give syrupy's session, which is a global variable, back to the run that this test belongs to."""
    kept = syrupy._syrupy
    try:
        yield
    finally:
        syrupy._syrupy = kept
