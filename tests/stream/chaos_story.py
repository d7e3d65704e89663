"""A run of collectors and workers on a cluster, with what is done to them meanwhile and what became of the events.

Used by the tests, by `samples/demo_scale.py` and by `benchmarks/stream.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from tests.stream.chaos_check import Comparison, compare
from tests.stream.chaos_load import ChaosLoad, Shape
from tests.stream.chaos_processes import ServeProcess, connections_file
from tests.stream.chaos_vendor import ChaosVendor, chaos_vendor
from tests.stream.cluster import Cluster, free_ports


class Size(NamedTuple):
    """How many of each there are; `guests` are workers that reach the nodes by links of their own.

    With `both`, collectors deliver as well. The vendor answers after `delay` seconds.
    """

    nodes: int
    workers: int
    collectors: int
    partitions: int
    guests: Sequence[str] = ()
    delay: float = 0.005
    both: bool = False


class ChaosStory:
    """Everything that runs, while the `with` lasts; `workers` and `collectors` by their names: w1, w2, c1."""

    def __init__(self, directory: Path, size: Size) -> None:
        self._stack, self._size = ExitStack(), size
        self._directory = directory
        self.cluster = Cluster(directory, size.nodes, ("clients", *size.guests) if size.guests else ())
        self.workers: dict[str, ServeProcess] = {}
        self.collectors: dict[str, ServeProcess] = {}
        self.load: ChaosLoad

    def __enter__(self) -> Self:
        """Start all of it, and wait until it works."""
        try:
            self._stack.enter_context(self.cluster)
            self.vendor: ChaosVendor = self._stack.enter_context(chaos_vendor(self._size.delay))
            self._connections = connections_file(self._directory, self.vendor.url)
            self._ports = free_ports(self._size.collectors)
            only = "" if self._size.both else "collector"
            for number, port in enumerate(self._ports, 1):
                self.collectors[f"c{number}"] = self._process(f"c{number}", only, "--port", str(port)).start()
            for number in range(1, self._size.workers + 1):
                self.start_worker(f"w{number}")
            for each in (*self.collectors.values(), *self.workers.values()):
                each.ready()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it at once."""
        self._stack.close()

    def address(self, guest: str = "clients") -> str:
        """Return the outbox address of who has this name."""
        servers = self.cluster.servers(guest if guest in self._size.guests else "clients")
        return f"{servers}/chaos?partitions={self._size.partitions}&replicas={self._size.nodes}"

    def _process(self, name: str, only: str, *options: str) -> ServeProcess:
        process = ServeProcess(name, self._connections, self.address(name), only, *options)
        self._stack.callback(process.kill)
        return process

    def start_worker(self, name: str) -> ServeProcess:
        """Start one more worker; it works some time after that."""
        self.workers[name] = self._process(name, "delivery").start()
        return self.workers[name]

    async def worker(self, name: str) -> ServeProcess:
        """Start one more worker while everything goes on, until it works."""
        return await asyncio.to_thread(self.start_worker(name).ready)

    async def again(self, name: str) -> ServeProcess:
        """Start a collector that was killed, at its port."""
        return await asyncio.to_thread(self.collectors[name].start().ready)

    def loading(self, shape: Shape) -> ChaosLoad:
        """Return the load, which is to be run."""
        self.load = ChaosLoad(shape, self._ports)
        return self.load

    async def shared_out(self, patience: float = 60.0) -> None:
        """Wait until every partition has an owner, and every worker its share, rounded down at least."""
        deliverers = [*self.workers.values(), *(self.collectors.values() if self._size.both else ())]
        async with asyncio.timeout(patience):
            while True:
                owned = [len(await asyncio.to_thread(each.owned)) for each in deliverers]
                if sum(owned) == self._size.partitions and min(owned) >= self._size.partitions // len(owned):
                    return
                await asyncio.sleep(0.1)

    async def delivered(self, patience: int) -> int:
        """Wait until everything that was answered 200 is delivered, or for these seconds; return how much is."""
        return await asyncio.to_thread(self.vendor.wait, len(self.load.answered), patience)

    def compared(self) -> Comparison:
        """Return what became of the events."""
        return compare(self.load.sent, self.load.answered, self.vendor.arrived())
