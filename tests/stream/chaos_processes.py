"""`engine serve` as processes that can be killed, stopped and let go on: collectors, workers, or both in one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Self

from tests.stream.chaos_load import KEY
from tests.stream.chaos_vendor import MAPPING

ROOT = Path(__file__).parents[2]
TOKEN = "chaos-token"
CONNECTIONS = """\
counted:
  destination: ./counted.yaml
  settings: {{ url: "{url}" }}
sources:
  chaos: {{ write_keys: {key} }}
"""
READY = {"collector": "collector listens", "delivery": "/metrics ", "": "collector listens"}
"""What the last line of a process says before it works."""


def connections_file(directory: Path, vendor: str) -> Path:
    """Write a connection to the vendor, with its mapping beside it; return the file."""
    (directory / "counted.yaml").write_text(MAPPING)
    file = directory / "connections.yaml"
    file.write_text(CONNECTIONS.format(url=vendor, key=KEY))
    return file


class ServeProcess:
    """One `engine serve`; `only` is `collector`, `delivery`, or '' for both. It logs into a file of its name."""

    def __init__(self, name: str, connections: Path, outbox: str, only: str = "", *options: str) -> None:
        self.name, self.only = name, only
        self.log = connections.with_name(f"{name}.log")
        self._command = [sys.executable, "-m", "engine", "serve", "--connections", str(connections)]
        self._command += ["--outbox", outbox, "--admin-port", "0", *options]
        self._command += ["--admin-token", TOKEN, "--workers", "0", *(["--only", only] if only else [])]
        self._process: subprocess.Popen[str] | None = None
        self.printed = ""

    def start(self) -> Self:
        """Start the process; `ready` waits until it works."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ}
            )
        return self

    def ready(self) -> Self:
        """Read what it prints until it works."""
        assert self._process is not None
        assert self._process.stdout is not None
        while READY[self.only] not in self.printed:
            line = self._process.stdout.readline()
            assert line, f"{self.name} did not start:\n{self.printed}{self.log.read_text()}"
            self.printed += line
        return self

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """The port of the collector."""
        found = re.search(r"collector listens on http://[^ ]+:(\d+)", self.printed)
        assert found is not None, self.printed
        return int(found[1])

    @property
    def admin(self) -> str:
        """The admin address."""
        found = re.search(r"(http://\S+?)/metrics ", self.printed)
        assert found is not None, self.printed
        return found[1]

    def owned(self) -> list[int]:
        """Return the partitions that it delivers."""
        asked = urllib.request.Request(f"{self.admin}/status", headers={"authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return list(json.load(answer)["partitions"]["owned"])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP, SIGCONT."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            assert self._process.stdout is not None
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def stop(self) -> int:
        """End it as a service manager does; return the exit code."""
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=60)
        return self._process.returncode
