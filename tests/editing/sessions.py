"""What test_server.py does in an editor; apart, for lsprotocol takes half a second to import."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.editing.client import Editor, at, in_editor
from tests.editing.mapping import MAPPING


def each_feature(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"

    async def work(editor: Editor) -> None:
        uri = editor.open(path, MAPPING)
        await editor.shows(uri, [])
        client = editor.client

        typed = MAPPING.replace("properties.total", "properties.")
        editor.type(uri, typed)
        where = at(uri, typed, "properties.", len("properties."))
        found = await client.text_document_completion_async(types.CompletionParams(where.text_document, where.position))
        assert isinstance(found, types.CompletionList)
        assert [(item.label, item.detail) for item in found.items] == [("total", "1.5"), ("currency", "EUR")]
        await editor.shows(uri, ["path-syntax"])

        wrong = MAPPING.replace("parts.who #", "parts.woh #")
        editor.type(uri, wrong)
        await editor.shows(uri, ["unknown-part"])
        where = at(uri, wrong, "woh")
        here = types.Range(where.position, where.position)
        parameters = types.CodeActionParams(where.text_document, here, types.CodeActionContext(diagnostics=[]))
        actions = await client.text_document_code_action_async(parameters)
        assert actions is not None
        assert [action.title for action in actions] == ["Replace woh with who"]
        action = actions[0]
        assert isinstance(action, types.CodeAction)
        assert action.edit is not None
        assert action.edit.changes is not None
        line, character = where.position.line, where.position.character
        place = types.Range(types.Position(line, character), types.Position(line, character + 3))
        assert list(action.edit.changes[uri]) == [types.TextEdit(place, "who")]

        editor.type(uri, MAPPING)
        await editor.shows(uri, [])
        where = at(uri, MAPPING, "parts.who", len("parts.w"))
        hovered = await client.text_document_hover_async(types.HoverParams(where.text_document, where.position))
        assert hovered is not None
        assert isinstance(hovered.contents, types.MarkupContent)
        assert hovered.contents.value == (
            'part **who**, shop\\.yaml\\:11\n\nparts\\.who in the example “An order”:\n```\n"u1"\n```'
        )
        target = await client.text_document_definition_async(
            types.DefinitionParams(where.text_document, where.position)
        )
        definition = at(uri, MAPPING, "who: [")
        assert isinstance(target, types.Location)
        assert (target.uri, target.range.start) == (uri, definition.position)
        renaming = types.RenameParams(where.text_document, where.position, "person")
        renamed = await client.text_document_rename_async(renaming)
        assert renamed is not None
        assert renamed.changes is not None
        assert [(edit.range.start, edit.new_text) for edit in renamed.changes[uri]] == [
            (definition.position, "person"),
            (at(uri, MAPPING, "who # ").position, "person"),
        ]
        loose = MAPPING.replace("title: Shop", "title:   Shop")
        editor.type(uri, loose)
        options = types.FormattingOptions(tab_size=2, insert_spaces=True)
        changed = await client.text_document_formatting_async(
            types.DocumentFormattingParams(where.text_document, options)
        )
        assert changed
        editor.type(uri, MAPPING)
        used = await client.text_document_references_async(
            types.ReferenceParams(types.ReferenceContext(True), where.text_document, where.position)
        )
        assert used is not None
        assert len(used) == 2

    assert in_editor(work) == 0


PARTS = "about: Parts.\nparts: { who: [userId, anonymousId] }\n"
INCLUDING = MAPPING.replace("parts:\n  who: [userId, anonymousId]\n", "include: [common]\n")


def files_that_belong_together_and_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    parts = tmp_path / "parts" / "common.yaml"
    parts.write_text(PARTS)
    samples = tmp_path / "none.ndjson"

    async def work(editor: Editor) -> None:
        uri = editor.open(tmp_path / "shop.yaml", INCLUDING.replace("\n", "\r\n"))
        await editor.shows(uri, [])
        assert editor.messages == [f"File {samples} does not exist; name a file of events, or - for standard input."]

        included = editor.open(parts, PARTS)
        await editor.shows(included, [])
        editor.type(included, PARTS.replace("who:", "whom:"))  # not saved, but open
        await editor.shows(uri, ["unused-include", "unknown-part"])
        editor.type(included, PARTS + "x: [")
        await editor.shows(included, ["not-closed"])
        editor.type(included, PARTS)
        await editor.shows(uri, [])

        for name, text in [("other.yaml", "a: [b"), ("package.json", "{"), ("connections.yaml", "connections: {}\n")]:
            other = editor.open(tmp_path / name, text)
            await editor.shows(other, [])
            where = at(other, text, text[0])
            hovered = await editor.client.text_document_hover_async(
                types.HoverParams(where.text_document, where.position)
            )
            assert hovered is None

        huge = editor.open(tmp_path / "huge.yaml", MAPPING + "# " + "x" * 1024 * 1024)
        await editor.shows(huge, ["too-large"])
        half = editor.open(tmp_path / "half.yaml", MAPPING + "x: [")
        await editor.shows(half, ["not-closed"])
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(half)))
        await editor.shows(half, [])

        where = at(uri, INCLUDING, "parts.who", len("parts.w"))
        with pytest.raises(JsonRpcException, match='"1" is no name: write lowercase letters'):
            await editor.client.text_document_rename_async(types.RenameParams(where.text_document, where.position, "1"))
        nowhere = types.Position(9999, 9999)
        found = await editor.client.text_document_completion_async(types.CompletionParams(where.text_document, nowhere))
        assert isinstance(found, types.CompletionList)
        editor.client.protocol.notify("textDocument/nothing", {"a": 1})
        assert await editor.client.text_document_hover_async(types.HoverParams(where.text_document, nowhere)) is None

    assert in_editor(work, options={"events": str(samples), "mappings": 7}) == 0
