"""NATS servers for tests: started on a free loopback port in a folder, ready when the call returns, ended by their pid.

with NatsServer(tmp_path) as server:
    client = StreamClient(server.address("waybill"), {})
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.delivery.outbox.location import StreamAddress

BINARY = Path(sys.prefix) / "bin" / "nats-server"
LISTENING = re.compile(r"Listening for client connections on [\d.]+:(\d+)")
READY = "Server is ready"
START_SECONDS = 20.0
LOG_TAIL = 2000


class NatsServer:
    """One server of its own process. A restarted one has the port and the store it had.

    `config` is text of a NATS configuration file; `arguments` are of the command line. `jetstream` False starts it
    without streams.
    """

    def __init__(self, folder: Path, *arguments: str, config: str = "", jetstream: bool = True, port: int = -1) -> None:
        self.folder, self.port = folder, port
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.conf").write_text(config)
        self._arguments = ["-a", "127.0.0.1", "-c", str(folder / "server.conf"), *arguments]
        if jetstream:
            self._arguments += ["-js", "-sd", str(folder / "store")]
        self._process: subprocess.Popen[str] | None = None
        self.log = folder / "server.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process id of the server that runs."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def address(self, name: str = "waybill", **limits: int) -> StreamAddress:
        """Return the address of an outbox on this server."""
        return StreamAddress((self.url,), name, **limits)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        command = [str(BINARY), "-p", str(self.port), *self._arguments]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        ready = threading.Event()
        self._follower = threading.Thread(target=self._follow, args=(self._process, ready), daemon=True)
        self._follower.start()
        if not ready.wait(START_SECONDS) or self._process.poll() is not None:
            self.stop()
            raise AssertionError(f"nats-server did not start:\n{self.log.read_text()[-LOG_TAIL:]}")

    def _follow(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr, self.log.open("a") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()
                if found := LISTENING.search(line):
                    self.port = int(found[1])
                if READY in line:
                    ready.set()
        ready.set()  # it ended

    def stop(self) -> None:
        """End it in order; one that is frozen or does not end is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it where it stands: its connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None, "the server does not run"
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._follower.join()
