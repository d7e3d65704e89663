"""The internals of uvicorn that the collector overrides or uses, exactly: uvicorn promises nothing about them.

A new version of uvicorn that changes one fails here, by name, instead of in a client's request.  Then read what it
does now, adapt the engine and this table, and move the bound in pyproject.toml.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httptools
import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from engine.collector import http
from engine.collector import server as collector_server
from engine.collector.http import LimitedProtocol
from engine.collector.server import Supervisor, WorkerProcess

OVERRIDDEN = {
    "HttpToolsProtocol.connection_made": "self, transport",
    "HttpToolsProtocol.connection_lost": "self, exc",
    "HttpToolsProtocol.data_received": "self, data",
    "HttpToolsProtocol.on_message_begin": "self",
    "HttpToolsProtocol.on_url": "self, url",
    "HttpToolsProtocol.on_header": "self, name, value",
    "HttpToolsProtocol.on_headers_complete": "self",
    "HttpToolsProtocol.on_body": "self, body",
    "HttpToolsProtocol.on_message_complete": "self",
    "HttpToolsProtocol._unsupported_upgrade_warning": "self",
    "HttpToolsProtocol.send_400_response": "self, msg",
    "Multiprocess.init_processes": "self",
    "Multiprocess.keep_subprocess_alive": "self",
    "Process.target": "self, sockets",
    "Process.start": "self",
}
USED = {
    "HttpToolsProtocol": {
        "cycle",
        "headers",
        "loop",
        "parser",
        "pipeline",
        "timeout_keep_alive",
        "timeout_keep_alive_handler",
        "timeout_keep_alive_task",
        "transport",
        "url",
        "_unset_keepalive_if_required",
    },
    "Multiprocess": {"config", "processes", "processes_num", "should_exit", "signal_queue", "sockets"},
    "Process": {"config", "process"},
}
CLASSES = {
    "HttpToolsProtocol": (HttpToolsProtocol, LimitedProtocol),
    "Multiprocess": (Multiprocess, Supervisor),
    "Process": (Process, WorkerProcess),
}


def changed(name: str) -> str:
    return f"uvicorn {uvicorn.__version__} changed {name}, which engine/collector/ relies on"


def tree(source: object) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(source)))  # type: ignore[arg-type]


def self_names(source: object) -> set[str]:
    """Return every `x` of `self.x`."""
    return {
        node.attr
        for node in ast.walk(tree(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_overridden_methods_have_these_parameters(name: str) -> None:
    owner, _, method = name.partition(".")
    found: Callable[..., object] | None = getattr(CLASSES[owner][0], method, None)
    assert found is not None, changed(name)
    assert ", ".join(inspect.signature(found).parameters) == OVERRIDDEN[name], changed(name)


@pytest.mark.parametrize("owner", CLASSES)
def test_the_tables_are_complete(owner: str) -> None:
    theirs, ours = CLASSES[owner]
    everything = {*dir(theirs), *self_names(theirs)}
    overridden = {name for name in vars(ours) if name in everything and not name.startswith("__")}
    assert {f"{owner}.{name}" for name in overridden} == {name for name in OVERRIDDEN if name.startswith(owner)}
    assert (self_names(ours) & everything) - overridden == USED[owner]


def protocol() -> HttpToolsProtocol:
    """Return a protocol of uvicorn's in the middle of a request."""
    config = uvicorn.Config(lambda *_: None, ws="none", log_config=None)  # type: ignore[arg-type]
    made = HttpToolsProtocol(config, ServerState(), {}, asyncio.new_event_loop())
    made.loop.close()
    made.on_message_begin()
    return made


@pytest.mark.parametrize("name", sorted(USED["HttpToolsProtocol"]))
def test_used_attributes_of_the_protocol(name: str) -> None:
    assert hasattr(protocol(), name), changed(f"HttpToolsProtocol.{name}")


def test_what_the_attributes_are() -> None:
    made = protocol()
    assert (made.url, made.headers, len(made.pipeline)) == (b"", [], 0), changed("HttpToolsProtocol")
    assert made.timeout_keep_alive_task is None, changed("HttpToolsProtocol.timeout_keep_alive_task")
    assert isinstance(made.parser, httptools.HttpRequestParser), changed("HttpToolsProtocol.parser")
    assert "response_complete" in self_names(RequestResponseCycle), changed("RequestResponseCycle.response_complete")


HANDLED = {"HttpParserError": "send_400_response", "HttpParserUpgrade": "_unsupported_upgrade_warning"}


@pytest.mark.parametrize("error", HANDLED)
def test_which_method_is_called_while_an_error_of_the_parser_is_handled(error: str) -> None:
    """Both methods ask `sys.exception()` for the error, so they have to be called by its handler."""
    handlers = [node for node in ast.walk(tree(HttpToolsProtocol.data_received)) if isinstance(node, ast.ExceptHandler)]
    [handler] = [each for each in handlers if each.type is not None and ast.unparse(each.type).endswith(error)]
    called = {
        node.func.attr
        for node in ast.walk(handler)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert HANDLED[error] in called, changed("HttpToolsProtocol.data_received")


def test_the_supervisor_calls_what_is_overridden() -> None:
    made = self_names(Multiprocess.run)
    assert {"init_processes", "keep_subprocess_alive", "should_exit", "terminate_all", "join_all"} <= made, changed(
        "Multiprocess.run"
    )
    assert self_names(Multiprocess.__init__) >= USED["Multiprocess"], changed("Multiprocess.__init__")


def test_processes_and_signals() -> None:
    assert [*inspect.signature(Process).parameters] == ["config", "sockets"], changed("Process")
    for name in ("start", "join", "kill", "pid", "exitcode"):
        assert hasattr(Process, name), changed(f"Process.{name}")
    assert "process" in self_names(Process.__init__), changed("Process.process")
    assert STARTUP_FAILURE == 3, changed("STARTUP_FAILURE")
    assert {"SIGINT", "SIGTERM"} <= {f"SIG{name}" for name in SIGNALS.values()}, changed("SIGNALS")


def test_the_server_leaves_signals_to_a_method() -> None:
    server = uvicorn.Server(uvicorn.Config(lambda *_: None))  # type: ignore[arg-type]
    assert isinstance(server.capture_signals(), AbstractContextManager), changed("Server.capture_signals")
    assert "capture_signals" in self_names(uvicorn.Server.serve), changed("Server.serve")


def test_nothing_else_of_uvicorn_is_imported() -> None:
    """Whoever imports more of it adds it here, or knows that it is public."""
    imported = {
        f"{node.module}.{alias.name}"
        for module in (http, collector_server)
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("uvicorn")
        for alias in node.names
    }
    assert imported == {
        "uvicorn.config.STARTUP_FAILURE",
        "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol",
        "uvicorn.supervisors.multiprocess.Multiprocess",
        "uvicorn.supervisors.multiprocess.Process",
        "uvicorn.supervisors.multiprocess.SIGNALS",
    }
