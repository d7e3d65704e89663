"""Servers that are not there, not right, too old, closed to us: each error whole, and no credential in any of them."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.errors import UsageError
from engine.stream.client import StreamClient
from engine.stream.credentials import credentials
from engine.stream.errors import CredentialsRefused, NoJetStream, NoLeader, NoServer, OldServer, TlsFailed
from tests.delivery.test_bad_vendors import CERTIFICATE
from tests.stream.servers import NatsServer

SECRET = "s3cr3t-0f-n4ts"
PATIENCE = 0.3


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a server with TLS, whose user `worker` has JetStream and whose user `other` has none."""
    config = f"""
tls {{ cert_file: "{CERTIFICATE}", key_file: "{CERTIFICATE}" }}
accounts {{
  WITH {{ jetstream: enabled, users: [
    {{ user: worker, password: "{SECRET}" }}
    {{ user: reader, password: "{SECRET}", permissions: {{ publish: {{ deny: "waybill.>" }} }} }}
  ] }}
  WITHOUT {{ users: [{{ user: other, password: "{SECRET}" }}] }}
}}
"""
    with NatsServer(tmp_path_factory.mktemp("tls"), config=config) as server:
        yield server


@pytest.fixture(scope="module")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a server that wants a token and has no JetStream."""
    with NatsServer(tmp_path_factory.mktemp("token"), "--auth", SECRET, jetstream=False) as server:
        yield server


def failure(address: StreamAddress, environ: dict[str, str], patience: float = 5.0) -> OutboxError:
    """Return the error of the first request, with the address replaced by ADDRESS."""
    client = StreamClient(address, environ, patience=patience)
    with pytest.raises(OutboxError) as raised:
        client.call(client.api("INFO"))
    assert SECRET not in f"{client!r} {vars(client)}"
    client.close()
    return type(raised.value)(*(str(each).replace(str(address), "ADDRESS") for each in raised.value.args))


def user(name: str, password: str = SECRET) -> dict[str, str]:
    return {"WAYBILL_NATS_USER": name, "WAYBILL_NATS_PASSWORD": password}


CA = {"WAYBILL_NATS_CA": str(CERTIFICATE)}
REFUSED: list[tuple[str, dict[str, str], type[OutboxError], str]] = [
    (
        "tls",
        user("worker"),
        TlsFailed,
        (
            "The certificate of the NATS server of ADDRESS is not trusted: self-signed certificate. Name the certificates "
            "that it is checked against with WAYBILL_NATS_CA."
        ),
    ),
    (
        "tls",
        CA,
        CredentialsRefused,
        (
            "The NATS server of ADDRESS does not let in a client without credentials. Set WAYBILL_NATS_USER and "
            "WAYBILL_NATS_PASSWORD, WAYBILL_NATS_TOKEN, or WAYBILL_NATS_CREDS."
        ),
    ),
    (
        "tls",
        CA | user("worker", f"not-{SECRET}"),
        CredentialsRefused,
        (
            "The NATS server of ADDRESS does not let in the credentials of WAYBILL_NATS_USER and WAYBILL_NATS_PASSWORD. "
            "Correct them."
        ),
    ),
    (
        "tls",
        CA | user("other"),
        NoJetStream,
        (
            "The account that signs in at ADDRESS has no JetStream: allow it in the servers' configuration, "
            "e.g. `accounts { NAME { jetstream: enabled } }`."
        ),
    ),
    (
        "token",
        {"WAYBILL_NATS_TOKEN": f"not-{SECRET}"},
        CredentialsRefused,
        "The NATS server of ADDRESS does not let in the credentials of WAYBILL_NATS_TOKEN. Correct them.",
    ),
    (
        "token",
        {"WAYBILL_NATS_TOKEN": SECRET},
        NoJetStream,
        (
            "The NATS server of ADDRESS has no JetStream: start it with `nats-server -js`, or set jetstream up in its "
            "configuration."
        ),
    ),
]


@pytest.mark.parametrize(("which", "environ", "kind", "message"), REFUSED)
def test_a_server_that_does_not_let_us_in(
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    which: str,
    environ: dict[str, str],
    kind: type[OutboxError],
    message: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    server: NatsServer = request.getfixturevalue(f"{which}_server")
    error = failure(server.address(), environ)
    assert (type(error), str(error)) == (kind, message)
    assert SECRET not in caplog.text


def test_a_server_with_tls_is_used(tls_server: NatsServer) -> None:
    address = StreamAddress((tls_server.url.replace("nats://", "tls://"),))
    client = StreamClient(address, CA | user("worker"))
    assert client.call(client.api("INFO"))["streams"] == 0
    client.close()


def test_a_user_who_may_not_publish(tls_server: NatsServer) -> None:
    client = StreamClient(tls_server.address(), CA | user("reader"))
    with pytest.raises(CredentialsRefused) as raised:
        client.call(client.publish("waybill.events.00", b"", patience=PATIENCE))
    assert str(raised.value) == (
        f"The NATS server of {client.address} denies its user something (permissions violation for publish to "
        '"waybill.events.00"). An outbox publishes to NAME.>, $KV.NAME_state.> and $JS.API.>, and subscribes to '
        "_INBOX.>: permit that."
    )
    client.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_no_server_is_there() -> None:
    address = StreamAddress((f"nats://127.0.0.1:{free_port()}", f"nats://127.0.0.1:{free_port()}"))
    error = failure(address, user("worker"), PATIENCE)
    assert (type(error), str(error)) == (
        NoServer,
        (
            "No NATS server answers at ADDRESS: connection refused (tried for 0.3 s). Start one with `nats-server -js`, or "
            "correct the address."
        ),
    )


@contextmanager
def speaking(first: bytes) -> Iterator[tuple[StreamAddress, list[bytes]]]:
    """Run what only sends these bytes to whoever connects; yield its address and what it received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(first)
                    received.append(connection.recv(10_000))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield StreamAddress((f"nats://127.0.0.1:{listener.getsockname()[1]}",)), received
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


OLD = "The NATS server of ADDRESS has version {}, but partitions need 2.11 or later: upgrade nats-server."
NOT_NATS = (
    "No NATS server answers at ADDRESS: {} (tried for 0.3 s). Start one with `nats-server -js`, or correct the address."
)
STRANGE: list[tuple[bytes, str, str]] = [
    (b'INFO {"version": "2.10.22", "max_payload": 1048576, "jetstream": true}\r\n', "nats", OLD.format("2.10.22")),
    (b'INFO {"version": "1.4", "max_payload": 1048576}\r\n', "nats", OLD.format("1.4")),
    (b'INFO {"version": "\\u001b[2J", "max_payload": 1048576}\r\n', "nats", OLD.format("\\u001b[2J")),
    (b"INFO {}\r\n", "nats", OLD.format("unknown")),
    (
        b'INFO {"version": "2.11.0", "max_payload": 1048576}\r\n',
        "tls",
        (
            "The server of ADDRESS has no TLS, which tls:// demands; nothing was sent to it. Set TLS up on the server, or "
            "write nats:// if the network is trusted."
        ),
    ),
    (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "nats",
        NOT_NATS.format("empty response from server when expecting INFO message"),
    ),
    (b"INFO [\r\n", "nats", NOT_NATS.format("info message, json parse error")),
]


@pytest.mark.parametrize(("first", "scheme", "message"), STRANGE)
def test_a_server_that_is_too_old_or_none(first: bytes, scheme: str, message: str) -> None:
    with speaking(first) as (address, received):
        url = address.servers[0].replace("nats://", f"{scheme}://")
        error = failure(StreamAddress((url,)), user("worker"), PATIENCE)
        assert str(error) == message
    assert isinstance(error, OldServer | TlsFailed | NoServer)
    assert not b"".join(received)


def test_a_stream_that_is_not_there(nats_server: NatsServer) -> None:
    client = StreamClient(nats_server.address("nobody"), {})
    with pytest.raises(NoLeader) as raised:
        client.call(client.publish("nobody.events.00", b"", patience=PATIENCE))
    assert str(raised.value) == (
        f"The servers of {client.address} answer, but their streams do not (no leader, tried for 0.3 s): too few "
        "servers of the cluster run, or a stream is missing. Look with `nats server report jetstream`."
    )
    client.close()
    with pytest.raises(OutboxError) as closed:
        client.call(client.api("INFO"))
    assert str(closed.value) == f"The connection to {client.address} is closed."


WRONG_VARIABLES: list[tuple[dict[str, str], str]] = [
    (
        {"USER": "worker", "TOKEN": SECRET, "PASSWORD": SECRET},
        "WAYBILL_NATS_TOKEN and WAYBILL_NATS_USER are both set, and a server takes one of them: unset the other.",
    ),
    (
        {"PASSWORD": SECRET},
        "WAYBILL_NATS_PASSWORD is set, but WAYBILL_NATS_USER is not: set both or neither.",
    ),
    ({"CERT": "c.pem"}, "WAYBILL_NATS_CERT is set, but WAYBILL_NATS_KEY is not: set both or neither."),
    (
        {"CREDS": "TMP/no.creds"},
        "WAYBILL_NATS_CREDS names TMP/no.creds, which cannot be read: No such file or directory.",
    ),
    (
        {"CREDS": "TMP/text"},
        "WAYBILL_NATS_CREDS names TMP/text, which is no credentials file as `nsc generate creds` writes it.",
    ),
    ({"CA": "TMP"}, "WAYBILL_NATS_CA names TMP, which cannot be read: Is a directory."),
    ({"CA": "TMP/text"}, "WAYBILL_NATS_CA names TMP/text, which holds no certificate in PEM format."),
    (
        {"CERT": "TMP/text", "KEY": "TMP/text"},
        (
            "WAYBILL_NATS_CERT names TMP/text and WAYBILL_NATS_KEY TMP/text: they are no certificate and its private key "
            "in PEM format."
        ),
    ),
]


@pytest.mark.parametrize(("given", "message"), WRONG_VARIABLES)
def test_variables_that_are_wrong(tmp_path: Path, given: dict[str, str], message: str) -> None:
    (tmp_path / "text").write_text(SECRET)
    with pytest.raises(UsageError) as raised:
        credentials({f"WAYBILL_NATS_{name}": each.replace("TMP", str(tmp_path)) for name, each in given.items()})
    assert str(raised.value).replace(str(tmp_path), "TMP") == message


def test_a_credentials_file_needs_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.creds").write_text(f"-----BEGIN USER NKEY SEED-----\n{SECRET}\n")
    monkeypatch.setitem(sys.modules, "nkeys", None)
    with pytest.raises(UsageError) as raised:
        credentials({"WAYBILL_NATS_CREDS": str(tmp_path / "some.creds")})
    assert str(raised.value) == (
        "WAYBILL_NATS_CREDS needs a package that is not installed (nkeys): pip install 'waybill[nats]'."
    )
