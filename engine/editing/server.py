"""The language server over standard input and output: what an editor sends, handed to the modules beside this one.

All work is done on one thread, one after the other, because generated code that records is not for several threads.
Texts are synchronized whole: a mapping has at most 1 MB, and nothing can then drift apart.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from engine.editing import fixes
from engine.editing.completion import Completion, complete
from engine.editing.hover import hover
from engine.editing.layout import layout
from engine.editing.positions import Encoding, Position, Range, Replacement, TextLines
from engine.editing.symbols import NamePlace, Navigation
from engine.editing.workspace import RefusedError, Workspace
from engine.errors import UsageError
from engine.mapping.problems import Problem

Found = TypeVar("Found")

WAIT = 0.2
"""Seconds without a keystroke before a file is checked."""
REQUEST_FAILED = -32803
KINDS = {
    "key": types.CompletionItemKind.Property,
    "field": types.CompletionItemKind.Field,
    "function": types.CompletionItemKind.Function,
    "part": types.CompletionItemKind.Variable,
    "setting": types.CompletionItemKind.Constant,
    "request": types.CompletionItemKind.Method,
    "mapping": types.CompletionItemKind.File,
    "word": types.CompletionItemKind.EnumMember,
}


class MappingServer(LanguageServer):
    """One editor's session."""

    def __init__(self, directories: Iterable[Path], samples: Iterable[Path]) -> None:
        super().__init__("waybill", version("waybill"), text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self._directories = list(directories)
        self._samples = list(samples)
        self.files = Workspace(self._directories or None)
        self._uris: dict[Path, str] = {}
        self._waiting: dict[Path, asyncio.Task[None]] = {}
        self._found: dict[Path, list[Problem]] = {}
        """The problems by the open file that was checked; some are in files that it includes."""
        self._shown: dict[Path, list[types.Diagnostic]] = {}
        """What the editor shows, by file."""
        self._worker = ThreadPoolExecutor(1, "checks")

    # Starting.

    def begin(self, options: object) -> list[str]:
        """Take the options of the editor and of the command; return what could not be read."""
        given = cast("dict[str, Any]", options) if isinstance(options, dict) else {}
        folders = [*self._directories, *map(Path, _texts(given.get("mappings")))]
        missing, samples = [], []
        for path in [*self._samples, *map(Path, _texts(given.get("events")))]:
            try:
                Workspace(samples=[path])
                samples.append(path)
            except UsageError as error:
                missing.append(str(error))
        missing += [f"{folder} is not a folder." for folder in folders if not folder.is_dir()]
        self.files = Workspace([folder for folder in folders if folder.is_dir()] or None, samples)
        return missing

    # Requests.

    async def answer(self, uri: str, work: Callable[[Path], Found]) -> Found | None:
        """Run `work` for a mapping that is open; None for another file. No error but a refusal reaches the editor."""
        path = _path(uri)
        if path is None or self.files.kind(path) is None:
            return None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, path)
        except RefusedError as error:
            raise JsonRpcException(str(error), REQUEST_FAILED) from None
        except Exception as error:  # noqa: BLE001  the editor goes on without this answer
            self.note(error)
            return None

    def note(self, error: Exception) -> None:
        """Tell the log of the editor that something is wrong with this server, without a traceback."""
        sys.stderr.write(f"waybill: internal error ({type(error).__name__}); please report it.\n")

    def lines(self, path: Path) -> TextLines:
        """Return the text of an open file by lines."""
        return TextLines(self.files.text(path), self.encoding)

    @property
    def encoding(self) -> Encoding:
        """What this editor counts columns in."""
        return cast("Encoding", str(getattr(self.workspace.position_encoding, "value", "utf-16")))

    @property
    def navigation(self) -> Navigation:
        """Definitions and renames."""
        return Navigation(self.files, self.encoding)

    def changes(self, path: Path, wanted: Range) -> list[fixes.QuickFix]:
        """Return the changes that answer problems in a range of a file."""
        found = (each for each in self._found.get(path, ()) if Path(each.file).absolute() == path)
        return fixes.changes(list(found), self.lines(path), wanted)

    # Checking.

    def opened(self, uri: str, text: str) -> None:
        """Take the text of a file, and check it when nothing is typed for a moment."""
        path = _path(uri)
        if path is None:
            return
        self._uris[path] = uri
        self.files.open(path, text)
        self._check_soon(path)
        for user in self.files.users_of(path):
            self._check_soon(user)

    def closed(self, uri: str) -> None:
        """Forget a file and its problems."""
        path = _path(uri)
        if path is None:
            return
        if (waiting := self._waiting.pop(path, None)) is not None:
            waiting.cancel()
        self.files.close(path)
        self._found.pop(path, None)
        self._publish(path)
        self._uris.pop(path, None)

    def check_all(self) -> None:
        """Check every open file again: something on the disk has changed."""
        for path in self.files.texts:
            self._check_soon(path)

    def _check_soon(self, path: Path) -> None:
        if (waiting := self._waiting.get(path)) is not None:
            waiting.cancel()
        self._waiting[path] = asyncio.get_running_loop().create_task(self._check(path))

    async def _check(self, path: Path) -> None:
        await asyncio.sleep(WAIT)
        text = self.files.texts.get(path)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._worker, self._problems, path)
        except Exception as error:  # noqa: BLE001  the next keystroke tries again
            self.note(error)
            return
        if text is not None and self.files.texts.get(path) == text:
            self._found[path] = found
            self._publish(path)

    def _problems(self, path: Path) -> list[Problem]:
        found = self.files.problems(path)
        self.files.understood(path)
        return found

    def _publish(self, checked: Path) -> None:
        """Send the problems of the file that was checked or closed, and of every other that has new ones."""
        by_file: dict[Path, dict[Problem, None]] = {path: {} for path in (*self._shown, checked)}
        for problems in self._found.values():
            for problem in problems:
                by_file.setdefault(Path(problem.file).absolute(), {})[problem] = None
        for path, found in by_file.items():
            lines = self.lines(path)
            shown = [_diagnostic(problem, lines) for problem in found]
            if path == checked or shown != self._shown.get(path):
                uri = self._uris.get(path) or uris.from_fs_path(str(path)) or ""
                self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, shown))
                self._shown[path] = shown
            if not shown:
                self._shown.pop(path, None)


def serve(directories: Iterable[Path] = (), samples: Iterable[Path] = ()) -> None:
    """Serve one editor on standard input and output until it says so, or is gone."""
    log = logging.getLogger("pygls")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    server(directories, samples).start_io()


def server(directories: Iterable[Path] = (), samples: Iterable[Path] = ()) -> MappingServer:
    """Return a server with all its features."""
    made = MappingServer(directories, samples)
    _files(made)
    _writing(made)
    _changes(made)
    _names(made)
    return made


def _files(made: MappingServer) -> None:
    notices: list[str] = []

    @made.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        notices.extend(made.begin(params.initialization_options))

    @made.feature(types.INITIALIZED)
    def initialized(_params: types.InitializedParams) -> None:
        for message in notices:
            made.window_show_message(types.ShowMessageParams(types.MessageType.Warning, message))

    @made.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        made.opened(params.text_document.uri, params.text_document.text)

    @made.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        made.opened(uri, made.workspace.get_text_document(uri).source)

    @made.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        made.closed(params.text_document.uri)

    @made.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(_params: types.DidSaveTextDocumentParams) -> None:
        made.check_all()

    @made.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(_params: types.DidChangeWatchedFilesParams) -> None:
        made.check_all()


def _writing(made: MappingServer) -> None:
    triggers = types.CompletionOptions(trigger_characters=[".", "{", " ", '"'])

    @made.feature(types.TEXT_DOCUMENT_COMPLETION, triggers)
    async def completion(params: types.CompletionParams) -> types.CompletionList | None:
        def work(path: Path) -> list[Completion]:
            known = made.files.understood(path)
            kind = made.files.kind(path) or "mapping"
            return complete(made.files, made.lines(path), _position(params.position), known, kind)

        found = await made.answer(params.text_document.uri, work)
        return None if found is None else types.CompletionList(is_incomplete=False, items=list(map(_item, found)))

    @made.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        def work(path: Path) -> types.Hover | None:
            known = made.files.understood(path)
            kind = made.files.kind(path) or "mapping"
            found = hover(made.lines(path), _position(params.position), known, kind)
            if found is None:
                return None
            text = types.MarkupContent(types.MarkupKind.Markdown, found.markdown)
            return types.Hover(text, _range(found.range))

        return await made.answer(params.text_document.uri, work)


def _changes(made: MappingServer) -> None:
    @made.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        def work(path: Path) -> list[types.TextEdit]:
            return list(map(_edit, layout(made.lines(path), path.name)))

        return await made.answer(params.text_document.uri, work)

    @made.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    async def actions(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        def work(path: Path) -> list[types.CodeAction]:
            wanted = Range(_position(params.range.start), _position(params.range.end))
            uri, lines = params.text_document.uri, made.lines(path)
            return [_action(change, uri, lines) for change in made.changes(path, wanted)]

        return await made.answer(params.text_document.uri, work)


def _names(made: MappingServer) -> None:
    @made.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> types.Location | None:
        found = await made.answer(
            params.text_document.uri, lambda path: made.navigation.definition(path, _position(params.position))
        )
        return None if found is None else _location(found)

    @made.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def references(params: types.ReferenceParams) -> list[types.Location] | None:
        found = await made.answer(
            params.text_document.uri, lambda path: made.navigation.references(path, _position(params.position))
        )
        return None if found is None else list(map(_location, found))

    @made.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare(params: types.PrepareRenameParams) -> types.Range | None:
        found = await made.answer(
            params.text_document.uri, lambda path: made.navigation.nameable(path, _position(params.position))
        )
        return None if found is None else _range(found)

    @made.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        found = await made.answer(
            params.text_document.uri,
            lambda path: made.navigation.rename(path, _position(params.position), params.new_name),
        )
        if found is None:
            return None
        edits = {uris.from_fs_path(str(path)) or "": list(map(_edit, each)) for path, each in found.items()}
        return types.WorkspaceEdit(changes=edits)


# To and from the types of the protocol.


def _path(uri: str) -> Path | None:
    """Return the path of a file; None for what is not on a disk, such as an editor's unnamed text."""
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path).absolute() if path else None


def _texts(written: object) -> list[str]:
    """Read an option that is a text or a list of texts."""
    values = written if isinstance(written, list) else [written]
    return [value for value in values if isinstance(value, str)]


def _position(position: types.Position) -> Position:
    return Position(position.line, position.character)


def _range(found: Range) -> types.Range:
    return types.Range(types.Position(*found.start), types.Position(*found.end))


def _edit(edit: Replacement) -> types.TextEdit:
    return types.TextEdit(_range(edit.range), edit.text)


def _location(target: NamePlace) -> types.Location:
    return types.Location(uris.from_fs_path(str(target.path)) or "", _range(target.range))


def _item(item: Completion) -> types.CompletionItem:
    about = types.MarkupContent(types.MarkupKind.PlainText, item.about) if item.about else None
    return types.CompletionItem(
        item.label,
        kind=KINDS[item.kind],
        detail=item.detail or None,
        documentation=about,
        sort_text=f"{item.sort:04}",
        text_edit=_edit(item.edit),
        filter_text=item.edit.text if item.edit.text.startswith('"') else None,
    )


def _diagnostic(problem: Problem, lines: TextLines) -> types.Diagnostic:
    level = types.DiagnosticSeverity.Error if problem.level == "error" else types.DiagnosticSeverity.Warning
    tags = [types.DiagnosticTag.Unnecessary] if problem.code.startswith("unused-") else None
    text = "\n".join(filter(None, (problem.message, problem.advice)))
    place = _range(fixes.underlined(problem, lines))
    return types.Diagnostic(place, text, severity=level, code=problem.code, source="waybill", tags=tags)


def _action(change: fixes.QuickFix, uri: str, lines: TextLines) -> types.CodeAction:
    return types.CodeAction(
        change.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[_diagnostic(change.problem, lines)],
        is_preferred=True,
        edit=types.WorkspaceEdit(changes={uri: [_edit(change.edit)]}),
    )
