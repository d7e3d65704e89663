"""`engine serve --sandbox` as a process of its own."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import orjson
import psutil

ROOT = Path(__file__).parents[2]
STARTUP = 30
"""Seconds to wait for the first response with --workers: the processes exist before they have started."""
MAPPINGS = ("exponea", "extole", "user_com")
CLIENT = httpx.Client(verify=False, headers={"connection": "close"})


class Server:
    """A running server: `url` of the collector, `sandbox` of the vendors and `admin`, '' where there is none."""

    def __init__(self, process: subprocess.Popen[bytes], last: str = "collector listens") -> None:
        self.process = process
        self.printed = self._read_until(last)
        self.sandbox = self._address(r"sandbox listens on (http://\S+?);")
        self.admin = self._address(r"(http://\S+?)/metrics ")
        self.url = self._address(r"collector listens on (http://\S+) ")

    def _read_until(self, last: str) -> str:
        """Read what it prints, to the line that contains `last`."""
        assert self.process.stdout is not None
        lines: list[str] = []
        while not lines or last not in lines[-1]:
            lines.append(self.process.stdout.readline().decode())
            assert lines[-1], "".join(lines)
        return "".join(lines)

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.printed)
        return "" if found is None else found[1]

    def metrics(self, token: str = "sandbox") -> str:
        """Return the metrics."""
        return CLIENT.get(f"{self.admin}/metrics", headers={"authorization": f"Bearer {token}"}).text

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def memory(self) -> int:
        """Return its resident memory, in MB."""
        return memory(self.process.pid)

    def state(self, vendor: str) -> dict:
        """Return what a vendor holds."""
        return CLIENT.get(f"{self.sandbox}/_sandbox/state", params={"limit": "100000"}).json()[vendor]

    def wait(self, vendor: str, kind: str, count: int) -> list[dict]:
        """Wait until a vendor has this many; return them."""
        end = time.monotonic() + 20
        while len(found := self.state(vendor)[kind]) < count and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def serving(
    *options: str,
    mappings: Sequence[str] = MAPPINGS,
    sandbox: bool = True,
    log: Path | None = None,
    workers: int | None = 0,
    last: str = "collector listens",
) -> Iterator[Server]:
    """Serve as long as the `with` lasts; `log` is a file for what it logs. Without `workers`, as many as by default.

    `last` is in the last line that it prints when it has started.
    """
    command = [sys.executable, "-m", "engine", "serve", *mappings, "--port", "0", "--admin-port", "0"]
    command += [*(["--sandbox"] if sandbox else []), *([] if log else ["--no-log"])]
    command += [*([] if workers is None else ["--workers", str(workers)]), *options]
    with ExitStack() as stack:
        # What is killed leaves its temporary files: they go with a folder of their own.
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-", ignore_cleanup_errors=True))
        errors = stack.enter_context(log.open("wb")) if log else subprocess.STDOUT
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env={**os.environ, "TMPDIR": temporary},
        )
        try:
            yield Server(process, last)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def emulating(*options: str) -> Iterator[str]:
    """Emulate the vendors in another process; yield their address."""
    command = [sys.executable, "-m", "engine", "sandbox", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Server(process, "sandbox listens").sandbox
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def memory(process: int) -> int:
    """Return the resident memory of a process, in MB."""
    return psutil.Process(process).memory_info().rss // 2**20


def raw_request(body: bytes, key: str = "sandbox") -> bytes:
    """Return a request as it goes over the wire."""
    authorization = base64.b64encode(f"{key}:".encode())
    head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
    return head % (authorization, len(body)) + body


def tracks(first: int, count: int, users: int = 10) -> bytes:
    """Return a batch of events that can be counted."""
    return orjson.dumps(
        {
            "batch": [
                {
                    "type": "track",
                    "messageId": f"m{n}",
                    "userId": f"u{n % users}",
                    "event": "Counted",
                    "properties": {"n": n},
                }
                for n in range(first, first + count)
            ]
        }
    )


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails when it does not within 20 seconds."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
