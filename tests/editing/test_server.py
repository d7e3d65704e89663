"""A real client talks to `engine lsp` over pipes: each feature once, as an editor uses it."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types

from tests.editing.client import Editor, at, in_editor

MAPPING = """\
mapping: 1
name: shop
title: Shop
about: A mapping of a test.
docs: https://example.com
settings:
  api_key: { title: API Key, type: string, secret: true, sent_in: body, example: k3y }
http: { base_url: "https://api.example.com" }
requests: { send: { path: /send } }
parts:
  who: [userId, anonymousId]
calls:
  track:
    - request: send
      fields:
        key: settings.api_key
        id: parts.who # 🎉
        total: { from: properties.total, as: number }
examples:
  - title: An order
    event: { type: track, messageId: m1, event: Bought, userId: u1, properties: { total: "1.5", currency: EUR } }
    expect: [send: { id: u1, total: 1.5 }]
"""


def test_a_session(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"

    async def work(editor: Editor) -> None:
        uri = editor.open(path, MAPPING)
        assert await editor.codes(uri) == []
        client = editor.client

        typed = MAPPING.replace("properties.total", "properties.")
        editor.type(uri, typed)
        where = at(uri, typed, "properties.", len("properties."))
        found = await client.text_document_completion_async(types.CompletionParams(where.text_document, where.position))
        assert isinstance(found, types.CompletionList)
        assert [(item.label, item.detail) for item in found.items] == [("total", "1.5"), ("currency", "EUR")]
        assert await editor.codes(uri) == ["path-syntax"]

        wrong = MAPPING.replace("parts.who #", "parts.woh #")
        editor.type(uri, wrong)
        assert await editor.codes(uri) == ["unknown-part"]
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
        assert await editor.codes(uri) == []
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
        used = await client.text_document_references_async(
            types.ReferenceParams(types.ReferenceContext(True), where.text_document, where.position)
        )
        assert used is not None
        assert len(used) == 2

    assert in_editor(work) == 0
