"""The folder of a backfill: what was planned, the shards, and how far they were fed.

`backfill.json` is written once, when all shards are whole; before that there is nothing to resume. `position.json` is
replaced, as a whole and on disk, after each pack. A lock keeps a second process away, for as long as the first lives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar, cast

import orjson

from engine.errors import WaybillError
from engine.files import sync_to_disk, written
from engine.records import JsonObject

T = TypeVar("T")
FORMAT = 1
PLAN, POSITION, LOCK, SHARDS = "backfill.json", "position.json", "lock", "shards"
MOST_NAMED = 5
"""Files that a message names; it says how many more there are."""

BUSY = "Another process feeds from {folder}. Let it finish, or stop it; then run the same command again."
NEWER = "{file} was written by a newer release. Go on with that one."
TWICE = "what the outbox still knows is not sent twice (a file: all that was not purged; streams: the last 24 hours)."
"""What a backfill without its position may do."""

FROM_THE_BEGINNING = (
    "If there is no copy to put back, remove {folder} and run the same command again: it plans anew and feeds from the "
    f"beginning; {TWICE}"
)
DAMAGED_PLAN = "{file} is damaged. " + FROM_THE_BEGINNING
MISSING_SHARD = "{file} is missing. " + FROM_THE_BEGINNING
DAMAGED_SHARD = "{file} cannot be read ({error}). " + FROM_THE_BEGINNING
DAMAGED_POSITION = "{file} is damaged. Remove it to feed from the beginning; " + TWICE
CHANGED = (
    "The input changed since this backfill was planned:\n{list}\n"
    "Put it back and run the same command again, or begin a backfill of what is there now with another --work; "
    f"{TWICE}"
)
OTHER_ARGUMENTS = (
    "{folder} belongs to a backfill with another {name}: {then}, not {now}. Name another folder with --work, or run "
    "that command again."
)


class BackfillError(WaybillError):
    """A backfill that cannot go on; the text says what to do."""


class InputFile(NamedTuple):
    """A file of events as it was when it was planned: `size` in bytes, `modified` in Unix seconds."""

    path: str
    size: int
    modified: float


class Shard(NamedTuple):
    """A Parquet file in the folder, with all events of its users in the order of their times."""

    path: str
    rows: int


class WorkPlan(NamedTuple):
    """What a backfill does: the arguments that decide it, its input, the digests of mappings, shards, and counts.

    `counts` are those of `Counts`.
    """

    arguments: Mapping[str, Any]
    inputs: Sequence[InputFile]
    mappings: Mapping[str, str]
    shards: Sequence[Shard]
    counts: JsonObject

    @property
    def events(self) -> int:
        """How many events are fed."""
        return sum(shard.rows for shard in self.shards)


class FeedPosition(NamedTuple):
    """How far each shard was fed, in rows, and what became of the events: all of it is in the outbox."""

    shards: tuple[int, ...]
    new: int = 0
    duplicates: int = 0
    suppressed: int = 0

    @property
    def fed(self) -> int:
        """How many events were fed."""
        return sum(self.shards)


class WorkFolder:
    """The folder of one backfill."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder, and keep other processes from it; raises BackfillError if one has it, and OSError."""
        import fcntl

        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # its shards are events
        with open(self.path / LOCK, "ab", opener=_no_link) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackfillError(BUSY.format(folder=self.path)) from None
            yield

    def plan(self) -> WorkPlan | None:
        """Return what was planned, None before all shards were whole; raises BackfillError."""
        file = self.path / PLAN
        found = _loaded(file, _plan_of, DAMAGED_PLAN.format(file=file, folder=self.path))
        if found is not None:
            self._check_shards(found)
        return found

    def write_plan(self, plan: WorkPlan) -> None:
        """Record that all shards are whole, and that nothing of them was fed; raises OSError."""
        (self.path / POSITION).unlink(missing_ok=True)  # that of shards that are no longer there
        value = {"format": FORMAT, **plan._asdict()}
        value["inputs"] = [each._asdict() for each in plan.inputs]
        value["shards"] = [each._asdict() for each in plan.shards]
        self._write(PLAN, orjson.dumps(value, option=orjson.OPT_INDENT_2))
        sync_to_disk(self.path)

    def position(self, plan: WorkPlan) -> FeedPosition:
        """Return how far a plan was fed; raises BackfillError."""
        file = self.path / POSITION
        begin = FeedPosition((0,) * len(plan.shards))
        found = _loaded(file, _position_of, DAMAGED_POSITION.format(file=file)) or begin
        ends = [shard.rows for shard in plan.shards]
        if len(found.shards) != len(ends) or any(
            not 0 <= at <= end for at, end in zip(found.shards, ends, strict=True)
        ):
            raise BackfillError(DAMAGED_POSITION.format(file=file))
        return found

    def write_position(self, position: FeedPosition) -> None:
        """Record how far it was fed; raises OSError.

        The folder is not synced: after a power failure an older position may be there, which is as good.
        """
        self._write(POSITION, orjson.dumps({"format": FORMAT, **position._asdict()}))

    def _write(self, name: str, content: bytes) -> None:
        with written(self.path / name) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _check_shards(self, plan: WorkPlan) -> None:
        missing = [shard.path for shard in plan.shards if not (self.path / shard.path).is_file()]
        if missing:
            raise BackfillError(MISSING_SHARD.format(file=self.path / missing[0], folder=self.path))


def check_unchanged(folder: Path, plan: WorkPlan, arguments: Mapping[str, Any], inputs: Sequence[InputFile]) -> None:
    """Raise BackfillError if a plan was made with other arguments, or of other input."""
    for name, now in arguments.items():
        then = plan.arguments.get(name)
        if then != now:
            text = OTHER_ARGUMENTS.format(folder=folder, name=name, then=_shown(then), now=_shown(now))
            raise BackfillError(text)
    before, after = ({each.path: each for each in files} for files in (plan.inputs, inputs))
    changes = [f"  {path}: removed" for path in before if path not in after]
    changes += [f"  {path}: new" for path in after if path not in before]
    changes += [
        f"  {path}: {before[path].size} bytes then, {found.size} bytes now"
        if found.size != before[path].size
        else f"  {path}: written again"
        for path, found in after.items()
        if path in before and found != before[path]
    ]
    if changes:
        more = [f"  and {len(changes) - MOST_NAMED} more"] if len(changes) > MOST_NAMED else []
        raise BackfillError(CHANGED.format(list="\n".join([*changes[:MOST_NAMED], *more])))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _loaded(file: Path, use: Callable[[dict[str, Any]], T], damaged: str) -> T | None:
    try:
        value = orjson.loads(file.read_bytes())
        if value["format"] > FORMAT:
            raise BackfillError(NEWER.format(file=file))
        return use(value)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackfillError(damaged) from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _plan_of(value: dict[str, Any]) -> WorkPlan:
    inputs = [InputFile(**each) for each in value["inputs"]]
    shards = [Shard(str(each["path"]), int(each["rows"])) for each in value["shards"]]
    for shard in shards:
        parts = PurePosixPath(shard.path).parts
        if parts[:1] != (SHARDS,) or ".." in parts or shard.rows < 0:
            raise ValueError("a shard outside of the folder")
    counts = cast("JsonObject", dict(value["counts"]))
    return WorkPlan(dict(value["arguments"]), inputs, dict(value["mappings"]), shards, counts)


def _position_of(value: dict[str, Any]) -> FeedPosition:
    rows = tuple(map(int, value["shards"]))
    return FeedPosition(rows, *(int(value[name]) for name in ("new", "duplicates", "suppressed")))
