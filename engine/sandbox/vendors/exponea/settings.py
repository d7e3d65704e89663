"""What can be set about the emulated project; the defaults are the examples of the mapping's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.sandbox.pacing import RateLimit


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """A project, its keys, its id names, its permissions.

    `events_allowed` empty means every event type.  `pii` are the properties that anonymising removes (in the
    real product those flagged in the Data manager).
    """

    project_token: str = "project-token"  # noqa: S105  an example
    public_keys: tuple[str, ...] = ("public-key",)
    private_keys: Mapping[str, str] = field(default_factory=lambda: {"key-id": "secret"})
    hard_ids: tuple[str, ...] = ("registered",)
    soft_ids: tuple[str, ...] = ("cookie",)
    events_allowed: tuple[str, ...] = ()
    properties_refused: tuple[str, ...] = ()
    pii: tuple[str, ...] = ("email", "phone", "first_name", "last_name", "name", "birthday", "address")
    customer_attributes: int = 255
    rate_limit: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError where settings contradict each other, or a rate is none."""
        RateLimit(self.rate_limit)
        both = set(self.hard_ids) & set(self.soft_ids)
        if both:
            raise ValueError(f"hard_ids and soft_ids both name {min(both)}; an id name is one or the other")
        if not self.soft_ids:
            raise ValueError("soft_ids needs at least one name: an anonymised customer gets a new id of the first")
