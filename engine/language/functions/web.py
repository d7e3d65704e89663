"""The web: url_host, url_path, url_query, user_agent.

`user_agent` uses the ua-parser library, which is imported on first use; a bounded number of results is cached.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from engine.language.functions.arguments import wrong_kind
from engine.language.functions.model import OBJECT, TEXT, CannotConvert, Example, Function
from engine.language.texts import LONE_SURROGATE
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    from ua_parser import OS, Device, Parser, UserAgent

LONGEST = 1024
_CACHED = 2048
_MOST_PARAMETERS = 1000

_DESKTOP = frozenset({"Windows", "Mac OS X", "Mac OS", "Linux", "Chrome OS", "Ubuntu", "Fedora", "Debian", "FreeBSD"})
_PHONE = frozenset({"iOS", "Android", "Windows Phone", "KaiOS", "BlackBerry OS", "Symbian OS", "Firefox OS"})

AgentPart = tuple[tuple[str, str], ...]


def url_host(value: Json) -> Json:
    host = _url(value).hostname
    if not host:
        raise CannotConvert("not a URL with a host")
    return host


def url_path(value: Json) -> Json:
    url = _url(value)
    if url.netloc and not url.path:
        return "/"
    if not url.path.startswith("/"):
        raise CannotConvert("neither a URL nor an absolute path")
    return url.path


def url_query(value: Json) -> Json:
    text = _url(value).query
    try:
        entries = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise CannotConvert(f"more than {_MOST_PARAMETERS} parameters") from None
    query: dict[str, list[Json]] = {}
    for name, text in entries:
        query.setdefault(name, []).append(text)
    result: JsonObject = {name: texts[0] if len(texts) == 1 else texts for name, texts in query.items()}
    return result


def user_agent(value: Json) -> Json:
    if not isinstance(value, str):
        raise wrong_kind(value, "text")
    try:
        parts = parts_of(str.__str__(value)[:LONGEST])
    except UnicodeEncodeError:
        raise CannotConvert(LONE_SURROGATE) from None
    if not parts:
        raise CannotConvert("not a known user agent")
    return {name: dict(part) for name, part in parts}


def _url(value: Json) -> SplitResult:
    if not isinstance(value, str):
        raise wrong_kind(value, "text")
    try:
        return urlsplit(str.__str__(value).strip())
    except ValueError:
        raise CannotConvert("not a URL") from None


@lru_cache(maxsize=_CACHED)
def parts_of(text: str) -> tuple[tuple[str, AgentPart], ...]:
    """Return browser, os and device of a user agent, as immutable pairs because they are cached."""
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


def _named(found: UserAgent | OS | None) -> AgentPart:
    if found is None:
        return ()
    numbers = (found.major, found.minor, found.patch, found.patch_minor)
    version = ".".join(number for number in numbers if number)
    return (("family", found.family), *((("version", version),) if version else ()))


def _device(text: str, system: OS | None, device: Device | None) -> AgentPart:
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


_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/76.0.3809.132 Safari/537.36"
)
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/12.1.2 Mobile/15E148 Safari/604.1"
)
_NUMBER = Example(12, reason="a number is not text")

FUNCTIONS = (
    Function(
        name="url_host",
        group="web",
        about="The host of a URL in lowercase, without user and port.",
        takes=TEXT,
        gives=TEXT,
        examples=(
            Example("https://Shop.Example.com:8080/a?b=1", "shop.example.com"),
            Example("//cdn.example.com/x.js", "cdn.example.com"),
            Example("https://[2001:db8::1]/", "2001:db8::1"),
            Example("shop.example.com/a", reason="not a URL with a host"),
            Example("https://[broken/", reason="not a URL"),
            _NUMBER,
        ),
        call=url_host,
        source="https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2",
    ),
    Function(
        name="url_path",
        group="web",
        about="The path of a URL, or of text that starts with `/`; it stays percent-encoded.",
        takes=TEXT,
        gives=TEXT,
        examples=(
            Example("https://example.com/a%20b/c?d=1#e", "/a%20b/c"),
            Example("https://example.com", "/"),
            Example("/pricing?plan=pro", "/pricing"),
            Example("pricing", reason="neither a URL nor an absolute path"),
            Example("", reason="neither a URL nor an absolute path"),
            _NUMBER,
        ),
        call=url_path,
        source="https://www.rfc-editor.org/rfc/rfc3986#section-3.3",
    ),
    Function(
        name="url_query",
        group="web",
        about="The decoded query parameters of a URL, or of text that starts with `?`; a repeated parameter is a list.",
        takes=TEXT,
        gives=OBJECT,
        examples=(
            Example("https://example.com/?utm_source=mail&q=a+b%21", {"utm_source": "mail", "q": "a b!"}),
            Example("?tag=red&tag=blue&empty=", {"tag": ["red", "blue"], "empty": ""}),
            Example("https://example.com/", {}),
            Example("https://[broken/?a=1", reason="not a URL"),
            _NUMBER,
        ),
        growth=4,
        call=url_query,
        source="https://url.spec.whatwg.org/#application/x-www-form-urlencoded",
    ),
    Function(
        name="user_agent",
        group="web",
        about=(
            "An object with `browser.family`, `browser.version`, `os.family`, `os.version`, `device.family` and"
            " `device.type` (desktop, mobile, tablet, bot or other); unknown values are left out. Follow it with `get`."
            f" Only the first {LONGEST} characters are read."
        ),
        takes=TEXT,
        gives=OBJECT,
        examples=(
            Example(
                _MAC,
                {
                    "browser": {"family": "Chrome", "version": "76.0.3809.132"},
                    "os": {"family": "Mac OS X", "version": "10.14.6"},
                    "device": {"family": "Mac", "type": "desktop"},
                },
            ),
            Example(
                _IPHONE,
                {
                    "browser": {"family": "Mobile Safari", "version": "12.1.2"},
                    "os": {"family": "iOS", "version": "12.4"},
                    "device": {"family": "iPhone", "type": "mobile"},
                },
            ),
            Example(
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                {"browser": {"family": "Googlebot", "version": "2.1"}, "device": {"family": "Spider", "type": "bot"}},
            ),
            Example("curl/7.64.1", {"browser": {"family": "curl", "version": "7.64.1"}, "device": {"type": "other"}}),
            Example("hello", reason="not a known user agent"),
            _NUMBER,
        ),
        call=user_agent,
        source="https://github.com/ua-parser/uap-core",
    ),
)
