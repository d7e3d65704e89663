"""A cluster of `nats-server` on loopback whose nodes can be killed, stopped, started again and cut from the others.

With `guests` (names of those who get an address of their own), nodes and clients reach one another only through a
process of `chaos_links`, so that a part of the network can be cut without root: who is cut still runs and still has its
connections. `clients` are all who have no name.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
SERVER = Path(sys.executable).with_name("nats-server")
PATIENCE = 30.0
"""Seconds until a node must be ready; it takes one or two, more on a busy machine."""
NOWHERE = "127.0.0.1:1"
"""The address that nodes give one another for themselves, so that they use no way but the links."""

ALONE = """\
server_name: n1
listen: 127.0.0.1:{port}
http: 127.0.0.1:{monitor}
jetstream {{ store_dir: "{store}", max_mem: 256MB, max_file: 10GB }}
"""
CLUSTERED = """\
server_name: n{number}
listen: 127.0.0.1:{port}
http: 127.0.0.1:{monitor}
jetstream {{ store_dir: "{store}", max_mem: 256MB, max_file: 10GB }}
cluster {{
  name: chaos
  listen: 127.0.0.1:{route}
  advertise: "{advertise}"
  no_advertise: true
  pool_size: 1
  routes: [{routes}]
}}
"""


class NodePorts(NamedTuple):
    """Where a node listens: for clients, for those who ask how it is, and for other nodes."""

    client: int
    monitor: int
    route: int


class Node:
    """One server: its ports, its configuration and its process, if it runs."""

    def __init__(self, number: int, file: Path, port: int, monitor: int) -> None:
        self.number, self.port, self.monitor = number, port, monitor
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, or start again on what it stored."""
        log = self._file.with_suffix(".log").open("ab")
        with log:
            self._process = subprocess.Popen([SERVER, "-c", self._file], stdout=log, stderr=log)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Let it do nothing until `resume`; its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `stop`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def wait_ready(self) -> None:
        """Wait until it serves JetStream, which in a cluster needs a leader; raise with its log if it does not."""
        end = time.monotonic() + PATIENCE
        while not self._is_ready():
            if time.monotonic() > end or (self._process is not None and self._process.poll() is not None):
                raise AssertionError(f"n{self.number} is not ready:\n{self._file.with_suffix('.log').read_text()}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return bool(self.asked("healthz?js-enabled-only=false")["status"] == "ok")
        except OSError:
            return False

    def asked(self, path: str) -> dict:  # type: ignore[type-arg]
        """Return what its monitoring address answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/{path}", timeout=5) as answer:
            return json.load(answer)  # type: ignore[no-any-return]


class Cluster:
    """Nodes in a folder, numbered from 1, running while the `with` lasts."""

    def __init__(self, directory: Path, nodes: int = 3, guests: Sequence[str] = ()) -> None:
        self._stack = ExitStack()
        self._links: subprocess.Popen[str] | None = None
        self.nodes: dict[int, Node] = {}
        numbers = range(1, nodes + 1)
        free = iter(free_ports(nodes * (nodes + len(guests) + 3)))
        ports = {number: NodePorts(next(free), next(free), next(free)) for number in numbers}
        self._ways: dict[str, tuple[int, int]] = {}
        if guests:
            self._ways |= {f"{a}-{b}": (next(free), ports[b].route) for a, b in permutations(numbers, 2)}
            self._ways |= {f"{name}-{b}": (next(free), ports[b].client) for name in guests for b in numbers}
        for number in numbers:
            file = directory / f"n{number}.conf"
            file.write_text(self._configuration(number, ports, directory))
            self.nodes[number] = Node(number, file, ports[number].client, ports[number].monitor)

    def _configuration(self, number: int, ports: dict[int, NodePorts], directory: Path) -> str:
        others = [each for each in ports if each != number]
        routes = [self._ways[f"{number}-{each}"][0] if self._ways else ports[each].route for each in others]
        return (CLUSTERED if others else ALONE).format(
            number=number,
            port=ports[number].client,
            monitor=ports[number].monitor,
            route=ports[number].route,
            advertise=NOWHERE if self._ways else f"127.0.0.1:{ports[number].route}",
            store=directory / f"n{number}",
            routes=", ".join(f'"nats://127.0.0.1:{each}"' for each in routes),
        )

    def __enter__(self) -> Self:
        """Start the network, then the nodes."""
        try:
            if self._ways:
                self._start_links()
            for node in self.nodes.values():
                node.start()
                self._stack.callback(node.kill)
            for node in self.nodes.values():
                node.wait_ready()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it."""
        self._stack.close()

    def _start_links(self) -> None:
        given = json.dumps([[name, *ends] for name, ends in self._ways.items()])
        command = [sys.executable, "-m", "tests.stream.chaos_links", given]
        self._links = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._stack.callback(self._links.communicate)
        assert self._links.stdout is not None
        assert self._links.stdout.readline() == "ready\n"

    def servers(self, guest: str = "clients") -> str:
        """Return the servers as an outbox address of this guest names them."""
        ports = [self._ways[f"{guest}-{number}"][0] if self._ways else node.port for number, node in self.nodes.items()]
        return "nats://" + ",".join(f"127.0.0.1:{port}" for port in ports)

    def cut(self, end: int | str, *, from_guests: bool = True) -> None:
        """Cut a node or a guest from all others until `heal`; a node, if wanted, only from the other nodes."""
        names = [name for name in self._ways if str(end) in name.split("-")]
        self._cut([name for name in names if from_guests or name.partition("-")[0].isdigit()])

    def heal(self) -> None:
        """Open all links."""
        self._cut([])

    def _cut(self, names: list[str]) -> None:
        assert self._links is not None, "guests"
        assert self._links.stdin is not None
        assert self._links.stdout is not None
        self._links.stdin.write(" ".join(names) + "\n")
        self._links.stdin.flush()
        assert self._links.stdout.readline().startswith("cut")

    def leader(self, stream: str, asked: int | None = None) -> Node:
        """Return the node that leads a stream, as another one (by default the first that runs) knows it."""
        for node in [self.nodes[asked]] if asked else self.nodes.values():
            try:
                found = node.asked("jsz?streams=true&accounts=true")
            except OSError:
                continue
            for account in found["account_details"]:
                for each in account.get("stream_detail", []):
                    if each["name"] == stream:
                        return self.nodes[int(each.get("cluster", {}).get("leader", "n1")[1:])]
        raise AssertionError(f"no node knows the stream {stream}")


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
