"""A process that runs queries of strangers and nothing else: its memory has a hard bound, and so has its time.

DuckDB keeps to its limit of memory and can be interrupted almost always.  A single call of a function may do neither:
`repeat` of a billion characters takes its two gigabytes at once.  So whoever runs such queries does it in a process of
its own, and inside `contained`.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.archive.connecting import QueryLimits
from engine.errors import UsageError

BESIDES = 1_500_000_000
"""Bytes that a process may take besides what it has and DuckDB's limit: stacks of threads, rows on their way out."""
GRACE = 5.0
"""Seconds that an interrupted query has to end by itself."""
LEAST, MOST = 64_000_000, 1_000_000_000_000
"""Bytes that a limit of memory may name."""
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(MB|GB|TB)", re.IGNORECASE)
_UNITS = {"MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000}


def memory_bytes(text: str) -> int:
    """Return the bytes of `500MB` or `2GB`; raises UsageError for anything else, and for what is too little or much."""
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if not LEAST <= size <= MOST:
        raise UsageError(f'memory must be a size from 64MB to 1TB, such as 500MB or 2GB; it is "{text[:40]}".')
    return size


@contextmanager
def contained(limits: QueryLimits, code: int = 1, what: str = "The query") -> Iterator[None]:
    """Bound the memory of this process while something runs, and end it with `code` if a query ignores its own end.

    `what` begins the sentence that is printed then. Where the system knows no such bound of memory (macOS), only the
    time is bounded.
    """
    timer = threading.Timer(limits.seconds + GRACE, _end, (limits.seconds, code, what))
    timer.daemon = True
    timer.start()
    before = _bound_memory(_allocated() + memory_bytes(limits.memory) + BESIDES)
    try:
        yield
    finally:
        timer.cancel()
        if before is not None:
            _bound_memory(*before)


def _allocated() -> int:
    """Return the bytes that this process has allocated, 0 where the system does not say."""
    with suppress(OSError, ValueError):
        found = re.search(r"^VmData:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


def _bound_memory(soft: int, hard: int | None = None) -> tuple[int, int] | None:
    """Set the bound of what this process may allocate; return the one before, None where there is no such thing."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        before = resource.getrlimit(resource.RLIMIT_DATA)
        most = before[1] if hard is None else hard
        bounds = [each for each in (soft, before[0] if hard is None else soft, most) if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(bounds, default=soft), most))
        return before
    return None


def _end(seconds: float, code: int, what: str) -> None:
    """End the process at once: a thread of DuckDB is inside a function that cannot be interrupted."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{what} was ended after {seconds:g} seconds; ask for less, such as fewer days.\n")
        sys.stderr.flush()
    os._exit(code)
