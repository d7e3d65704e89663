"""An editor as far as the tests need one: pygls' own client, which starts `engine lsp` and talks to it over pipes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

PATIENCE = 60
"""Seconds after which a test fails instead of waiting on."""


class Editor:
    """One session with the server; the methods are what a person does."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.problems: dict[str, list[types.Diagnostic]] = {}
        self.messages: list[str] = []
        self._published = asyncio.Event()
        self._version = 0

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.problems[params.uri] = list(params.diagnostics)
            self._published.set()

        @client.feature(types.WINDOW_SHOW_MESSAGE)
        def shown(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

    def open(self, path: Path, text: str) -> str:
        uri = path.as_uri()
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "yaml", self._version, text))
        )
        return uri

    def type(self, uri: str, text: str) -> None:
        self._version += 1
        document = types.VersionedTextDocumentIdentifier(version=self._version, uri=uri)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))

    async def shows(self, uri: str, codes: list[str]) -> None:
        """Wait until the editor shows problems with these codes in a file; fail with those that it shows instead."""
        while self._codes(uri) != codes:
            self._published.clear()
            try:
                await asyncio.wait_for(self._published.wait(), PATIENCE / 2)
            except TimeoutError:
                raise AssertionError(f"{uri} has {self._codes(uri)}, not {codes}") from None
        self.problems.pop(uri)

    def _codes(self, uri: str) -> list[str] | None:
        found = self.problems.get(uri)
        return None if found is None else [str(each.code) for each in found]


def at(uri: str, text: str, needle: str, further: int = 0) -> types.TextDocumentPositionParams:
    """Return the position of some text, in UTF-16 units."""
    index = text.index(needle) + further
    line = text[:index].split("\n")
    units = len(line[-1].encode("utf-16-le")) // 2
    return types.TextDocumentPositionParams(types.TextDocumentIdentifier(uri), types.Position(len(line) - 1, units))


def in_editor(work: Callable[[Editor], Awaitable[None]], *arguments: str, options: object = None) -> int | None:
    """Do `work` with a server that was started with some arguments; return its exit code."""
    return asyncio.run(asyncio.wait_for(_session(work, arguments, options), PATIENCE))


async def _session(
    work: Callable[[Editor], Awaitable[None]], arguments: tuple[str, ...], options: object
) -> int | None:
    client = LanguageClient("tests", "1")
    editor = Editor(client)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    await client.start_io(sys.executable, "-m", "engine", "lsp", *arguments, env=environment)
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities(), initialization_options=options))
    client.initialized(types.InitializedParams())
    await work(editor)
    await client.shutdown_async(None)
    client.exit(None)
    assert client._server is not None
    code = await client._server.wait()
    await client.stop()
    return code
