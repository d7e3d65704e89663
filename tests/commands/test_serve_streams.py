"""What `engine serve` refuses on streams, before it connects to anything, and what it says where nothing answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Done

NOBODY = "nats://127.0.0.1:1/none"
REFUSED = {
    "a role without streams": (
        "--only delivery",
        (
            "--only divides the work between servers that share an outbox: add --outbox nats://HOST:4222/NAME. A file has "
            "one server, which does both."
        ),
    ),
    "a sandbox that nothing is delivered to": (
        f"--outbox {NOBODY} --only collector --sandbox",
        (
            "--sandbox delivers to emulated vendors in this process, and --only collector delivers nothing: leave one of "
            "them out."
        ),
    ),
    "processes of no collector": (
        f"--outbox {NOBODY} --only delivery --workers 2",
        "--workers is about the collector, which --only delivery does not start: leave it out.",
    ),
    "keys of no collector": (
        f"--outbox {NOBODY} --only delivery --write-key k",
        "--write-key is about the collector, which --only delivery does not start: leave it out.",
    ),
    "no key for a collector": (
        f"--outbox {NOBODY} --only collector",
        "No write key: name one with --write-key, or define sources in the --connections file.",
    ),
}
SIGNED_IN = """
mapping: 1
name: signed_in
title: Signed In
settings:
  secret: { title: Secret, type: string, secret: true, example: s }
http:
  base_url: https://vendor.example
  oauth2:
    grant: refresh_token
    token_url: https://vendor.example/token
    client_id: settings.secret
    client_secret: settings.secret
    refresh_token: settings.secret
requests: { one: { path: /one } }
calls: { track: [{ request: one }] }
"""


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_together_is_refused(engine: Callable[..., Done], options: str, message: str) -> None:
    done = engine("serve", "shop", "--example-settings", *options.split())
    assert (done.code, done.out, done.err.splitlines()[-1]) == (2, "", message)


def test_a_refresh_token_is_refused_on_streams(engine: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "signed_in.yaml").write_text(SIGNED_IN)
    done = engine("serve", "signed_in", "--example-settings", "--only", "delivery", "--outbox", NOBODY)
    message = (
        "The connection signed_in signs in with a refresh token, which its vendor replaces each time it is used: "
        "only one process can keep it, and an outbox on streams has many. Deliver this connection from an outbox in a "
        "file, by a server of its own, or let it sign in with client credentials."
    )
    assert (done.code, done.err.splitlines()[-1]) == (2, message)


@pytest.mark.slow
def test_a_backlog_that_does_not_count_is_named_and_no_server_is_exit_4(engine: Callable[..., Done]) -> None:
    given = ("--write-key", "k", "--port", "0", "--backlog", "5", "--outbox", NOBODY, "--no-log")
    done = engine("serve", "shop", "--example-settings", *given)
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines() == [
        (
            "--backlog does not count on streams: max_bytes of the address bounds their size, and when they are full the "
            "collector answers 429."
        ),
        (
            "No NATS server answers at nats://127.0.0.1:1/none: connection refused (tried for 5 s). Start one with "
            "`nats-server -js`, or correct the address."
        ),
    ]
