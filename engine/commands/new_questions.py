"""The questions that `engine new` asks on a terminal, where no option answers them."""

from __future__ import annotations

from collections.abc import Callable

import click

from engine.errors import UsageError
from engine.scaffolding import addresses, answers
from engine.scaffolding.credentials import Scrubber
from engine.scaffolding.outline import CALLS, Outline

MOST_REQUESTS = 50


def ask(outline: Outline, credentials: str | None) -> tuple[str, tuple[str, ...]]:
    """Ask for title, base URL, credentials and requests; return the last two as options have them."""
    outline.title = click.prompt("Title, the vendor's own name", default=outline.title, err=True)
    if not outline.base_url:
        outline.base_url = click.prompt(
            "Base URL (https://api.example.com)", value_proc=_checked(_base_url(outline)), err=True
        )
    if credentials is None:
        question = "Credentials (bearer, header:NAME, basic, query:NAME, oauth2:TOKEN_URL, none)"
        credentials = click.prompt(question, default="bearer", value_proc=_checked(_credentials), err=True)
    requests: list[str] = []
    while len(requests) < MOST_REQUESTS:
        click.echo(f"Request {len(requests) + 1}", err=True)
        requests.append(
            click.prompt("  Name, method and path (add_event POST /events)", value_proc=_checked(_line), err=True)
        )
        question = f"  For which calls ({', '.join(CALLS)})"
        requests[-1] += " " + click.prompt(question, default="track", value_proc=_checked(_calls), err=True)
        if not click.confirm("Another request?", default=False, err=True):
            break
    return credentials, tuple(requests)


def _checked(read: Callable[[str], str]) -> Callable[[str], str]:
    """Return a reader whose errors click shows, and then asks again."""

    def checked(text: str) -> str:
        try:
            return read(text)
        except UsageError as error:
            raise click.UsageError(str(error)) from None

    return checked


def _base_url(outline: Outline) -> Callable[[str], str]:
    def read(text: str) -> str:
        origin, user, path, query = addresses.split(text.strip())
        if user or query:
            raise UsageError("Write the base URL without credentials and query.")
        return addresses.base_text(outline, origin) + addresses.path_template(outline, path, Scrubber()).rstrip("/")

    return read


def _credentials(text: str) -> str:
    answers.add_credentials(Outline("x", "x", base_url="https://x.example"), text)
    return text


def _line(text: str) -> str:
    answers.add_request(Outline("x", "x"), f"{text} track")
    return text


def _calls(text: str) -> str:
    calls = text.replace(" ", "")
    answers.add_request(Outline("x", "x"), f"x POST /x {calls}")
    return calls
