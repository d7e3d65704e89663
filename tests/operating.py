"""An outbox as an operator finds it: delivered for real to the sandbox, where faults were ordered.

`shop` (Exponea) refused an item of a batch, `crm` (User.com) refused a request and then asked to wait, `mail` (Extole)
refuses the credentials; at the door, an event was discarded.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import orjson

from engine.commands import main
from engine.delivery.outbox.keeping import Discarded
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.sandbox.server import Sandbox

CONNECTIONS = """\
shop:
  destination: exponea
  base_url: {url}/exponea
  settings: {{ api_key: public-key, project_token: project-token, hard_id: registered, soft_id: cookie }}
crm:
  destination: user_com
  base_url: {url}/user_com/api/public
  settings: {{ api_key: api-key, app_url: "https://example.user.com" }}
mail:
  destination: extole
  base_url: {url}/extole
  settings: {{ api_key: expired-token }}
"""
AT = {"timestamp": "2024-03-05T10:15:30Z"}
FIRST = [
    {"type": "identify", "messageId": "m1", "userId": "ada", "traits": {"email": "ada@example.com"}, **AT},
    {"type": "track", "messageId": "m2", "userId": "ada", "event": "Signed Up", **AT},
    {
        "type": "track",
        "messageId": "m3",
        "userId": "bob",
        "event": "Order Completed",
        "properties": {"total": 40},
        **AT,
    },
    {"type": "track", "messageId": "m4", "userId": "bob", **AT},
]
LATER = [{"type": "track", "messageId": "m5", "userId": "ada", "event": "Plan Upgraded", **AT}]
FAULTS = [
    {"kind": "items", "vendor": "exponea", "nth": [2], "errors": ["quota exceeded"]},
    {
        "kind": "status",
        "vendor": "user_com",
        "status": 400,
        "path": "bob/events",
        "body": {"detail": "total must be text"},
    },
]
WAIT = {"kind": "status", "vendor": "user_com", "status": 429, "retry_after": 600, "path": "ada/events"}
SENT = ("send", "--connections", "connections.yaml", "--patience", "0s", "--events")


@contextmanager
def operated(folder: Path) -> Iterator[Path]:
    """Make the outbox in a folder, `outbox.db` beside `connections.yaml`, and keep the vendors there meanwhile."""
    with Sandbox() as sandbox, chdir(folder):
        Path("connections.yaml").write_text(CONNECTIONS.format(url=sandbox.url))
        for number, (events, faults) in enumerate(((FIRST, FAULTS), (LATER, [WAIT]))):
            file = Path(f"events-{number}.ndjson")
            file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in events))
            for fault in faults:
                sandbox.inject(fault)
            code, text = said(*SENT, str(file))
            assert code == (1, 3)[number], text
        discard = Discarded(
            "web", 1_700_000_000.0, "event_not_defined", "track calls require event", "m9", b'{"type":"track"}'
        )
        with closing(SqliteOutbox("outbox.db")) as outbox:
            outbox.keep_discards([discard], {"web": 1}, 1_700_000_000.0)
        yield folder


def said(*words: str) -> tuple[int, str]:
    """Run `engine` here, and return its exit code and all that it printed."""
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, "utf-8", write_through=True) as stream:
        with redirect_stdout(stream), redirect_stderr(stream):
            try:
                main(list(words))
            except SystemExit as ended:
                code = int(ended.code or 0)
        stream.flush()
        return code, buffer.getvalue().decode()


STEADY = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:8900"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "2026-01-31 10:15:30"),
    (re.compile(r"(?<!T)\b\d\d:\d\d:\d\d\b(?!\.)"), "10:15:30"),
    (re.compile(r"20(?!24)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "2026-01-31T10:15:30.000Z"),
    (re.compile(r" in \d+ ms "), " in 12 ms "),
)
STANDING = re.compile(r"^(\w+) +(state|paused|held|idle) +(\w+) +(\S+) +(\S+) +(drains in|\S+)  (.*)$", re.MULTILINE)


def steady(text: str) -> str:
    """Return a text with the same times, durations and ports on each run."""
    for pattern, replacement in STEADY:
        text = pattern.sub(replacement, text)
    return STANDING.sub(_steady_row, text)


def _steady_row(row: re.Match[str]) -> str:
    name, state, waiting, lag, rate, drain, hour = row.groups()
    values = (lag, rate, drain) if name == "connection" else ("-" if lag == "-" else "12s", "4/min", "-")
    return "{:<10}  {:<6}  {:>7}  {:>3}  {:>5}  {:>9}  {}".format(name, state, waiting, *values, hour)


class OperatorShell:
    """Runs the commands of a page on the outbox that is here."""

    @staticmethod
    def run(command: str) -> str:
        """Return what a command prints, the same on each run."""
        program, *given = shlex.split(command)
        assert program == "engine", command
        return steady(said(*given)[1])
