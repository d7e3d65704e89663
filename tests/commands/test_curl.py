"""`engine run --format curl`: the commands make exactly the planned requests, in every shell, whatever the events are.

They are run as scripts and pasted into terminals; a vendor on this machine compares them with what delivery sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.http import Sender
from engine.delivery.sending.outgoing import dry_run
from engine.events.normalizing import normalize
from engine.plan import load
from engine.records import Json
from engine.showing import shell
from tests.commands.conftest import HERE, Done, event
from tests.commands.shells import EDITS_LINES, SHELLS, Noted, noting_vendor, pasted, script

HOSTILE = [
    "\x7f\x7f' ; touch pwned; '",
    "u1; touch pwned ;",
    "'; touch pwned; '",
    "$(touch pwned) `touch pwned` ${IFS} $HOME ~ * ? \\",
    "!! !touch !$ ^a^b",
    "%s %d %n 100% \\047 \\n \\c",
    "-e -x @/etc/passwd -",
    "\x1b]0;title\x07 \x03\x04\x15\x17\x1a\x00",
    "\x85\x9b31m \u202e\u2066\u200b\u061c \u2028\u3164",
    "line\nbreak\r\ntab\t",
    "{[a-z],[1-3]} #comment # x",
    '"double" \\"escaped\\"',
    "é 漢 😀",
]
HEADERS = ["it's", "100%!", '"$(touch pwned)"', "@file", "-x", "a\\b `touch pwned`", "{}[]", "plain"]
FEW: list[Json] = [
    event(event="".join(HOSTILE), properties={"number": -5, "header": " ".join(HEADERS), "list": [*HOSTILE, 1, True]}),
    event(properties={"note": "é'%\\!\x7f" * 200, "header": "'!" * 500}),
]
MANY: list[Json] = FEW + [
    event(event=text, properties={"note": text, "header": HEADERS[number % len(HEADERS)], "list": [text, "b", 1, True]})
    for number, text in enumerate([*HOSTILE, "Viewed"])
]
MANY += [
    event(event="e" * 3000, properties={"note": "plain " * 300, "header": "h" * 2000}),
]
LARGE: list[Json] = [event(properties={"note": "it's 100 KB! é\x7f " * 6000})]


def commands(engine: Callable[..., Done], folder: Path, url: str, file: str, *options: str) -> str:
    (folder / "mirror.yaml").write_text((HERE / "mappings/mirror.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    done = engine(
        *["run", "mirror", "--example-settings", "--set", f"site={url}", "--format", "curl", "--events", file, *options]
    )
    assert "cannot be sent" not in done.err
    return done.out


def sent(noted: list[Noted], folder: Path, url: str, events: list[Json]) -> list[Noted]:
    """Return the requests as delivery sends them."""
    target = load(folder / "mirror.yaml")
    connection = target.connect({**target.example_settings(), "site": url})
    configured = ConfiguredConnection(name="mirror", connection=connection)

    async def send_all() -> None:
        sender = Sender(url)
        for each in events:
            run = dry_run(configured, connection.plan_normalized(normalize(each), now=0.0), 0.0)
            assert run.outgoing, run.plan.reason
            for outgoing in run.outgoing:
                await sender.send(outgoing.request, outgoing.encode)
        await sender.close()

    noted.clear()
    asyncio.run(send_all())
    return noted[:]


def check(
    engine: Callable[..., Done], file: str, folder: Path, given: list[Json], run: Callable[[str], object]
) -> None:
    """Compare the requests that the commands make with those that delivery sends; nothing else may have happened."""
    with noting_vendor() as (url, noted):
        text = commands(engine, folder, url, file, "--show-secrets")
        assert max(map(len, text.splitlines())) <= shell.LONGEST_LINE
        before = {each.name for each in folder.iterdir()}
        run(text)
        received = noted[:]
        assert received == sent(noted, folder, url, given)
    assert {each.name for each in folder.iterdir()} - before <= {"commands.sh"}


@pytest.mark.parametrize("name", SHELLS)
def test_pasted_commands_make_the_requests_that_delivery_sends(
    engine: Callable[..., Done], events: Callable[..., str], tmp_path: Path, name: str
) -> None:
    check(engine, events(*FEW), tmp_path, FEW, lambda text: pasted(name, text, tmp_path))


WAYS: dict[str, Callable[[str, str, Path], object]] = {
    **{f"{name}-script": script for name in SHELLS},
    **{f"{name}-terminal": pasted for name in SHELLS},
    **{f"{name}-bracketed": lambda *given: pasted(*given, bracketed=True) for name in EDITS_LINES},
}


# In a shell of its own each: zsh 5.9 crashes now and then where a command of 200 KB follows many others.
@pytest.mark.slow
@pytest.mark.parametrize("given", [MANY, LARGE], ids=["many", "100KB"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_commands(
    engine: Callable[..., Done], events: Callable[..., str], tmp_path: Path, way: str, given: list[Json]
) -> None:
    name = way.partition("-")[0]
    check(engine, events(*given), tmp_path, given, lambda text: WAYS[way](name, text, tmp_path))


@pytest.mark.parametrize("name", SHELLS)
def test_these_terminals_are_real(tmp_path: Path, name: str) -> None:
    """What quotes alone do not stop: DEL deletes the quote before it, so that the rest is a command."""
    pasted(name, "echo '\x7f; touch ran\n", tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["ran"]
