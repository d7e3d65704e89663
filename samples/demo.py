"""`make demo`: the samples as planned requests (a few in full, all as counts), then the whole way.

The whole way is SDKs -> collector -> outbox -> mappings -> emulated vendors: the samples are posted as any program
would post them, and one person is followed through two real SDKs.  It runs the installed command and prints what it
runs, so that everything seen here can be typed again.
"""

from __future__ import annotations

import base64
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson

from engine.events.reading import read_events
from engine.expo import Segment
from engine.records import Json

HERE = Path(__file__).parent
ENGINE = [sys.executable, "-m", "engine"]
TELLING: tuple[dict[str, Json], ...] = (
    {"type": "page"},
    {"type": "identify"},
    {"type": "track"},
)
SENT = ("exponea", "extole", "user_com")
"""The mappings whose vendor is emulated; bloomreach_engagement has that of exponea."""
CONNECTIONS = """\
exponea:
  destination: exponea
  settings: { api_key: public-key, project_token: project-token, hard_id: registered, soft_id: cookie }
extole: { destination: extole, settings: { api_key: access-token } }
user_com: { destination: user_com, settings: { api_key: api-key, app_url: "https://example.user.com" } }
"""
FOUND_INVALID = 1  # a sample may be invalid for one destination on purpose; the table says why
KEY = "sandbox"
LONGEST = 60.0
"""Seconds until all must be delivered."""


INTRODUCTION = """\
A mapping says which HTTP requests an event becomes. First what the mappings make of three of the samples: for each
event the requests that would be sent (`planned`), or why there are none."""
COUNTED = """\
The same for all samples, as counts. Some are `invalid` for a destination on purpose: the reasons say what they lack."""
SERVED = """\
Now for real, but into emulated vendors: a server takes the samples and what two SDKs send, and delivers them."""
ENDED = """\
Delivered, and in the end what each vendor holds. What was `rejected` is meant to be: a few samples break a vendor's
rules, and its own words say which. `engine outbox` would show such events, and send them again."""
COMPUTED = """\
Audiences are computed from events that were kept. Sample events go into an archive, two definitions are computed as of
a day in 2024, and each member becomes a call to those vendors; later runs only send who entered or left."""
CONSOLE = """\
The same with live traffic, in the web console; open the link that it prints:
  .venv/bin/engine serve exponea extole user_com --sandbox --console"""


def main() -> int:
    """Run the commands; 0 unless one of them could not do its work."""
    files = [str(path.relative_to(Path.cwd())) for path in sample_files()]
    mappings = sorted(path.stem for path in (HERE.parent / "mappings").glob("*.yaml"))
    codes = [
        some_in_full(mappings),
        run(["run", *mappings, "--example-settings", "--format", "ndjson", "--events", *spread(files)], COUNTED),
        whole_way(files),
        *audiences(),
    ]
    print(f"\n{CONSOLE}")
    return max((code for code in codes if code != FOUND_INVALID), default=0)


def some_in_full(mappings: list[str]) -> int:
    """Show what each mapping makes of a few samples."""
    telling = HERE / "documents.ndjson"
    numbers = telling_lines(telling)
    lines = telling.read_bytes().splitlines(keepends=True)
    told = f"sed -n '{''.join(f'{number}p;' for number in numbers)}' {telling.relative_to(Path.cwd())} | "
    shown = b"".join(lines[number - 1] for number in numbers)
    return run(["run", *mappings, "--example-settings", "--events", "-"], INTRODUCTION, shown, before=told)


def sample_files() -> list[Path]:
    """Return the sample files, whatever form they are in."""
    return sorted(path for path in HERE.iterdir() if path.name.endswith((".json", ".ndjson", ".ndjson.gz")))


def events_of(file: str) -> list[bytes]:
    """Return the events of a sample file as they stand there."""
    with read_events(file, stdin=sys.stdin.buffer) as reader:
        return [line.raw for line in reader if line.raw is not None]


def telling_lines(file: Path) -> list[int]:
    """Return the numbers of the lines, from 1, with the first sample of each kind in TELLING."""
    events = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    return sorted(next(n for n, event in enumerate(events, 1) if is_a(event, kind)) for kind in TELLING)


def is_a(event: Json, kind: dict[str, Json]) -> bool:
    """Whether an event has everything a kind asks for."""
    return isinstance(event, dict) and kind.items() <= event.items()


def spread(files: list[str]) -> list[str]:
    """Repeat `--events` between files."""
    return [word for file in files for word in ("--events", file)][1:]


def run(words: list[str], about: str, stdin: bytes = b"", before: str = "") -> int:
    """Say a command, and run it; the records of `--format ndjson` are for programs, and left out here."""
    say(words, about, before)
    quiet = subprocess.DEVNULL if "ndjson" in words else None
    return subprocess.run([*ENGINE, *words], input=stdin, stdout=quiet, check=False).returncode


def say(words: list[str], about: str, before: str = "") -> None:
    """Say what comes, and the command as it would be typed; a long one goes over several lines."""
    lines = textwrap.wrap(f"$ {before}engine {shlex.join(words)}", 96, break_on_hyphens=False, subsequent_indent="    ")
    print(f"\n{about}\n" * bool(about) + "\n" + " \\\n".join(lines) + "\n", flush=True)


def audiences() -> list[int]:
    """Archive sample events, sync an audience and a computed trait of them, and deliver."""
    samples = HERE.relative_to(Path.cwd())
    about = iter((COMPUTED, ""))
    with tempfile.TemporaryDirectory() as folder:
        file, archive, outbox = (f"{folder}/{name}" for name in ("connections.yaml", "archive", "outbox.db"))
        Path(file).write_text(CONNECTIONS)
        given = ["--connections", file, "--outbox", outbox]
        names = ["Order Completed Last 30days", "Total Spent 90 Days"]
        definitions = ["--audiences", f"{samples}/audiences.yaml", "--at", "2024-04-20T00:00:00Z"]
        commands = [
            ["archive", "import", f"{samples}/ecommerce.ndjson", "--archive", archive],
            ["audiences", "sync", *names, *definitions, "--archive", archive, *given],
            ["send", *given, "--sandbox"],
        ]
        return [run(words, next(about, "")) for words in commands]


def whole_way(files: list[str]) -> int:
    """Serve, send from several sides, wait until all is delivered, and let the server say what the vendors hold."""
    words = ["serve", *SENT, "--sandbox", "--port", "0", "--admin-port", "0", "--no-log"]
    say(words, SERVED)
    server = subprocess.Popen([*ENGINE, *words], stdout=subprocess.PIPE, text=True)
    try:
        admin, collector = addresses(server)
        print()
        post(collector, files)
        wait(admin)  # so that what comes now is the newest in the end
        on_the_web(collector)
        on_the_phone(collector)
        wait(admin)
        print(f"  not kept, by Segment's rules: {', '.join(discards(admin))}")
        print("  and Ctrl-C ends the server\n\n" + ENDED + "\n", flush=True)
        server.send_signal(signal.SIGINT)
        print(server.communicate(timeout=LONGEST)[0], end="")
    finally:
        server.kill()
    return server.returncode


def addresses(server: subprocess.Popen[str]) -> tuple[str, str]:
    """Read the admin address and the collector's from what a server says, and say it."""
    assert server.stdout is not None
    admin = ""
    for line in server.stdout:
        print(line, end="", flush=True)
        found = next((word.rstrip(";") for word in line.split() if word.startswith("http://")), "")
        if line.startswith("The collector"):
            return admin, found
        admin = found.removesuffix("/metrics") if found.endswith("/metrics") else admin
    raise SystemExit("The server did not start; it said why.")


def post(collector: str, files: list[str]) -> None:
    """Post each sample file as one batch."""
    authorization = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
    for file in files:
        events = events_of(file)
        body = b'{"batch":[' + b",".join(events) + b"]}"
        answer = httpx.post(f"{collector}/v1/batch", content=body, headers={"authorization": authorization})
        print(f"  POST /v1/batch             {file}: {len(events)} events, answered {answer.status_code}")


def on_the_web(collector: str) -> None:
    """Have Segment's library for Python say what one person does on a website."""
    from segment.analytics.client import Client

    client = Client(KEY, host=collector)
    page = {"url": "https://shop.example.com/lamps", "title": "Lamps", "referrer": "https://search.example.com/"}
    when = datetime.now(UTC)
    client.page(anonymous_id="visitor-1", category="Shop", name="Lamps", properties=page, timestamp=when)
    client.identify("ada", {"email": "ada@example.com", "firstName": "Ada"}, anonymous_id="visitor-1", timestamp=when)
    client.group("ada", "engines", {"name": "Analytical Engines"}, timestamp=when)
    client.track("ada", "Order Completed", {"order_id": "o-1", "total": 49.5}, timestamp=when)
    client.shutdown()
    print("  segment-analytics-python   Ada looks at lamps, signs up, joins a company, orders: 4 calls")


def on_the_phone(collector: str) -> None:
    """Have Expo's Segment module say what she does in the app."""
    with tempfile.TemporaryDirectory() as directory:
        app = Segment("ios", collector, Path(directory), start=False)
        app.initialize_ios(KEY)
        app.identify_with_traits("ada", {"plan": "pro"})
        app.track_with_properties("Parcel Tracked", {"order_id": "o-1"})
        app.flush()
        app.close()
    print("  Expo's Segment module      Ada tracks her parcel on her phone: 2 calls", flush=True)


def discards(admin: str) -> list[str]:
    """Return what the collector discarded, as its metrics have it."""
    lines = asked(admin, "metrics").text
    found = re.findall(r'^waybill_collector_discarded_total{code="(\w+)".*} (\d+)', lines, re.MULTILINE)
    return [f"{count} x {code}" for code, count in found]


def asked(admin: str, path: str) -> httpx.Response:
    """Ask the admin address."""
    return httpx.get(f"{admin}/{path}", headers={"authorization": f"Bearer {KEY}"})


def wait(admin: str) -> None:
    """Wait until nothing is unfinished, as the admin address has it."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        if not any(each["unfinished"] for each in asked(admin, "status").json()["connections"]):
            return
        time.sleep(0.1)
    raise SystemExit(f"After {LONGEST:g} seconds some events are not delivered; that should not be.")


if __name__ == "__main__":
    sys.exit(main())
