"""A connection that is looked at or changed: what its page shows, and what becomes of a form that is sent.

Nothing here knows HTTP. Files are read, and the connections file is written; the environment is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.console.connections_file import (
    ConnectionsText,
    FileChanged,
    ProposedChange,
    not_writable,
    propose,
    read_connections,
    save,
)
from engine.console.destinations import mapping_errors, named_mapping
from engine.console.settings_form import (
    LITERAL,
    FormField,
    SettingDifference,
    Submitted,
    calls_of,
    chosen_calls,
    differences,
    form_fields,
    name_error,
    pasted,
    submitted_form,
    text_of,
    with_input,
)
from engine.console.yaml_edits import entry_text
from engine.delivery.connections import BAD_NAME, ConnectionFault
from engine.errors import MappingError, MappingNotFound, UsageError
from engine.mapping.load import Library, Loaded
from engine.mapping.settings import variables
from engine.records import JsonObject

if TYPE_CHECKING:
    from engine.console.site import Site

READ_ONLY = "This console changes nothing."
NO_FILE = "This service has no connections file; name one with --connections."
NO_CONNECTION = "There is no connection of this name. It may have been removed from the file."
CHANGED = (
    "The file was changed after this form was opened, so nothing was written. What differs is below; save again to "
    "write your version."
)
OTHERS_CHANGED = (
    "Another part of the file was changed after this form was opened, so nothing was written. This connection is as it "
    "was: save again."
)


class OpenedConnection(NamedTuple):
    """A connection of a file, or a new one, with its mapping.

    `raw` has its fields as the file has them. `only_yaml` says why it cannot be saved here, '' if it can.
    """

    name: str
    loaded: Loaded
    raw: JsonObject
    file: ConnectionsText | None = None
    only_yaml: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage:
    """What the page of a connection shows.

    `errors` are messages by the key of their field, '' for those of none; `unset` are environment variables that are
    missing. `theirs` is what another person wrote meanwhile. `held` are secret settings that the file itself has.
    """

    opened: OpenedConnection
    name: str
    enabled: bool
    fields: Sequence[FormField]
    calls: Sequence[str]
    chosen: Sequence[str]
    when: str
    rate_limit: str
    errors: Table[str, Sequence[str]] = field(default_factory=dict)
    unset: Sequence[str] = ()
    theirs: Sequence[SettingDifference] = ()
    conflict: str = ""
    yaml: str = ""
    held: Sequence[str] = ()
    other_problems: Sequence[str] = ()
    saved: bool = False
    literals: Sequence[str] = ()
    lost: int = 0

    @property
    def digest(self) -> str:
        """The digest of the file that the form is made from."""
        return self.opened.file.digest if self.opened.file is not None else ""

    @property
    def first_error(self) -> str:
        """The key of the first field with an error, '' if there is none."""
        keys = ["name", *(each.key for each in self.fields), "calls", "when", "rate_limit"]
        return next((key for key in keys if key in self.errors), "")

    @property
    def general_errors(self) -> Sequence[str]:
        """Messages that belong to no field of the form."""
        keys = {each.key for each in self.fields} | {"name", "calls", "when", "rate_limit"}
        return [text for key, texts in self.errors.items() if key not in keys for text in texts]


def open_connection(site: Site, name: str) -> OpenedConnection:
    """Open a connection; raises MappingNotFound, MappingError and UsageError."""
    file = _file(site)
    if file is not None and name in file.connections:
        raw = file.fields(name)
        return OpenedConnection(name, _mapping(site, file, name, raw), raw, file, _only_yaml(site))
    found = next((each for each in site.connections() if each.name == name), None)
    if found is None:
        raise MappingNotFound(NO_CONNECTION)
    settings = {
        key: value for key, value in found.connection.settings.items() if not found.mapping.settings[key].secret
    }
    raw = {"destination": found.mapping.name, "settings": settings}
    return OpenedConnection(name, found.connection.destination.loaded, raw, None, NO_FILE)


def open_new(site: Site, destination: str) -> OpenedConnection:
    """Open the form of a new connection; raises MappingNotFound, MappingError and UsageError."""
    loaded = _usable(named_mapping(site, destination))
    raw: JsonObject = {"destination": destination}
    return OpenedConnection("", loaded, raw, _file(site), _only_yaml(site), is_new=True)


def shown_page(opened: OpenedConnection, environment: Table[str, str], directories: Sequence[Path]) -> ConnectionPage:
    """Return the page of a connection as its file has it, with what is wrong with it there."""
    page = _page(opened, opened.raw, environment)
    if opened.is_new or opened.file is None:
        return page
    change = propose(opened.file, opened.name, opened.raw, environment, directories)
    return replace(page, errors=_by_key(change.faults), other_problems=change.others)


def sent_form(
    opened: OpenedConnection,
    typed: Table[str, str],
    calls: Sequence[str],
    environment: Table[str, str],
    directories: Sequence[Path],
    *,
    only_yaml: bool,
) -> ConnectionPage:
    """Return the page after a form was sent; it is `saved`, or says why it is not. Raises UsageError.

    With `only_yaml`, nothing is written, and the page has the connection as YAML.
    """
    name = {} if opened.is_new else {"name": opened.name}
    mapping, given = opened.loaded.mapping, {**typed, **name}
    submitted = submitted_form(mapping, opened.raw, given, calls, environment, is_new=opened.is_new)
    page = _filled_in(opened, submitted, calls, environment)
    errors = {key: (text,) for key, text in submitted.errors.items()}
    known = list(opened.file.connections) if opened.file is not None else []
    if opened.is_new and (wrong := name_error(submitted.name, known)):
        errors["name"] = (wrong,)
    if errors:
        return _with_errors(page, errors, submitted, environment)
    try:
        change = (
            None
            if opened.file is None
            else propose(opened.file, submitted.name, submitted.fields, environment, directories)
        )
    except UsageError as error:  # a file that only a person can change
        return _as_yaml(page, {"": (str(error),)}, submitted, environment)
    faults = {} if change is None else _by_key(change.faults)
    if only_yaml or change is None:
        return _as_yaml(page, faults, submitted, environment)
    if typed.get("digest") != change.file.digest:
        return _in_conflict(page, submitted)
    if faults:
        return _with_errors(page, faults, submitted, environment)
    return _saved(page, change, submitted, environment)


def _saved(
    page: ConnectionPage, change: ProposedChange, submitted: Submitted, environment: Table[str, str]
) -> ConnectionPage:
    try:
        file = save(change)
    except FileChanged:
        return _in_conflict(page, submitted)
    except OSError as error:
        message = f"{change.file.path} cannot be written: {error.strerror}. Put the YAML into it in another way."
        return _as_yaml(page, {"": (message,)}, submitted, environment)
    opened = page.opened._replace(file=file, raw=file.fields(submitted.name), name=submitted.name)
    return replace(
        page,
        opened=opened,
        saved=True,
        literals=submitted.literals,
        lost=len(change.lost),
        other_problems=change.others,
    )


def literal_remarks(page: ConnectionPage, names: Sequence[str]) -> list[str]:
    """Return what to do about settings for which a secret was typed; unknown names are ignored."""
    fields = {each.setting.name: each for each in page.fields if each.control == "secret" and each.value}
    return [LITERAL.format(name=fields[name].value) for name in names if name in fields]


def _file(site: Site) -> ConnectionsText | None:
    return None if site.connections_file is None else read_connections(site.connections_file)


def _only_yaml(site: Site) -> str:
    if site.read_only:
        return READ_ONLY
    if site.connections_file is None:
        return NO_FILE
    return not_writable(site.connections_file) or ""


def _mapping(site: Site, file: ConnectionsText, name: str, raw: JsonObject) -> Loaded:
    wanted = raw.get("destination", name)
    text = wanted if isinstance(wanted, str) else name
    if "/" in text or text.endswith((".yaml", ".yml")):
        text = str(file.path.parent / text)
    return _usable(Library(site.directories or None).load(text))


def _usable(loaded: Loaded) -> Loaded:
    if errors := mapping_errors(loaded):
        raise MappingError(errors)
    return loaded


def _page(opened: OpenedConnection, fields: JsonObject, environment: Table[str, str]) -> ConnectionPage:
    """Return the page with the fields as they are written, in the file or by a form."""
    mapping, settings = opened.loaded.mapping, fields.get("settings")
    given = settings if isinstance(settings, dict) else {}
    return ConnectionPage(
        opened=opened,
        name=opened.name,
        enabled=fields.get("enabled") is not False,
        fields=form_fields(mapping, opened.name, given, environment),
        calls=calls_of(mapping, opened.raw),
        chosen=chosen_calls(mapping, fields),
        when=text_of(fields.get("when")),
        rate_limit=text_of(fields.get("rate_limit")),
        unset=_unset(fields, environment),
    )


def _filled_in(
    opened: OpenedConnection, submitted: Submitted, calls: Sequence[str], environment: Table[str, str]
) -> ConnectionPage:
    """Return the page with what was typed."""
    page = _page(opened._replace(name=submitted.name), submitted.fields, environment)
    return replace(
        page,
        opened=opened,
        chosen=tuple(calls),
        when=submitted.shown.get("when", ""),
        rate_limit=submitted.shown.get("rate_limit", ""),
        fields=with_input(page.fields, submitted, {}, environment),
    )


def _unset(fields: JsonObject, environment: Table[str, str]) -> list[str]:
    named = variables([fields.get("settings"), fields.get("base_url")])
    return [name for name in named if name not in environment]


def _with_errors(
    page: ConnectionPage, errors: Table[str, Sequence[str]], submitted: Submitted, environment: Table[str, str]
) -> ConnectionPage:
    fields = with_input(page.fields, submitted, errors, environment)
    return replace(page, errors=errors, fields=fields, literals=submitted.literals)


def _in_conflict(page: ConnectionPage, submitted: Submitted) -> ConnectionPage:
    """Return the page with the file's present digest, and with what differs between the file and the form."""
    opened = page.opened
    if opened.file is not None:
        file = read_connections(opened.file.path)
        opened = opened._replace(file=file, raw={**opened.raw} if opened.is_new else file.fields(opened.name))
    theirs = [] if opened.is_new else differences(opened.loaded.mapping, opened.raw, submitted.fields)
    conflict = CHANGED if theirs else OTHERS_CHANGED
    return replace(page, opened=opened, theirs=theirs, conflict=conflict, literals=submitted.literals)


def _as_yaml(
    page: ConnectionPage, errors: Table[str, Sequence[str]], submitted: Submitted, environment: Table[str, str]
) -> ConnectionPage:
    fields, held = pasted(page.opened.loaded.mapping, submitted.name, submitted.fields)
    text = entry_text(submitted.name, fields)
    return replace(_with_errors(page, errors, submitted, environment), yaml=text, held=tuple(held))


def _by_key(faults: Sequence[ConnectionFault]) -> dict[str, tuple[str, ...]]:
    """Return the messages of faults by the key of the field they belong to."""
    found: dict[str, tuple[str, ...]] = {}
    for fault in faults:
        place = fault.place[1:]
        is_setting = place[:1] == ("settings",) and len(place) > 1
        key = f"setting.{place[1]}" if is_setting else "".join(map(str, place[:1]))
        key = "name" if fault.message == BAD_NAME else key
        found[key] = (*found.get(key, ()), fault.message)
    return found


def disabled_advice(page: ConnectionPage) -> str:
    """Return what to do where variables are missing; '' where none is, or where a disabled connection needs none."""
    if not page.unset or not page.enabled:
        return ""
    one = len(page.unset) == 1
    names = ", ".join(page.unset)
    return (
        f"{names} {'is' if one else 'are'} not set in this process. Set {'it' if one else 'them'} where the service "
        "starts, and start it again. To save now, save the connection disabled: a disabled one needs no variables."
    )
