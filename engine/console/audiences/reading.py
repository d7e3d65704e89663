"""What the state of an archive's audiences says of each definition: sizes, runs, and what a person has to do.

Only SQLite is read here; no database of the archive is opened in the console's process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, cast

from markupsafe import Markup

from engine.audiences.state import COMPUTING, DONE, FAILED, FOLDER, GUARDED, SENDING, AudienceState, Run
from engine.console.charts import size_line
from engine.console.wording import number, utc
from engine.records import JsonObject

SHOWN_SIZES, SHOWN_RUNS = 60, 10
NEVER = "never ran"
KINDS = {DONE: "good", SENDING: "info", COMPUTING: "info", GUARDED: "warn", FAILED: "bad"}


class RunLine(NamedTuple):
    """A run as a page shows it; `kind` is the class of its badge."""

    run: Run
    kind: str


class DefinitionCard(NamedTuple):
    """A definition and what is known of it; times are Unix seconds.

    `defined` is what the file says, None for one that was removed from it after it was sent, or that cannot be read
    now. `size` is None before the first run. `needs` is a word for what waits for a person, '' for nothing.
    """

    key: str
    name: str
    kind: str
    connections: tuple[str, ...]
    defined: JsonObject | None
    removed: bool
    size: int | None
    chart: Markup
    chart_text: str
    runs: tuple[RunLine, ...]
    next_run: float | None
    needs: str
    sent: Path | None

    @property
    def last(self) -> Run | None:
        """The last run."""
        return self.runs[0].run if self.runs else None

    @property
    def every(self) -> str:
        """How often it runs, as the file has it."""
        return "" if self.defined is None else str(self.defined["every_text"])

    @property
    def active(self) -> bool:
        """Whether a run computes or sends, or did when its process ended."""
        return self.last is not None and self.last.state in (COMPUTING, SENDING)

    @property
    def title(self) -> str:
        """What people call it."""
        return str((self.defined or {}).get("title") or self.name)


class AudiencesReading(NamedTuple):
    """All definitions, those that need a person first; `problems` are those of the file, `of_copy` if it has any."""

    cards: tuple[DefinitionCard, ...]
    problems: tuple[str, ...]
    of_copy: bool

    @property
    def waiting(self) -> int:
        """How many definitions need a person."""
        return sum(bool(each.needs) for each in self.cards)


def read(archive: Path, answer: JsonObject, only: str | None = None) -> AudiencesReading:
    """Return all definitions of a file, and those that were removed after they were sent; raises ArchiveError.

    `only` is a key: all others are left out.
    """
    entries = {str(each["key"]): each for each in cast("list[JsonObject]", answer["definitions"])}
    problems = tuple(map(str, cast("list[str]", answer["problems"])))
    readable = not problems or bool(entries)
    if only is not None:
        entries = {key: each for key, each in entries.items() if key == only}
    if not (archive / FOLDER / "state.db").exists():
        cards = [_unseen(each) for each in entries.values()]
    else:
        with closing(AudienceState(archive / FOLDER)) as state:
            cards = _cards(state, entries, only, readable=readable)
    cards.sort(key=lambda card: (not card.needs, card.removed))
    return AudiencesReading(tuple(cards), problems, bool(answer["of_copy"]))


def _cards(
    state: AudienceState, entries: Mapping[str, JsonObject], only: str | None, *, readable: bool
) -> list[DefinitionCard]:
    seen = {each.key: each for each in state.definitions() if only in (None, each.key)}
    found = []
    for key in dict.fromkeys([*entries, *seen]):
        defined, known, sent = entries.get(key), seen.get(key), state.last_sent(key)
        removed = defined is None and readable
        if removed and (sent is None or not sent.connections or not sent.size):
            continue  # nobody at a vendor has it
        runs = tuple(RunLine(run, KINDS.get(run.state, "")) for run in state.runs(key, SHOWN_RUNS))
        name = str(defined["name"]) if defined is not None else known.name if known is not None else key
        kind = str(defined["kind"]) if defined is not None else known.kind if known is not None else ""
        connections = cast("Sequence[str]", defined["connections"]) if defined is not None else ()
        if not connections and sent is not None and removed:
            connections = tuple(sent.connections)
        points = [(each.at, each.size) for each in state.sizes(key, SHOWN_SIZES)]
        found.append(
            DefinitionCard(
                key, name, kind, tuple(connections), defined, removed, None if sent is None else sent.size,
                size_line(points, _label(points)), _label(points), runs, None if known is None else known.next_run,
                needs_of(runs[0].run if runs else None, removed=removed), state.sent_file(key),
            )
        )  # fmt: skip
    return found


def needs_of(last: Run | None, *, removed: bool) -> str:
    """Return a word for what waits for a person: `guarded`, `failed`, `removed`, or '' for nothing."""
    if removed:
        return "removed"
    return last.state if last is not None and last.state in (GUARDED, FAILED) else ""


def _label(points: Sequence[tuple[float, int]]) -> str:
    if not points:
        return ""
    sizes = [size for _, size in points]
    ends = f"{number(sizes[0])} at {utc(points[0][0])}, {number(sizes[-1])} at {utc(points[-1][0])}"
    return f"Users after {len(points)} runs: {ends}; between {number(min(sizes))} and {number(max(sizes))}"


def _unseen(defined: JsonObject) -> DefinitionCard:
    names = tuple(map(str, cast("list[str]", defined["connections"])))
    return DefinitionCard(
        str(defined["key"]), str(defined["name"]), str(defined["kind"]), names, defined, False, None, Markup(""), "",
        (),
        None, "", None,
    )  # fmt: skip
