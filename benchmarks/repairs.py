"""What events cost that have to be repaired, as ratios to the same events without the fault: a case for each repair.

    python -m benchmarks.repairs [--rounds 9] [--only ids]

Each round plans the clean events, then those of a case, then the clean ones again, from bytes to bodies; a figure is
the median of the ratios. The goal is 2: what is wrong with events must not be a way to slow the engine down.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from orjson import dumps, loads

from benchmarks import corpus
from benchmarks.curves import planning, ratios
from benchmarks.rows import connected

Event = dict[str, Any]
EVENTS = 200
FAULTY_TYPES = ("tracks", "Trak", "identfy", "pageview", "scren", "aliass", "grp", "delet", "checkout", "view")


class Case(NamedTuple):
    """A fault put into events of a kind of call, as an event or as its bytes."""

    title: str
    call: str
    change: Change
    """Changes an event in place; the number is that of the event, for faults that are never the same twice."""
    written: Callable[[bytes], bytes] = bytes
    clean: Change | None = None
    """What the clean event has instead, where the corpus lacks that."""

    @property
    def kind(self) -> str:
        """What is repaired: the word before the colon."""
        return self.title.partition(":")[0]


Change: TypeAlias = Callable[[Event, int], object]


def puts(**fields: Any) -> Change:
    """Return a change that sets fields."""
    return lambda event, _: event.update(fields)


def drops(*names: str) -> Change:
    """Return a change that takes fields out."""
    return lambda event, _: [event.pop(name, None) for name in names]


def nothing(_event: Event, _number: int) -> None:
    """Change nothing: the fault is in the bytes."""


def text_of(event: Event, _number: int) -> None:
    """Put a word into the event that faults of bytes stand in."""
    event["properties"]["query"] = "blue shoes"


def null_of(event: Event, _number: int) -> None:
    """Put in what a number that JSON cannot represent becomes."""
    event["properties"]["query"] = None


def original(event: Event, _number: int) -> None:
    """Move the time into `originalTimestamp`."""
    event["originalTimestamp"] = event.pop("timestamp")


def cleared(event: Event, _number: int) -> None:
    """Clear three traits that the context has too, in other spellings."""
    event["context"]["traits"] = dict(event["traits"])
    event["traits"].update({"first_name": None, "last_name": None, "address": {"geo": None, "city": "Brno"}})


def older(event: Event, _number: int) -> None:
    """Put older traits into the context; one that is null in both needs no repair."""
    event["context"]["traits"] = dict(event["traits"])


def in_bytes(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return a change of bytes."""
    return lambda raw: raw.replace(old, new, 1)


def everything(event: Event, _number: int) -> None:
    """Put every fault into one event."""
    event.update(userId=17, anonymousId=18.0, context=None, integrations="x", timestamp="never", sentAt="x")
    event.update(originalTimestamp="x", receivedAt=0)


CASES = (
    Case("nothing", "track", nothing),
    Case("ids: userId a number", "track", lambda event, number: event.update(userId=number)),
    Case("ids: both floats", "track", lambda event, n: event.update(userId=n + 0.0, anonymousId=1e6 + n)),
    Case("ids: userId blank", "track", puts(userId=" ")),
    Case("ids: userId 'null'", "track", puts(userId="null")),
    Case("ids: userId an object", "track", puts(userId={"id": 1})),
    Case("ids: groupId a number", "group", puts(groupId=7)),
    Case("ids: previousId a number", "alias", puts(previousId=7)),
    Case("ids: none", "track", drops("userId", "anonymousId")),
    Case("objects: context null", "track", puts(context=None), clean=puts(context={})),
    Case("objects: context text", "track", puts(context="x"), clean=puts(context={})),
    Case("objects: integrations []", "track", puts(integrations=[])),
    Case("objects: properties []", "track", puts(properties=[]), clean=puts(properties={})),
    Case("objects: properties text", "track", puts(properties="x"), clean=puts(properties={})),
    Case("objects: properties missing", "track", drops("properties"), clean=puts(properties={})),
    Case("titles: name a number", "page", puts(name=7)),
    Case(
        "titles: category of properties",
        "page",
        lambda event, _: event["properties"].update(category=event.pop("category", "Shop")),
        clean=puts(category="Shop"),
    ),
    Case("titles: name and category lists", "screen", puts(name=[1], category=[2])),
    Case("titles: event blank", "track", puts(event=" ")),
    Case("types: misspelled", "track", lambda event, n: event.update(type=FAULTY_TYPES[n % len(FAULTY_TYPES)])),
    Case("types: never the same", "track", lambda event, n: event.update(type=f"trck{n:04}")),
    Case("types: a number", "track", puts(type=7)),
    Case("traits: of the context", "identify", lambda event, _: event["context"].update(traits=event.pop("traits"))),
    Case("traits: empty", "identify", puts(traits={}), clean=puts(traits={"a": 1})),
    Case(
        "traits: a null, nothing older",
        "identify",
        older,
        clean=lambda event, n: (older(event, n), event["traits"].pop("optIn")),
    ),
    Case(
        "traits: three cleared",
        "identify",
        cleared,
        clean=lambda event, n: (older(event, n), event["traits"].pop("optIn")),
    ),
    Case("times: with an offset", "track", lambda event, _: event.update(timestamp=event["timestamp"][:-1] + "+00:00")),
    Case(
        "times: microseconds and an offset",
        "track",
        lambda event, _: event.update(timestamp=event["timestamp"][:-1] + "123+00:00"),
    ),
    Case("times: +0200", "track", lambda event, _: event.update(timestamp=event["timestamp"][:-1] + "+0200")),
    Case("times: a date", "track", lambda event, _: event.update(timestamp=event["timestamp"][:10])),
    Case(
        "times: Go's",
        "track",
        lambda event, _: event.update(timestamp=event["timestamp"][:10] + " 01:02:03.4 +0000 UTC m=+7.1"),
    ),
    Case("times: seconds", "track", lambda event, n: event.update(timestamp=1_780_000_000 + n)),
    Case("times: milliseconds", "track", lambda event, n: event.update(timestamp=1_780_000_000_123 + n)),
    Case("times: seconds as text", "track", lambda event, n: event.update(timestamp=str(1_780_000_000 + n))),
    Case("times: timestamp missing", "track", drops("timestamp")),
    Case("times: of originalTimestamp", "track", original),
    Case(
        "times: of originalTimestamp, without sentAt",
        "track",
        lambda event, n: (original(event, n), event.pop("sentAt")),
    ),
    Case("times: unreadable", "track", puts(timestamp="yesterday")),
    Case("times: all unreadable", "track", puts(timestamp="x", originalTimestamp="y", sentAt="z", receivedAt="w")),
    Case("times: an object", "track", puts(timestamp={})),
    Case("times: the year 1", "track", puts(timestamp="0001-01-01T00:00:00Z")),
    Case("times: the year 2558", "track", puts(timestamp="2558-01-01T00:00:00.000Z")),
    Case(
        "times: year 2558, receivedAt of 1970",
        "track",
        puts(timestamp="2558-01-01T00:00:00.000Z", receivedAt="1970-01-01T00:00:00Z"),
    ),
    Case(
        "times: original of 2558",
        "track",
        lambda event, _: (event.pop("timestamp"), event.update(originalTimestamp="2558-01-01T00:00:00.000Z")),
    ),
    Case("times: no receivedAt", "track", drops("receivedAt")),
    Case("times: none at all", "track", drops("timestamp", "receivedAt", "originalTimestamp", "sentAt")),
    Case("bytes: half a character", "track", text_of, in_bytes(b"blue shoes", b"blue \\ud83d"), text_of),
    Case("bytes: not UTF-8", "track", text_of, in_bytes(b"blue shoes", b"blue \xff"), text_of),
    Case("bytes: NaN", "track", text_of, in_bytes(b'"blue shoes"', b"NaN"), null_of),
    Case("bytes: 1e999", "track", text_of, in_bytes(b'"blue shoes"', b"1e999"), null_of),
    Case("bytes: a byte order mark", "track", text_of, lambda raw: b"\xef\xbb\xbf" + raw, text_of),
    Case(
        "bytes: all of these",
        "track",
        text_of,
        lambda raw: b"\xef\xbb\xbf" + raw.replace(b'"blue shoes"', b'NaN,"x":"\\ud83d \xff"', 1),
        text_of,
    ),
    Case("bytes: cut", "track", nothing, lambda raw: raw[:-20]),
    Case("bytes: cut, and NaN", "track", text_of, lambda raw: raw.replace(b'"blue shoes"', b"NaN", 1)[:-20], text_of),
    Case("all at once", "track", everything),
)


def made(case: Case, change: Change, written: Callable[[bytes], bytes] = bytes) -> list[bytes]:
    """Return events of the corpus, changed."""
    kinds = corpus.of_kind(corpus.events(1500), case.call)
    found = []
    for number in range(EVENTS):
        event = loads(kinds[number % len(kinds)])
        change(event, number)
        found.append(written(dumps(event)))
    return found


def measured(rounds: int, only: str = "") -> dict[Case, float]:
    """Return each case with its ratio to clean events."""
    connection, found = [connected()], {}
    for case in CASES:
        if case.title.startswith(only):
            clean = planning(connection, made(case, case.clean or nothing))
            faulty = planning(connection, made(case, case.change, case.written))
            found[case] = ratios({"": faulty}, clean, rounds)[""]
    return found


def summary(found: dict[Case, float]) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each kind: how many cases, the median, the worst and which that is."""
    rows = []
    for kind in dict.fromkeys(case.kind for case in found):
        of_kind = {case: ratio for case, ratio in found.items() if case.kind == kind}
        worst = max(of_kind, key=lambda case: of_kind[case])
        name = worst.title.partition(": ")[2]
        median = statistics.median(of_kind.values())
        rows.append((kind, str(len(of_kind)), f"{median:.2f}", f"**{of_kind[worst]:.2f}**", name))
    return rows


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--only", default="", help="what the names of cases begin with")
    given = options.parse_args()
    for case, ratio in measured(given.rounds, given.only).items():
        print(f"{case.title:45} {ratio:6.2f}")


if __name__ == "__main__":
    main()
