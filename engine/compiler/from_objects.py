"""`headers_from` and `query_from` at run time: the members of an object become headers or query parameters.

What an event names is looked at like what a mapping names: a name or a value that HTTP does not carry makes the event
invalid.  What is only too much, or not an event's to decide, is left out and reported, because the rest can be sent.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiler.runtime import MOST_REPORTS, Reports, header_fault, inexact, invalid
from engine.language.bodies import revealed
from engine.language.header_names import is_header_name, may_be_data
from engine.language.paths import Marker
from engine.language.texts import kind_of, shown, text_of
from engine.records import Json, Report, Secret

MOST_NAMES = 100
"""Headers, or query parameters, that one object gives."""

MOST_BYTES = 16 * 1024
"""Bytes that these have together, names and values: even with every byte written as `%xx` they fit into a URL."""

TOO_MANY_NAMES = "too-many-names"
"""The code of the report that some are left out; a batch of several items is rather sent in halves."""

SEPARATORS = 2
"""What is between a name and its value, and behind it."""


def add_headers(
    headers: dict[str, str], given: Json, written: frozenset[str], own: frozenset[str], reports: Reports, place: str
) -> None:
    """Add the members of `given` to the headers of a request.

    `written` are the names that the mapping writes, which win though they may be missing, and `own` those that
    only the engine sends, all in lowercase.
    """
    taken = {*written, *map(str.lower, headers)}
    members = _Members(reports, place)
    for name, value in members.of(given):
        if not is_header_name(name):
            invalid(place, f"{shown(name)} is not the name of a header")
        lower = name.lower()
        if lower == "authorization" and not isinstance(value, Secret):
            members.leave_out("refused-name", name, "only a secret setting may give this header")
        elif lower in own or not may_be_data(lower):
            members.leave_out("refused-name", name, "data cannot give this header")
        elif lower in taken:
            members.leave_out("taken-name", name, "the request already has this header")
        elif (text := members.text(name, value)) is not None and members.fits(name, [text]):
            if fault := header_fault(revealed(text)):
                invalid(place, f"{shown(name)}: {fault}")
            taken.add(lower)
            headers[name] = text
    members.report_rest()


def add_query(
    query: dict[str, str | list[str]], given: Json, written: frozenset[str], reports: Reports, place: str
) -> None:
    """Add the members of `given` to the query of a request; `written` are the names that the mapping writes."""
    members = _Members(reports, place)
    for name, value in members.of(given):
        if not name:
            invalid(place, f"{shown(name)} is not the name of a query parameter")
        if name in written or name in query:
            members.leave_out("taken-name", name, "the query already has this parameter")
            continue
        texts = [members.text(name, item) for item in value] if type(value) is list else [members.text(name, value)]
        found = [text for text in texts if text is not None]
        if found and members.fits(name, found):
            query[name] = found if type(value) is list else found[0]
    members.report_rest()


class _Members:
    """The members of one object, as many as one may give."""

    def __init__(self, reports: Reports, place: str) -> None:
        self._reports = reports
        self._place = place
        self._names = 0
        self._bytes = 0
        self._too_many = 0

    def of(self, given: Json) -> Iterator[tuple[str, Json]]:
        """Return the members of an object that are there; the marker of a saved object has none yet."""
        if type(given) is not dict:
            if given is not None and type(given) is not Marker:
                message = f"left out: this must be an object, not {kind_of(given)}"
                self._reports.append(Report("not-an-object", self._place, message))
            return
        for name, value in given.items():
            if value is None:
                continue
            if self._names == MOST_NAMES:
                self._too_many += 1
            else:
                yield name, value

    def leave_out(self, code: str, name: str, why: str) -> None:
        """Report a member that is left out."""
        if len(self._reports) < MOST_REPORTS:
            self._reports.append(Report(code, self._place, f"{shown(name)} was left out: {why}"))

    def text(self, name: str, value: Json) -> str | None:
        """Return the text of a value; objects and lists have none and are reported."""
        text = text_of(value)
        if text is None and value is not None:
            self.leave_out("not-text", name, f"{kind_of(value)} has no text")
        elif type(value) is float and len(self._reports) < MOST_REPORTS:
            inexact(value, self._reports, self._place)
        return text

    def fits(self, name: str, texts: list[str]) -> bool:
        """Count a member; False if it is one too many or too long."""
        size = sum(_bytes(name) + _bytes(revealed(text)) + SEPARATORS for text in texts)
        if self._bytes + size > MOST_BYTES:
            self._too_many += 1
            return False
        self._names += 1
        self._bytes += size
        return True

    def report_rest(self) -> None:
        """Report how many members were too many or too long."""
        if self._too_many:
            count = "1 name was" if self._too_many == 1 else f"{self._too_many:,} names were"
            limit = f"at most {MOST_NAMES} names with {MOST_BYTES:,} bytes are sent"
            self._reports.append(Report(TOO_MANY_NAMES, self._place, f"{count} left out: {limit}"))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
