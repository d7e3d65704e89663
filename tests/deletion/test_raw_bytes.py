"""A user is deleted from one end to the other: afterwards no byte of any file has their ID, email or device.

The files are the outbox, the archive (compacted, replaced and new files, users), audiences and the sandbox's database,
with their `-wal` and free pages; what is in the columns of Parquet files is read, because it is compressed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson
import pyarrow.parquet as pq
import pytest

from engine.archive.catalog import Catalog
from engine.archive.columns import row_of
from engine.archive.compacting import compact
from engine.archive.queries import opened
from engine.archive.writing import write
from engine.audiences.changes import COLUMNS, write_columns
from engine.audiences.state import DONE, AudienceState, SeenDefinition
from engine.commands import main
from engine.events.normalizing import normalize_json
from engine.sandbox.server import Sandbox
from tests.deletion.filled import DEVICE, EMAIL, NOW, OTHERS, PERSONS, USER, filled, new

TEXTS = (USER, DEVICE, EMAIL, "Ann.Secret@Example.com")
NOT_THEIRS = b"user-7|xy"
CONNECTIONS = """
a:
  destination: bloomreach_engagement
  settings:
    {{ api_base_url: "{url}/exponea", api_key: public-key, project_token: project-token, hard_id: registered,
      soft_id: cookie, private_key_id: key-id, private_key_secret: private-secret }}
b: {{ destination: extole, base_url: "{url}/extole", settings: {{ api_key: access-token }} }}
c: {{ destination: user_com, settings: {{ app_url: "{url}/user_com", api_key: api-key }} }}
"""
TRACK = "exponea/track/v2/projects/project-token/customers"
PROFILES = [
    (TRACK, "Token public-key", {"customer_ids": {"registered": USER, "cookie": DEVICE}, "properties": {"email": EMAIL}}),
    (f"{TRACK}/events", "Token public-key", {"customer_ids": {"cookie": DEVICE}, "event_type": "v", "properties": {"e": EMAIL}}),
    ("extole/v6/events", "Bearer access-token", {"event_name": "identify", "data": {"partner_user_id": USER, "email": EMAIL}}),
    ("extole/v6/events", "Bearer access-token", {"event_name": "x", "data": {"partner_user_id": "bob-1"}}),
]  # fmt: skip


def forms() -> dict[str, bytes]:
    """Return each text in the forms in which something of ours might keep it."""
    found = {}
    for text in TEXTS:
        raw = text.encode()
        found |= {text: raw, quote(text, safe=""): quote(text, safe="").encode(), json.dumps(text): raw}
        found[f"{text} in UTF-16"] = text.encode("utf-16-le")
        for shift in range(3):  # base64 of it inside of something longer
            encoded = base64.b64encode(b"\0" * shift + raw)[4 * bool(shift) : -4]
            found[f"{text} in base64, shifted by {shift}"] = encoded
    return found


def traces(folder: Path) -> dict[str, list[str]]:
    """Return which files below a folder have which forms."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "connections.yaml":
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content += repr(pq.read_table(path).to_pylist()).encode()
            content = content.replace(NOT_THEIRS, b"")
            found[path.relative_to(folder).as_posix()] = [name for name, form in forms().items() if form in content]
    return {name: texts for name, texts in found.items() if texts}


def archive(directory: Path) -> None:
    """Archive all events twice into files of which compaction replaced some, and learn the users."""
    events = [new(number, event) for number, event in enumerate([*PERSONS, *OTHERS])]
    rows = [
        row_of(normalize_json(each.raw, received_at=each.received_at), "web", each.message_id, each.received_at)
        for each in events
    ]
    with Catalog.open(directory, create=True) as catalog:
        for position, part in enumerate((rows[:4], rows[4:], rows)):
            assert write(catalog, part, "test", position, erasures_seen=0, now=NOW)
            if position == 1:
                assert [each.made for each in compact(catalog, NOW)] == [1]
    with opened(directory) as connection:
        assert connection.execute("SELECT email FROM users WHERE user_id = ?", [USER]).fetchall() == [(TEXTS[-1],)]


def audiences(directory: Path) -> Path:
    with closing(AudienceState(directory)) as state:
        state.see([SeenDefinition("buyers", "audience", "Buyers", "d", NOW, ("b",), None, None)], NOW)
        run = state.begin("buyers", "d", NOW, NOW)
        path = state.file("sent", "buyers", run.number)
        members = [(USER, USER, None, EMAIL, f"u:{USER}", "true"), ("bob-1", "bob-1", None, None, "u:bob-1", "true")]
        write_columns(path, COLUMNS, [list(values) for values in zip(*members, strict=True)])
        state.note(run._replace(state=DONE, sent_run=run.number, size=2))
    return path


@pytest.fixture
def engine(capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str]]:
    def run(line: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(line.split(" "))
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    return run


def test_no_byte_of_a_deleted_user_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Callable) -> None:
    monkeypatch.chdir(tmp_path)
    filled(tmp_path / "outbox.db").close()
    archive(tmp_path / "archive")
    sent = audiences(tmp_path / "archive" / "audiences")
    with Sandbox(database=str(tmp_path / "sandbox.db")) as sandbox:
        (tmp_path / "connections.yaml").write_text(CONNECTIONS.format(url=sandbox.url))
        for path, authorization, body in PROFILES:
            headers = {"Authorization": authorization}
            assert httpx.post(f"{sandbox.url}/{path}", json=body, headers=headers).status_code == 200
        before = traces(tmp_path)
        assert {name.partition("/")[0] for name in before} == {"outbox.db", "archive", "sandbox.db-wal"}
        assert {name.split("/")[1] for name in before if "/" in name} == {"events", "people", "audiences"}

        given = "--outbox outbox.db --connections connections.yaml"
        code, shown = engine(f"delete --user {USER} {given} --yes --suppress")
        assert code == 1, shown  # User.com has no delete call
        assert engine("send --connections connections.yaml --outbox outbox.db")[0] in (0, 1)
        assert engine("delete resume --outbox outbox.db")[0] == 0
        code, shown = engine("delete status 1 --outbox outbox.db")
        assert "the mapping user_com has no delete call" in shown
        assert [line.split()[:2] for line in shown.splitlines() if line.startswith(("  a ", "  b "))] == [
            ["a", "delivered:"],
            ["b", "delivered:"],
        ], shown
        assert traces(tmp_path) == {}
        log = orjson.dumps(
            [[sandbox.state(name) for name in ("exponea", "extole", "user_com")], sandbox.requests(1000)]
        )
        assert [name for name, form in forms().items() if form in log] == []
        kept = [each["body"] for each in sandbox.requests(1000) if each["body"] != "(deleted)"]
        assert kept == [PROFILES[-1][2]]
        assert sandbox.counts()["exponea"]["customers_anonymized"] == 1
        assert sandbox.counts()["extole"]["persons_erased"] == 1
    assert traces(tmp_path) == {}
    with Catalog.open(tmp_path / "archive") as catalog:
        assert sum(file.rows for file in catalog.snapshot().files) == 2 * len(OTHERS)
    assert pq.read_table(sent)["user_id"].to_pylist() == ["bob-1"]
