"""`engine reload`: has a running `engine serve` load its mappings, connections and sources again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

import click

from engine.commands.shared import FOUND, counted
from engine.errors import UsageError

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from engine.records import JsonObject

DEFAULT_URL = "http://127.0.0.1:8911"
TIMEOUT = 300
"""Seconds: connections that changed first finish what is in flight."""
LARGEST_ANSWER = 16 * 1024 * 1024
WITHOUT = "The admin token is missing: give WAYBILL_ADMIN_TOKEN or --admin-token the one that `engine serve` has."
NOT_ASCII = "An admin token has printable ASCII characters, without spaces; the one given has others."
BAD_URL = "--admin-url must be http://HOST:PORT or https://HOST, without a path, a user or a query."
UNREACHABLE = (
    "{url} cannot be reached ({reason}). Is `engine serve` running, with an admin token? It prints its admin address "
    "when it starts; --admin-url names another one than the default."
)
NO_ANSWER = "{url} did not answer within {seconds} seconds. The server's log says how the reload ends."
REFUSED = "{url} refuses the admin token. It must be the one that `engine serve` was started with."
NOT_ADMIN = (
    "{url} answered with status {status}, and not as the admin address of `engine serve` does. It prints that address "
    "when it starts; name it with --admin-url."
)
UNCHANGED = "Nothing was changed: the server goes on with what it had. Correct this and reload again."


class AdminUrl(NamedTuple):
    """The admin address of a server."""

    url: str
    host: str
    port: int | None
    secure: bool


@click.command("reload")
@click.option("--admin-url", default=DEFAULT_URL, show_default=True, metavar="URL", help="Admin address of the server.")
@click.option(
    "--admin-token",
    envvar="WAYBILL_ADMIN_TOKEN",
    default="",
    help="Token of the server; safer as WAYBILL_ADMIN_TOKEN.",
)
def command(admin_url: str, admin_token: str) -> int:
    """Have a running `engine serve` load its mappings, connections and sources again.

    Everything is checked first; if anything is wrong, nothing changes. What did not change goes on undisturbed.

    Exit code 0: reloaded; 1: the files have problems, and the server goes on with what it had; 2: the server cannot be
    reached, or refuses the token.
    """
    address, token = _address(admin_url), _token(admin_token)
    report = _asked(address, token)
    problems = report.get("problems")
    if isinstance(problems, list):
        _print_problems([str(problem) for problem in problems])
        return FOUND
    try:
        lines = _lines(report)
    except (KeyError, TypeError) as error:
        raise UsageError(NOT_ADMIN.format(url=address.url, status=200)) from error
    click.echo("\n".join(lines))
    return 0


def _address(url: str) -> AdminUrl:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(BAD_URL) from error
    bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("http", "https") or not parts.hostname or not bare or not url.isprintable():
        raise UsageError(BAD_URL)
    return AdminUrl(url.rstrip("/"), parts.hostname, port, parts.scheme == "https")


def _token(given: str) -> str:
    if not given:
        raise UsageError(WITHOUT)
    if not given.isascii() or not given.isprintable() or " " in given:
        raise UsageError(NOT_ASCII)
    return given


def _asked(address: AdminUrl, token: str) -> JsonObject:
    """Return the server's report; raises UsageError if there is none."""
    from http.client import HTTPException

    import orjson

    connection = _connection(address)
    try:
        connection.request("POST", "/reload", headers={"Authorization": f"Bearer {token}", "Content-Length": "0"})
        response = connection.getresponse()
        status, body = response.status, response.read(LARGEST_ANSWER)
    except TimeoutError as error:
        raise UsageError(NO_ANSWER.format(url=address.url, seconds=TIMEOUT)) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(UNREACHABLE.format(url=address.url, reason=reason)) from error
    finally:
        connection.close()
    if status == 401:
        raise UsageError(REFUSED.format(url=address.url))
    try:
        report = orjson.loads(body)
    except orjson.JSONDecodeError:
        report = None
    if status not in (200, 422) or not isinstance(report, dict) or report.get("result") not in ("reloaded", "refused"):
        raise UsageError(NOT_ADMIN.format(url=address.url, status=status))
    return report


def _connection(address: AdminUrl) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    kind = HTTPSConnection if address.secure else HTTPConnection
    return kind(address.host, address.port, timeout=TIMEOUT)


def _print_problems(problems: list[str]) -> None:
    from engine.language.texts import visible_lines

    for problem in problems:
        click.echo(visible_lines(problem), err=True)
    click.echo(f"\n{counted(len(problems), 'problem')}. {UNCHANGED}", err=True)


def _lines(report: JsonObject) -> list[str]:
    from engine.commands.output.text import Display
    from engine.language.texts import visible

    display = Display(sys.stdout)
    connections = cast("list[JsonObject]", report.get("connections") or [])
    sources = cast("list[JsonObject]", report.get("sources") or [])
    width = max((len(visible(str(each["name"]))) for each in connections), default=0)
    lines = ["Reloaded."]
    for each in connections:
        name = visible(str(each["name"]))
        lines.append(display.wrap(_change(each), f"  {name:<{width}}  ", width + 4))
    changed = [f"{each['name']} {each['change']}" for each in sources if each["change"] != "unchanged"]
    return [*lines, display.wrap(", ".join(changed), "Sources: ", 9)] if changed else lines


def _change(each: JsonObject) -> str:
    held = each["held"]
    return f"{_what(each)}; still held: {held}" if held else _what(each)


def _what(each: JsonObject) -> str:
    change, differs = str(each["change"]), cast("list[str]", each["differs"])
    if change == "changed":
        what = [f"mapping {each['old_digest']} -> {each['digest']}" if part == "mapping" else part for part in differs]
        return f"changed: {', '.join(what)}"
    if change == "removed" and (waiting := cast("int", each["waiting"])):
        verb = "waits" if waiting == 1 else "wait"
        return f"removed; {counted(waiting, 'event')} {verb} in the outbox and will not be delivered until it is back"
    return change
