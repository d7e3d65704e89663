"""`--outbox` with an address in the place of a file: what is said before any server is asked."""

from __future__ import annotations

import pytest

from engine.commands.options import OUTBOX
from engine.delivery.outbox.location import StreamAddress, location_of
from engine.errors import UsageError
from tests.commands.conftest import Engine

ADDRESS = "nats://127.0.0.1:1/shop"

REFUSED = [
    pytest.param(
        ("send", "shop", "--example-settings", "--outbox", ADDRESS),
        f"engine send works on an outbox in a file, and {ADDRESS} is one on streams. `engine import` puts events of "
        "files there, and `engine serve` sends them.\n",
        id="send",
    ),
    pytest.param(
        ("delete", "--user", "ada", "--yes", "--outbox", ADDRESS),
        f"engine delete works on an outbox in a file, and {ADDRESS} is one on streams. Events on streams are not "
        "deleted one by one: those that ended leave with their age, and `engine outbox purge` removes what was set "
        "aside (engine docs stream).\n",
        id="delete",
    ),
    pytest.param(
        ("delete", "status", "--outbox", ADDRESS),
        f"engine delete works on an outbox in a file, and {ADDRESS} is one on streams. Events on streams are not "
        "deleted one by one: those that ended leave with their age, and `engine outbox purge` removes what was set "
        "aside (engine docs stream).\n",
        id="delete status",
    ),
    pytest.param(
        ("connections", "check", "--live", "--outbox", ADDRESS),
        f"engine connections check works on an outbox in a file, and {ADDRESS} is one on streams. Leave --outbox out.\n",
        id="connections check",
    ),
    pytest.param(
        ("outbox", "status", "--outbox", "nats://ada:secret@127.0.0.1/shop"),
        "An outbox address has no user and password: it is shown in messages and process lists. Put them into "
        "WAYBILL_NATS_USER and WAYBILL_NATS_PASSWORD, a token into WAYBILL_NATS_TOKEN, or name a credentials file with "
        "WAYBILL_NATS_CREDS.\n",
        id="a password",
    ),
    pytest.param(
        ("outbox", "status", "--outbox", "nats://127.0.0.1/shop?partition=4"),
        'An outbox address has no option "partition"; did you mean "partitions"?\n',
        id="an option",
    ),
    pytest.param(
        ("outbox", "status", "--outbox", "nats://127.0.0.1:42x2/shop"),
        '"127.0.0.1:42x2" is no HOST:PORT; write e.g. 127.0.0.1:4222, or no port for 4222.\n',
        id="no port",
    ),
    pytest.param(
        ("outbox", "status", "--outbox", "nat://ada:secret@127.0.0.1/shop"),
        'An outbox address begins with nats:// or tls://, not "nat://"; write e.g. '
        "nats://127.0.0.1:4222/waybill?partitions=16&replicas=3.\n",
        id="another scheme",
    ),
    pytest.param(
        ("serve", "shop", "--example-settings", "--outbox", "127.0.0.1:4222/shop"),
        '"127.0.0.1:4222/shop" is a server, not a file: write nats://127.0.0.1:4222/shop.\n',
        id="no scheme",
    ),
]


@pytest.mark.parametrize(("given", "text"), REFUSED)
def test_what_is_wrong_with_an_address_is_said_before_a_server_is_asked(engine: Engine, given, text) -> None:
    done = engine(*given)
    assert (done.code, done.out, done.err) == (2, "", text)


@pytest.mark.parametrize("given", [("delete", "--user", "ada", "--yes"), ("outbox", "status")])
def test_the_variable_names_the_outbox_where_no_option_does(engine: Engine, given, monkeypatch) -> None:
    monkeypatch.setenv("WAYBILL_OUTBOX", "nats://127.0.0.1:1/a?replicas=9")
    assert engine(*given).err == "replicas=9: write a number from 1 to 5.\n"
    monkeypatch.setenv("WAYBILL_OUTBOX", ADDRESS)
    assert engine(*given, "--outbox", "none.db").err.startswith("There is no outbox none.db")


def test_the_variable_does_not_replace_a_temporary_outbox(engine: Engine, monkeypatch) -> None:
    monkeypatch.setenv("WAYBILL_OUTBOX", "nats://127.0.0.1:1/a?replicas=9")
    event = b'{"type": "track", "userId": "ada", "event": "Seen", "messageId": "m1"}'
    done = engine("send", "shop", "--sandbox", "--events", "-", stdin=event)
    assert "replicas" not in done.out + done.err


PASSWORD = "An outbox address has no user and password: "
NO_SERVER = "is no HOST:PORT; write e.g. 127.0.0.1:4222, or no port for 4222."
ASCII = "An outbox address has only printable ASCII characters: write other hosts as xn--..."
WRONG = [
    ("nats://ada:se/cret@h/x", PASSWORD),
    ("nats://ada:se?cret@h/x", PASSWORD),
    ("nats://ada:se#cret@h/x", PASSWORD),
    ("nats:///ada:secret@h", PASSWORD),
    ("nats://ada:secret%40h", PASSWORD),
    ("nats://ada:secret\uff20h", ASCII),
    ("nats://h\n/x", ASCII),
    ("nats://h\x1b[31m/x", ASCII),
    ("nats://h:\u00b2/x", ASCII),
    ("nats://h/x#secret", "An outbox address has no part behind #;"),
    ("nats://::1", f'"::1" {NO_SERVER}'),
    ("nats://[::1", f'"[::1" {NO_SERVER}'),
    ("nats://:4222", f'":4222" {NO_SERVER}'),
    (f"nats://h:{'9' * 5000}", f'"h:{"9" * 5000}" {NO_SERVER}'),
    ("nats://h:0", '"h:0" has no port that exists: ports end at 65535.'),
    ("nats://", '"nats://" names no server;'),
    (f"nats://{','.join(['h'] * 51)}", "The address names 51 servers; up to 50 are enough to find the others."),
    ("nats://h?partitions=4&partitions=8", "An outbox address has each option once."),
    ("nats://h?partitions=000000256999", "partitions=000000256999: write a number from 1 to 256."),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_no_address_says_so_and_repeats_no_credential(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        location_of(text)
    assert str(raised.value).startswith(message)
    assert "cret" not in str(raised.value)


def test_an_ipv6_address_and_its_port() -> None:
    assert str(location_of("tls://[::1],[fd00::2]:7/shop")) == "tls://[::1]:4222,[fd00::2]:7/shop"


def test_an_address_is_read_once() -> None:
    address = OUTBOX.convert("nats://a,b:7/shop?partitions=3", None, None)
    assert address == StreamAddress(("nats://a:4222", "nats://b:7"), "shop", 3)
    assert OUTBOX.convert(address, None, None) is address
