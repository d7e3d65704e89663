"""uvicorn as it is used here: the same for the collector and its admin listener, in one process or in several."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from starlette.types import ASGIApp

from engine.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

MISSING = "The collector needs packages that are not installed ({name}): pip install 'waybill[server]'."
BACKLOG = 2048
GRACE = 10
"""Seconds that requests which run may take when the end comes."""
LAST_BODIES = 5.0
"""Seconds for bodies that are on their way when the end comes; less than what the server waits for requests."""
OPEN_FILES = 65536


def settings(
    app: ASGIApp, *, proxies: str = "", lifespan: Literal["on", "off"] = "off", workers: int = 1
) -> uvicorn.Config:
    """Return how an application is served; raises UsageError where packages are missing."""
    try:
        import uvicorn

        from engine.collector.http import Protocol
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "httptools"):
            raise
        raise UsageError(MISSING.format(name=error.name)) from error
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        log_level="critical",  # what is wrong with requests is the application's to tell, in its own form
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
        workers=workers,
    )


def server(config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that leaves signals to us: delivery ends after it, not with it."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(config)


def allow_many_connections() -> None:
    """Each connection is an open file, and the usual limit is 1,024 where the system allows far more."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if 0 <= soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
