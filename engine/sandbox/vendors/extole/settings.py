"""What can be set about the emulated Extole client; the defaults are the examples of the mapping's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.sandbox.pacing import RateLimit


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Tokens, hosts, and which fields tell that an event was seen before.

    `unique_keys` says by which field of `data` an event of a name is de-duplicated; `*` is every other name.
    A request to a host of `extole.io` or `extole.com` that is not in `api_hosts` gets the empty 204 of the
    wrong host; `wrong_host` gives it to everyone.
    """

    access_tokens: tuple[str, ...] = ("access-token",)
    expired_tokens: tuple[str, ...] = ("expired-token",)
    unscoped_tokens: tuple[str, ...] = ("unscoped-token",)
    unique_keys: Mapping[str, str] = field(
        default_factory=lambda: {"registration": "partner_user_id", "*": "partner_conversion_id"}
    )
    api_hosts: tuple[str, ...] = ("api.extole.io", "events.extole.io", "api.extole.com")
    wrong_host: bool = False
    rate_limit: str = ""
    rate_limit_per_person: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a rate that is none."""
        RateLimit(self.rate_limit)
        RateLimit(self.rate_limit_per_person)
