"""What the server knows of the audiences of its archive: what became of each definition's last run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from engine.audiences.state import FAILED, FOLDER, GUARDED, AudienceState
from engine.delivery.intake import iso
from engine.errors import WaybillError
from engine.records import Json, JsonObject


class ServedAudience(NamedTuple):
    """One definition: how its last run ended ('' before the first), and how many users were sent it."""

    key: str
    state: str = ""
    message: str = ""
    users: int = 0
    last_run: float | None = None
    next_run: float | None = None

    @property
    def in_trouble(self) -> bool:
        """Whether a person should look: nothing is sent until the next run ends well."""
        return self.state in (FAILED, GUARDED)

    def as_json(self) -> JsonObject:
        """Return it with times in ISO 8601."""
        times = {
            name: None if at is None else iso(at)
            for name, at in (("last_run", self.last_run), ("next_run", self.next_run))
        }
        return {"key": self.key, "state": self.state, "message": self.message, "users": self.users, **times}


def served_audiences(archive: Path) -> list[ServedAudience]:
    """Return the definitions that are followed; raises ArchiveError."""
    directory = archive / FOLDER
    if not (directory / "state.db").exists():
        return []
    with closing(AudienceState(directory)) as state:
        return [_served(state, each.key, each.next_run) for each in state.definitions() if each.removed_at is None]


def audiences_json(archive: Path) -> Json:
    """Return the definitions for `/status`, or why they are not known."""
    try:
        return [each.as_json() for each in served_audiences(archive)]
    except WaybillError as error:
        return {"problem": str(error)}


def _served(state: AudienceState, key: str, next_run: float | None) -> ServedAudience:
    run = next(iter(state.runs(key, 1)), None)
    sent = state.last_sent(key)
    users = 0 if sent is None else sent.size
    if run is None:
        return ServedAudience(key, users=users, next_run=next_run)
    return ServedAudience(key, run.state, run.message, users, run.started_at, next_run)
