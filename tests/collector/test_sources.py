"""`sources:` of a connections file: what it means, and everything that can be wrong with it, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.collector import sources
from engine.collector.sources import EventSource, WriteKeys, basic_key
from engine.delivery.connections import ConnectionsError
from engine.errors import UsageError
from tests.collector.harness import basic

CONNECTIONS = """
shop: { destination: extole, settings: { api_key: k } }
crm: { destination: extole, settings: { api_key: k } }
old: { destination: extole, enabled: false, settings: { api_key: "${env:OLD}" } }
"""


def read(tmp_path: Path, text: str) -> list[EventSource]:
    file = tmp_path / "c.yaml"
    file.write_text(f"{text}\n{CONNECTIONS}")
    return sources.load(file, {"KEY": "from-env"}).sources


def test_what_it_means(tmp_path: Path) -> None:
    text = """
sources:
  web: { write_keys: ["${env:KEY}", b], connections: [crm, old] }
  app: { write_keys: c, enabled: false, partition_by: userId }
"""
    assert read(tmp_path, text) == [
        EventSource("web", ("from-env", "b"), ("crm",)),
        EventSource("app", ("c",), ("shop", "crm"), enabled=False, partition_by="userId"),
    ]
    assert sources.partition_choices(read(tmp_path, text)) == {"app": "userId"}


PLAIN = "A write key must have 1 to 512 printable ASCII characters, without spaces and colons."
HOW = "It contains a ${...} that cannot be filled in; write ${env:NAME}, with letters, digits and _ in NAME."
FAULTS = [
    ("sources: []", ["1:10  sources\n  sources must be a mapping of names to write_keys and connections."]),
    ("sources:\n  web: key", ["2:8  sources.web\n  A source must be a mapping with write_keys, connections, enabled."]),
    ("sources:\n  web: {}", ["2:8  sources.web\n  A source needs write_keys: one write key or a list of them."]),
    (
        "sources:\n  web: {write_keys: []}",
        ["2:21  sources.web.write_keys\n  A source needs write_keys: one write key or a list of them."],
    ),
    (
        "sources:\n  deletion: {write_keys: a}",
        ["2:13  sources.deletion\n  The name deletion is reserved for the engine's own events; choose another."],
    ),
    ("sources:\n  web: {write_keys: [7]}", [f"2:22  sources.web.write_keys[0]\n  {PLAIN}"]),
    ("sources:\n  web: {write_keys: 'a:b'}", [f"2:21  sources.web.write_keys\n  {PLAIN}"]),
    (
        "sources:\n  web: {write_keys: a, enabled: maybe, connections: [shop, shp]}\n  app: {write_keys: a, conections: []}",
        [
            "2:33  sources.web.enabled\n  enabled must be true or false.",
            '2:53  sources.web.connections\n  This file has no connection "shp". Available: shop, crm, old.',
            "3:21  sources.app.write_keys\n  The source web has this write key too; a key belongs to one source.",
            '3:24  sources.app.conections\n  A source has no key "conections". Did you mean connections?',
        ],
    ),
    (
        "sources:\n  web: {write_keys: a, partition_by: messageId}\n  app: {write_keys: b, partition_by: [userId]}",
        [
            "2:38  sources.web.partition_by\n  partition_by must be anonymousId or userId.",
            "3:38  sources.app.partition_by\n  partition_by must be anonymousId or userId.",
        ],
    ),
    (
        "sources:\n  web: {write_keys: a, connections: shop}",
        ["2:37  sources.web.connections\n  connections must be a list of connections of this file."],
    ),
    (
        "sources:\n  web:\n    write_keys:\n      - ${env:NOT_SET}\n      - ${env:KEY\n      - ${ENV:KEY}\n      - 'a b'",
        [
            "4:9  sources.web.write_keys[0]\n  The environment variable NOT_SET is not set.",
            f"5:9  sources.web.write_keys[1]\n  {HOW}",
            f"6:9  sources.web.write_keys[2]\n  {HOW}",
            f"7:9  sources.web.write_keys[3]\n  {PLAIN}",
        ],
    ),
    (
        "a: { destination: extole, settings: {} }\nsources: {web: {write_keys: '${env:}', connections: [a, b]}}\nb: c",
        [
            "1:37  a.settings\n  API Key (api_key) is not set.",
            f"2:29  sources.web.write_keys\n  {HOW}",
            "3:4  b\n  A connection must be a mapping with destination, settings, ...",
        ],
    ),
]


@pytest.mark.parametrize(("text", "problems"), FAULTS)
def test_faults(tmp_path: Path, text: str, problems: list[str]) -> None:
    with pytest.raises(ConnectionsError) as caught:
        read(tmp_path, text)
    assert [problem.removeprefix(f"{tmp_path}/c.yaml:") for problem in caught.value.problems] == problems


NONE = (
    "{file} has no sources, which say who may send events and with which write keys. For example:\nsources:\n"
    '  web:\n    write_keys: ["${{env:WEB_WRITE_KEY}}"]\n    connections: [shop]'
)


def test_a_file_without_sources(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "")
    assert str(caught.value) == NONE.format(file=tmp_path / "c.yaml")
    assert sources.load(tmp_path / "c.yaml", {}, required=False).sources == []


def test_a_file_without_sources_whose_connections_are_wrong_too(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("shop: extole\n")
    with pytest.raises(ConnectionsError) as caught:
        sources.load(file, {})
    wrong = f"{file}:1:7  shop\n  A connection must be a mapping with destination, settings, ..."
    assert caught.value.problems == (wrong, NONE.format(file=file))


@pytest.mark.parametrize("key", ["", "a", "aaa", "b", "ä", "a" * 600, "\ud800"])
def test_only_the_key_itself_is_known(key: str) -> None:
    source = EventSource("web", ("aa", "a" * 512), ())
    keys = WriteKeys([source])
    assert keys.source(key) is None
    assert keys.source("aa") is source


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        (b"", None),
        (b"Bearer abc", None),
        (basic("wk:").encode(), "wk"),
        (basic("wk").encode(), "wk"),
        (basic("wk:x:y").encode(), "wk"),
        (basic("wk:").rstrip("=").encode(), "wk"),
        (basic("wk1:").rstrip("=").encode(), "wk1"),
        (basic("wk12:").rstrip("=").encode(), "wk12"),
        (basic("wk:").encode() + b" ", "wk"),
        (b"Basic d2s6d", ""),
        (b"Basic ?", ""),
        (b"Basic", ""),
        (b"Basic \xff\xff", ""),
        (b"Basic /////w==", ""),
    ],
)
def test_basic(header: bytes | None, key: str | None) -> None:
    assert basic_key(header) == key
