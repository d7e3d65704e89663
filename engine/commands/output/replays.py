"""What a replay does or would do, as text for people and as lines of JSON for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.commands.output.summary import ReasonCounter
from engine.commands.output.text import Display, local_time, shortened
from engine.commands.shared import counted
from engine.delivery.intake import iso
from engine.delivery.outbox.base import ConnectionRow, resume_command
from engine.delivery.replaying import ReasonGroups
from engine.language.texts import visible, visible_json
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Listed
    from engine.delivery.outbox.location import Location
    from engine.delivery.replaying import Preview, RequestLine

LONGEST_ID = 48
LONGEST_PATH = 60
LONGEST_REASON = 300
MOST_LINES = 5
"""Different requests of an event that are shown."""

SHOWN_GROUPS = 20
"""Groups of a connection that are shown."""


class ReplayDecision(NamedTuple):
    """Whether an event is queued again; `why` is why not. Without `preview` nothing judged it."""

    row: Listed
    queued: bool
    why: str = ""
    preview: Preview | None = None


def event_lines(display: Display, decision: ReplayDecision) -> Iterator[str]:
    """Yield lines about an event: what it was, and what it would become."""
    row, preview = decision.row, decision.preview
    yield f"event {row.event}  {shortened(visible(row.message_id), LONGEST_ID)}  {row.connection}"
    reason = f"{row.reason} | {row.error}" if row.error else row.reason
    was = f"{row.outcome.value} since {local_time(row.changed_at)}: {shortened(reason, LONGEST_REASON)}"
    yield display.wrap(was, "  was: ", 7)
    if preview is None:
        if decision.why:
            yield display.wrap(f"not queued: {decision.why}", "  now: ", 7)
        return
    text = f": {shortened(preview.reason, LONGEST_REASON)}"
    if preview.outcome is Outcome.PLANNED:
        sent = _requests(preview.requests)
        text = f", {counted(len(preview.requests), 'request')}: {sent}" if sent else ": nothing is left to send"
    yield display.wrap(preview.outcome.value + text, "  now: ", 7)
    yield from _progress(display, preview)


def _progress(display: Display, preview: Preview) -> Iterator[str]:
    if preview.accepted:
        text = f"accepted before, not sent again: {_requests(preview.accepted)}"
        yield display.wrap(text, " " * 7, 7)
    if preview.sent_again and preview.outcome is Outcome.PLANNED:
        was = "was" if preview.sent_again == 1 else "were"
        text = f"{counted(preview.sent_again, 'request')} {was} accepted under another mapping; all are sent again"
        yield display.wrap(text, " " * 7, 7)


def _requests(lines: Iterable[RequestLine]) -> str:
    """Return requests as text, equal ones together: `POST /users, 3 x POST /events`."""
    counts = Counter(lines)
    texts = [
        f"{f'{count} x ' if count > 1 else ''}{line.method} {shortened(line.path, LONGEST_PATH)}"
        for line, count in counts.most_common()
    ]
    more = len(texts) - MOST_LINES
    return ", ".join(texts[:MOST_LINES]) + (f" and {more} more" if more > 0 else "")


def event_json(decision: ReplayDecision) -> str:
    """Return an event as a line of JSON; `now` is null if nothing judged it."""
    row, preview = decision.row, decision.preview
    now = None
    if preview is not None:
        now = {
            "outcome": preview.outcome.value,
            "reason": preview.reason,
            "requests": [each._asdict() for each in preview.requests],
            "accepted": [each._asdict() for each in preview.accepted],
            "sentAgain": preview.sent_again,
        }
    was = {"outcome": row.outcome.value, "reason": row.reason, "error": row.error, "since": iso(row.changed_at)}
    line = {"event": row.event, "messageId": row.message_id, "connection": row.connection}
    raw = orjson.dumps(line | {"queued": decision.queued, "why": decision.why, "was": was, "now": now})
    return visible_json(raw).decode()


class ReplaySummary:
    """Counts what becomes of the events of a replay by connection; memory is bounded, as the number of reasons is."""

    def __init__(self) -> None:
        self.queued: Counter[str] = Counter()
        self.waiting: set[str] = set()
        """The connections for which an event is queued, or waits already."""
        self._left_out: Counter[str] = Counter()
        self._why: defaultdict[str, ReasonCounter] = defaultdict(ReasonCounter)
        self._groups = ReasonGroups()
        self._names: dict[str, None] = {}

    def add(self, decision: ReplayDecision) -> None:
        """Count an event."""
        row, preview = decision.row, decision.preview
        self._names[row.connection] = None
        if preview is not None:
            self._groups.add(row, preview.outcome)
        if decision.queued or row.outcome in (Outcome.WAITING, Outcome.HELD):
            self.waiting.add(row.connection)
        if decision.queued:
            self.queued[row.connection] += 1
        else:
            self._left_out[row.connection] += 1
            self._why[row.connection].add(decision.why)

    @property
    def left_out(self) -> int:
        """How many events were not queued."""
        return sum(self._left_out.values())

    def lines(self, display: Display, *, dry_run: bool) -> Iterator[str]:
        """Yield the summary: for each connection what was queued, what was not, and the commonest reasons."""
        would = "would be " if dry_run else ""
        for name in sorted(self._names):
            out = f", {self._left_out[name]} left out" if self._left_out[name] else ""
            yield f"{name}: {counted(self.queued[name], 'event')} {would}queued again{out}."
            if dry_run:
                yield from self._changes(display, name)
            for row in self._why[name].rows() if self._left_out[name] else ():
                first = f"  left out: {row.prefix}"
                yield display.wrap(row.text, first, len(first))
        if len(self._names) != 1:
            yield f"{counted(sum(self.queued.values()), 'event')} {would}queued again."

    def _changes(self, display: Display, name: str) -> Iterator[str]:
        groups = self._groups.of(name)
        for group in groups[:SHOWN_GROUPS]:
            now = ", ".join(f"{outcome.value} ({count})" for outcome, count in group.now.most_common())
            like = " and other values" if group.varied else ""
            was = f"{group.key.outcome.value}: {shortened(group.reason, LONGEST_REASON)}{like} ({group.events})"
            line = display.wrap(f"{was} -> {now}", "  was ", 6)
            if "\n" in line:
                line = "\n".join([display.wrap(was, "  was ", 6), display.wrap(now, "      -> ", 9)])
            yield line
        if (more := len(groups) - SHOWN_GROUPS) > 0:
            yield f"  and {counted(more, 'more reason')}"


def obstacle(row: ConnectionRow, outbox: Location, now: float) -> str:
    """Say that what is queued for a connection waits because it is held or paused; '' if it is not."""
    if row.held:
        return (
            f"{row.name} has been held since {local_time(row.held_at)}, so its events wait. Once the cause is fixed, "
            f"run: {resume_command(row.name, outbox)}"
        )
    if row.due is not None and row.due > now:
        return (
            f"{row.name} is paused, so its events wait: {visible(row.pause.rstrip('.'))}. Next try: "
            f"{local_time(row.due)}, or at once with: {resume_command(row.name, outbox)}"
        )
    return ""
