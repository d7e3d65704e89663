"""Reading user agents, behind `user_agent`: which library does it, and what type of device is what.

ua-parser (https://github.com/ua-parser/uap-python) was chosen because it reads the rules of uap-core, which many
languages share, gets them as a package of data about once a month, and with its Rust engine needs some 12
microseconds for a text; pure Python needs fifty times that, device_detector a thousand times, and woothee, which is
quicker, knows no models.  It takes a tenth of a second to get ready, so that happens at the first user agent.

It says what a device is called, not of what type it is, but for bots, whose family is `Spider`.  The rules here, in
this order: a Spider is a bot; a television is other; an iPad, anything that says `Tablet` or Kindle, and Android's
browsers that do not say `Mobile` are tablets (Android's own convention); what says `Mobile` or runs a telephone's
system is mobile; what runs a computer's system is a desktop; all else, consoles and programs, is other.  An iPad
that asks for desktop pages calls itself a Mac, and so does its type.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser import OS, Device, Parser, UserAgent

LONGEST = 1024
_CACHED = 2048

_DESKTOP = frozenset({"Windows", "Mac OS X", "Mac OS", "Linux", "Chrome OS", "Ubuntu", "Fedora", "Debian", "FreeBSD"})
_PHONE = frozenset({"iOS", "Android", "Windows Phone", "KaiOS", "BlackBerry OS", "Symbian OS", "Firefox OS"})

Part = tuple[tuple[str, str], ...]


@lru_cache(maxsize=_CACHED)
def parts_of(text: str) -> tuple[tuple[str, Part], ...]:
    """Give what `text` tells about browser, os and device, as pairs, so that nobody can change what is cached."""
    found = _parser().parse(text)
    if found.user_agent is None and found.os is None and found.device is None:
        return ()
    browser, system, device = found.user_agent, found.os, found.device
    parts = (("browser", _named(browser)), ("os", _named(system)), ("device", _device(text, system, device)))
    return tuple((name, part) for name, part in parts if part)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    from ua_parser import Parser
    from ua_parser.loaders import load_lazy_builtins
    from ua_parser.regex import Resolver

    return Parser(Resolver(load_lazy_builtins()))


def _named(found: UserAgent | OS | None) -> Part:
    if found is None:
        return ()
    numbers = (found.major, found.minor, found.patch, found.patch_minor)
    version = ".".join(number for number in numbers if number)
    return (("family", found.family), *((("version", version),) if version else ()))


def _device(text: str, system: OS | None, device: Device | None) -> Part:
    kind = _type(text, system.family if system else "", device)
    return (("type", kind),) if device is None else (("family", device.family), ("type", kind))


def _type(text: str, system: str, device: Device | None) -> str:
    family = device.family if device else ""
    if family == "Spider":
        return "bot"
    if "TV" in text or "TV" in family:
        return "other"
    if family.startswith(("iPad", "Kindle")) or "Tablet" in text or _is_android_tablet(text, system):
        return "tablet"
    if "Mobile" in text or system in _PHONE:
        return "mobile"
    return "desktop" if system in _DESKTOP else "other"


def _is_android_tablet(text: str, system: str) -> bool:
    return system == "Android" and text.startswith("Mozilla/") and "Mobile" not in text
