"""Changes one connection of a connections file: checked as delivery checks it, then written whole or not at all.

Only that connection may differ from what the file said before, and the file must be the one that the form was made
from: two people may have it open at once.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import NamedTuple, cast

from engine.console.yaml_edits import edited
from engine.delivery.connections import SOURCES, ConnectionFault, ConnectionsError, fault_texts, read_document
from engine.errors import UsageError
from engine.files import not_a_file, replace
from engine.mapping.load import Library
from engine.mapping.settings import variables
from engine.mapping.yaml.reader import Document, parse
from engine.mapping.yaml.without_text import without_text
from engine.records import Json, JsonObject, Place

LARGEST_EDITED = 256 * 1024
"""Bytes of a file that the console changes; finding places in a larger one takes too long for a page."""
TOO_LARGE = "{path} has more than {limit:,} bytes, so it is not changed here. Change it with an editor."
UNUSUAL = (
    "{path} is written in a way that cannot be changed safely here, so it was left alone. Put the YAML into it with "
    "an editor."
)
CHANGED = "{path} was changed meanwhile, so nothing was written. Compare, and save again to write your version."
NOT_SHOWN = "What the environment variable holds does not fit here. It is not shown: look where the service is started."
FOREIGN = "{path} belongs to another user than this process, which would take it over."

_writing = Lock()


class FileChanged(UsageError):  # noqa: N818  reads as what it is
    """The file is not the one that the form was made from."""


class ConnectionsText(NamedTuple):
    """A connections file as it was read: its text, its values and places, and a digest of its bytes."""

    path: Path
    text: str
    document: Document
    digest: str

    @property
    def connections(self) -> JsonObject:
        """Each connection's fields as written, by name; `sources` is none."""
        value = cast("JsonObject", self.document.value)
        return {name: raw for name, raw in value.items() if name != SOURCES}

    def fields(self, name: str) -> JsonObject:
        """Return a connection's fields as written; empty for one that is not there, or is no object."""
        raw = self.connections.get(name)
        return raw if isinstance(raw, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedChange:
    """A change of one connection, checked and not written yet.

    `faults` are the errors of this connection, `others` the messages about the rest of the file, which were there
    before. `lost` are comments that stood inside values that are replaced or removed.
    """

    file: ConnectionsText
    name: str
    text: str
    faults: tuple[ConnectionFault, ...]
    others: tuple[str, ...]
    lost: tuple[str, ...]


def read_connections(path: Path) -> ConnectionsText:
    """Read a file; raises UsageError if it is not one that can be changed."""
    if fault := not_a_file(path):
        raise UsageError(f"{path} {fault}.")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_EDITED + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_EDITED:
        raise UsageError(TOO_LARGE.format(path=path, limit=LARGEST_EDITED))
    return _parsed(path, data)


def _parsed(path: Path, data: bytes) -> ConnectionsText:
    document = parse(data, path.as_posix())
    if document.problems:
        raise ConnectionsError([str(without_text(problem)) for problem in document.problems])
    if not isinstance(document.value, dict):
        raise UsageError(f"{path} does not map names to connections.")
    return ConnectionsText(path, data.decode(), document, sha256(data).hexdigest())


def not_writable(path: Path) -> str | None:
    """Return why a file cannot be replaced, as a sentence; None if it can."""
    real = path.resolve()
    for each in (real, real.parent):
        if not os.access(each, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            return f"{each} is not writable for this process."
    try:
        owner = real.stat()
    except OSError as error:
        return f"{real} cannot be read: {error.strerror}."
    is_ours = owner.st_uid == os.geteuid() or os.geteuid() == 0
    return None if is_ours and stat.S_ISREG(owner.st_mode) else FOREIGN.format(path=real)


def propose(
    file: ConnectionsText,
    name: str,
    fields: JsonObject,
    environment: Table[str, str],
    directories: Sequence[Path] = (),
) -> ProposedChange:
    """Return the file with one connection changed or added, checked; raises UsageError if that cannot be done."""
    value = cast("JsonObject", file.document.value)
    try:
        result = edited(file.text, value, name, fields)
    except (ValueError, IndexError, RecursionError) as error:  # YAML that is not laid out as people do
        raise UsageError(UNUSUAL.format(path=file.path)) from error
    document = parse(result.text, file.path.as_posix())
    if document.problems or _canonical(document.value) != _canonical({**value, name: fields}):
        raise UsageError(UNUSUAL.format(path=file.path))
    library = Library(directories or None)
    faults = read_document(document, file.path, environment, library).faults
    own = tuple(fault for fault in faults if fault.place[:1] == (name,))
    names = {each: f"<env:{each}>" for each in variables(fields) if each in environment}
    if any(_shows_variables(fault, fields, names) for fault in own):
        shown = {each.place: each.message for each in read_document(document, file.path, names, library).faults}
        own = tuple(_hidden(each, shown) if _shows_variables(each, fields, names) else each for each in own)
    others = fault_texts(document, [fault for fault in faults if fault.place[:1] != (name,)])
    return ProposedChange(file=file, name=name, text=result.text, faults=own, others=tuple(others), lost=result.lost)


def _shows_variables(fault: ConnectionFault, fields: JsonObject, known: Table[str, str]) -> bool:
    """Whether a message may repeat what variables of the environment hold: a form may name any of them."""
    value: Json = fields
    for key in fault.place[1:]:
        if not isinstance(value, dict) or key not in value:
            break
        value = value[str(key)]
    named = variables(value)
    return bool(named) and all(name in known for name in named)


def _hidden(fault: ConnectionFault, shown: Table[Place, str]) -> ConnectionFault:
    return fault._replace(message=shown.get(fault.place, NOT_SHOWN))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def save(change: ProposedChange) -> ConnectionsText:
    """Write a change without faults and return the new file; raises FileChanged, OSError, and UsageError.

    A link stays a link: the file it leads to is replaced.
    """
    assert not change.faults
    path = change.file.path
    with _writing:
        if read_connections(path).digest != change.file.digest:
            raise FileChanged(CHANGED.format(path=path))
        replace(path.resolve(), change.text)
    return _parsed(path, change.text.encode())
