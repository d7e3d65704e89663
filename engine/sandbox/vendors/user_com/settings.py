"""What can be set about the emulated User.com app; the defaults are the examples of the mapping's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.records import Json
from engine.sandbox.pacing import RateLimit

TYPES = ("boolean", "fixed", "string", "date", "datetime", "integer", "float", "json", "number")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Keys, trusted domains, and attributes that exist before anything is sent.

    An attribute is `name: type`, or `name: {type: fixed, choices: [...]}`.  `trusted_domains` empty trusts
    everyone; else the domain of `Origin` or `Referer` must be one of them (a server sends neither and passes).
    """

    api_keys: tuple[str, ...] = ("api-key",)
    revoked_keys: tuple[str, ...] = ("revoked-key",)
    trusted_domains: tuple[str, ...] = ()
    attributes: Mapping[str, Json] = field(default_factory=dict)
    company_attributes: Mapping[str, Json] = field(default_factory=dict)
    event_attributes: Mapping[str, Json] = field(default_factory=dict)
    new_attributes: str = "create"
    rate_limit: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a type that does not exist, or a rate that is none."""
        RateLimit(self.rate_limit)
        if self.new_attributes not in ("create", "ignore"):
            raise ValueError("new_attributes must be create or ignore")
        for table in (self.attributes, self.company_attributes, *self.event_attributes.values()):
            if not isinstance(table, Mapping):
                raise ValueError("event_attributes must be event name: {attribute: type}")  # noqa: TRY004  a setting
            for name, given in table.items():
                kind = given.get("type") if isinstance(given, Mapping) else given
                if kind not in TYPES:
                    raise ValueError(f"attribute {name} has no type that exists; it is one of {', '.join(TYPES)}")
