"""The SDK's own client talks to `engine mcp` over pipes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.assistant.test_tools import EVENT, MAPPING

if TYPE_CHECKING:
    from mcp.client.session import ClientSession

PATIENCE = 40


@pytest.mark.slow  # both ends import the SDK, which takes a second each
def test_a_session(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(MAPPING)
    names, answers, refused = asyncio.run(asyncio.wait_for(_session(tmp_path), PATIENCE))
    assert names == ["validate", "run", "explain", "test", "search_functions", "search_docs"]
    assert answers["validate"] == {"valid": True, "problems": []}
    assert answers["run"]["requests"][0]["body"] == {"key": "***", "id": "u1", "total": 2}
    assert answers["explain"]["outcome"] == "planned"
    assert answers["test"] == {"examples": 1, "failed": [], "problems": []}
    assert answers["search_functions"]["functions"][0]["name"] == "lowercase"
    assert answers["search_docs"]["sections"]
    assert (
        refused == "Error executing tool test: ../x.yaml is outside of the folder that this server may read (--root)."
    )


async def _session(root: Path) -> tuple[list[str], dict[str, Any], str]:
    from mcp.client.session import ClientSession  # here: each worker would import it for a second, to collect one test
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters(command=sys.executable, args=["-m", "engine", "mcp", "--root", str(root)])
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        listed = (await session.list_tools()).tools
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in listed)
        asked: dict[str, dict[str, Any]] = {
            "validate": {"mapping": "shop.yaml"},
            "run": {"mapping": "shop.yaml", "event": EVENT},
            "explain": {"mapping": "shop.yaml", "event": EVENT},
            "test": {"mapping": "shop"},
            "search_functions": {"query": "lower"},
            "search_docs": {"query": "as lowercase"},
        }
        answers = {name: json.loads(await _text(session, name, given)) for name, given in asked.items()}
        return [tool.name for tool in listed], answers, await _text(session, "test", {"mapping": "../x.yaml"})


async def _text(session: ClientSession, name: str, given: dict[str, Any]) -> str:
    result = await session.call_tool(name, given)
    content = result.content[0]
    assert content.type == "text"
    return content.text
