"""How uvicorn is set up here: the same for the collector and its admin address, in one process or in several."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from starlette.types import ASGIApp

from engine.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

MISSING = "The collector needs packages that are not installed ({name}): pip install 'waybill[server]'."
LISTEN_BACKLOG = 2048
REQUEST_GRACE = 10
"""Seconds that running requests get at shutdown."""
BODY_GRACE = 5.0
"""Seconds that bodies still arriving get at shutdown; less than `REQUEST_GRACE`, so that they are answered."""
OPEN_FILES = 65536


def config(
    app: ASGIApp, *, proxies: str = "", lifespan: Literal["on", "off"] = "off", workers: int = 1
) -> uvicorn.Config:
    """Return how an application is served; raise UsageError if packages are missing."""
    try:
        import uvicorn

        from engine.collector.http import LimitedProtocol
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "httptools"):
            raise
        raise UsageError(MISSING.format(name=error.name)) from error
    return uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        log_level="critical",  # the application logs what is wrong with requests, in its own format
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        backlog=LISTEN_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=REQUEST_GRACE,
        workers=workers,
    )


def server(config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that leaves signals to us: delivery has to end after it, not with it."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(config)


def allow_many_connections() -> None:
    """Raise the limit of open files, one for each connection: it is usually 1,024 where the system allows far more."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if 0 <= soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
