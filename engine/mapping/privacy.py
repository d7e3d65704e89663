"""What a mapping promises about personal data, and the fields that break it.

`privacy: { email: hashed, ip: never }`: `hashed` may leave through a hash function, `never` not in any form. What is
read only to decide does not leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from typing import NamedTuple

from engine.mapping.flows import Flow, Sent, declared_personal, kinds, sent
from engine.mapping.model import Mapping
from engine.mapping.personal import Names
from engine.records import JsonObject

NEVER = "never"
_CONTAINERS = {"URL": "the URL of ", "query": "the query of ", "header": "a header of ", "method": "the method of "}


class Breach(NamedTuple):
    """A field that breaks a promise: the `kind` of personal data, what was promised, and `field`, which holds it."""

    kind: str
    promise: str
    field: Names
    sent: Sent
    settings_known: bool

    @property
    def template(self) -> str:
        """The setting whose template reads the field; '' if it is the mapping that does."""
        last = self.sent.flow.through[-1:]
        return last[0].removeprefix("settings.") if last and last[0].startswith("settings.") else ""

    @property
    def message(self) -> str:
        """Say what is sent where, in a sentence."""
        flow = self.sent.flow
        whole = f"{shown_names(flow.names)}, which may hold {shown_names(self.field)}," if self._in_object else ""
        subject = whole or shown_names(flow.names)
        how = f"hashed ({flow.hashed})" if flow.hashed else "in the clear"
        where = f"{_CONTAINERS.get(self.sent.part, '')}{self.sent.request}"
        promise = "is never sent" if self.promise == NEVER else "is only sent hashed"
        return f"{subject} would be sent {how} in {where}{_through(flow)}; `privacy` says that {self.kind} {promise}."

    @property
    def advice(self) -> str:
        """Say what to do."""
        flow = self.sent.flow
        if self.template and self.settings_known:
            return "Remove it from the setting."
        if self.template:
            return "What a template names is known only in a connection: write `privacy` in connections.yaml instead."
        if self._in_object:
            key = self.field[len(flow.names)]
            return f"Leave it out by name, `except: [{key}]`, or keep what is needed with `only`."
        if self.promise == NEVER:
            return "Leave it out. If it is no personal data, say so where it is read: `personal: []`."
        return "Hash it where it is read: `as: sha256`, or leave it out."

    @property
    def _in_object(self) -> bool:
        return len(self.field) > len(self.sent.flow.names)


def breaches(
    mapping: Mapping,
    privacy: Table[str, str],
    *,
    settings: JsonObject | None = None,
    calls: frozenset[str] | None = None,
) -> Iterator[Breach]:
    """Return the fields that break `privacy`, each place and kind once; with `calls`, only those of these calls.

    With the settings of a connection, what its templates read is known; without, they may read anything.
    """
    if not privacy:
        return
    found = list(sent(mapping, settings))
    declared = declared_personal(found)
    seen: set[tuple[object, ...]] = set()
    known: dict[tuple[object, ...], dict[str, Names]] = {}
    for each in found:
        flow = each.flow
        if flow.decides or (calls is not None and each.call not in calls):
            continue
        held = (each.call, flow.names, flow.only, flow.but, flow.tags)
        if held not in known:
            known[held] = kinds(mapping, each, declared)
        for kind, field in known[held].items():
            promise = privacy.get(kind)
            key = (each.flow.written, each.flow.names if each.flow.through else (), kind)
            if promise is not None and (promise == NEVER or not each.flow.hashed) and key not in seen:
                seen.add(key)
                yield Breach(kind, promise, field, each, settings is not None)


def shown_names(names: Names) -> str:
    """Return a field as a path shows it; the whole event is `message`."""
    return ".".join(names).replace(".[]", "[]") if names else "message"


def _through(flow: Flow) -> str:
    named = [each if each.startswith("settings.") else f"parts.{each}" for each in flow.through]
    return f", through {' and '.join(named)}" if named else ""
