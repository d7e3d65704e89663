"""The tools over the Model Context Protocol, on standard input and output."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError as RefusedError
from mcp_types import ToolAnnotations
from pydantic import ValidationError

from engine.assistant.tools import Tools, answer, short
from engine.errors import WaybillError

READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
ABOUT = (
    "Checks and tries mappings: YAML files that turn Segment events into a vendor's HTTP requests. After every change "
    "of a mapping call `validate`; it says what is wrong, where, and what to write. `search_docs` has the mapping "
    "language, `search_functions` the functions of `as`. Nothing is sent, and no file is changed."
)


def serve(root: Path) -> None:
    """Serve one assistant until it closes standard input."""
    server(root).run("stdio")


class _Server(MCPServer[Any]):
    """The SDK's server, which says in one sentence what is wrong with the arguments of a call."""

    async def call_tool(self, *call: Any, **more: Any) -> Any:
        """Call a tool; raises ToolError."""
        try:
            return await super().call_tool(*call, **more)
        except RefusedError as error:
            if isinstance(error.__cause__, ValidationError):
                raise RefusedError(_wrong_arguments(call[0], error.__cause__)) from None
            raise


def _wrong_arguments(tool: str, error: ValidationError) -> str:
    """Return what is wrong with arguments, without their values and without addresses of another project."""
    found = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        name = short(".".join(map(str, each["loc"])))
        found.append(
            f'The argument "{name}" is missing.'
            if each["type"] == "missing"
            else f'The argument "{name}" is wrong: {each["msg"][:1].lower()}{each["msg"][1:]}.'
        )
    return f"The tool {tool} was not called. {' '.join(found)}"


def server(root: Path) -> MCPServer[Any]:
    """Return the server with its tools."""
    tools = Tools(root)
    made: MCPServer[Any] = _Server("waybill", version=version("waybill"), instructions=ABOUT, log_level="CRITICAL")

    @made.tool(annotations=READS, structured_output=False)
    def validate(mapping: str, text: str | None = None) -> str:
        """Check a mapping and run its examples: every problem with line, column and what to do.

        mapping: a path below the root, such as mappings/shop.yaml, or the name of a mapping that ships.
        text: the YAML to check as that file, before it is written; without it the file is read.
        """
        return _answered(lambda: tools.validate(mapping, text))

    @made.tool(annotations=READS, structured_output=False)
    def run(mapping: str, event: dict[str, Any], settings: dict[str, Any] | None = None) -> str:
        """Show which requests one event becomes, without sending them.

        event: as Segment sends it, such as {"type": "track", "event": "Order Completed", "userId": "u1"}.
        settings: of the connection, by name; those not given take the mapping's examples.
        """
        return _answered(lambda: tools.run(mapping, event, settings))

    @made.tool(annotations=READS, structured_output=False)
    def explain(mapping: str, event: dict[str, Any], settings: dict[str, Any] | None = None) -> str:
        """Explain what one event becomes: the rule of each output field, why fields are absent, what is never read.

        The arguments are those of `run`.
        """
        return _answered(lambda: tools.explain(mapping, event, settings))

    @made.tool(annotations=READS, structured_output=False)
    def test(mapping: str) -> str:
        """Run the examples of a mapping: how many there are, which fail, and what differs."""
        return _answered(lambda: tools.test(mapping))

    _searches(made, tools)
    return made


def _searches(made: MCPServer[Any], tools: Tools) -> None:
    @made.tool(annotations=READS, structured_output=False)
    def search_functions(query: str) -> str:
        """Find functions of `as`, which convert values: by what they do, or by their name in other tools."""
        return _answered(lambda: tools.search_functions(query))

    @made.tool(annotations=READS, structured_output=False)
    def search_docs(query: str) -> str:
        """Find sections of the documentation: the mapping language, problems, settings, delivery."""
        return _answered(lambda: tools.search_docs(query))


def _answered(ask: Callable[[], Any]) -> str:
    """Return an answer as JSON; whatever goes wrong is one sentence, and no traceback leaves."""
    try:
        return answer(ask())
    except WaybillError as error:
        raise RefusedError(str(error)) from None
    except Exception as error:  # noqa: BLE001  the assistant goes on with another question
        raise RefusedError(f"Internal error ({type(error).__name__}); please report it.") from None
