"""Wrong usage and bad input: a message that says what to do, the right exit code, and never a traceback."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.commands import COMMANDS, main
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.mapping.load import Library
from tests.commands.conftest import SHOP, Done, event

ROOT = Path(__file__).parents[2]
ENGINE = [sys.executable, "-m", "engine"]

MESSAGES = [
    (["run", "shpo", "--events", "e"], "Unknown mapping shpo; did you mean shop?\n"),
    (["show", "exponae"], "Unknown mapping exponae; did you mean exponea?\n"),
    (["run", "./nothing.yaml", "--events", "e"], "Mapping file ./nothing.yaml does not exist.\n"),
    (
        ["run", "shop", "--example-settings", "--events", "nothing.json"],
        "File nothing.json does not exist; name a file of events, or - for standard input.\n",
    ),
    (
        ["run", "shop", "--example-settings", "--events", "."],
        ". is a directory; name the files in it, such as ./*.ndjson.\n",
    ),
    (["docs", "langauge"], 'There is no page and no mapping "langauge". Did you mean language?\n'),
    (["validate-mappings", "folder"], "There are no mappings (*.yaml) in folder.\n"),
]


@pytest.mark.parametrize(("words", "message"), MESSAGES, ids=[" ".join(words) for words, _ in MESSAGES])
def test_what_is_not_there(engine: Callable[..., Done], tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "folder").mkdir()
    assert engine(*words) == Done(2, "", message)


OPTIONS = [
    ([], "Usage:"),
    (["rnu"], 'There is no command "rnu". Did you mean run?'),
    (["validate"], 'There is no command "validate". Did you mean validate-mappings?'),
    (["replay"], 'There is no command "replay". Did you mean outbox replay?'),
    (["outbox", "purg"], 'There is no command "purg". Did you mean purge?'),
    (["connections", "list"], 'There is no command "list". Available: check.'),
    (["paint"], 'There is no command "paint". Available:'),
    (["run"], "Missing argument 'MAPPING...'"),
    (["run", "shop"], "Missing option '--events'"),
    (["run", "shop", "--events", "e", "--format", "xml"], "'xml' is not one of 'text', 'ndjson', 'curl'"),
    (["run", "shop", "--events", "e", "--colour"], "No such option"),
    (["run", "shop", "--events", "e", "--mappings", "nowhere"], "nowhere"),
    (["validate-mappings", "--format", "xml"], "'xml' is not one of 'text', 'json', 'github'"),
    (["show"], "Missing argument 'NAME'"),
]


@pytest.mark.parametrize(("words", "message"), OPTIONS, ids=[" ".join(words) for words, _ in OPTIONS])
def test_wrong_options(engine: Callable[..., Done], words: list[str], message: str) -> None:
    done = engine(*words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize("page", ["functions", "functions.md", "docs/functions.md"])
def test_docs_prints_a_page(engine: Callable[..., Done], page: str) -> None:
    text = (ROOT / "docs" / "functions.md").read_text(encoding="utf-8")
    assert engine("docs", page) == Done(0, text, "")


def test_old_names_of_variables_work_and_are_deprecated(
    engine: Callable[..., Done], events: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_MAPPINGS", os.environ["WAYBILL_MAPPINGS"])
    monkeypatch.delenv("WAYBILL_MAPPINGS")
    done = engine("run", "shop", "--example-settings", "--events", events(event()))
    deprecated = "The environment variable ENGINE_MAPPINGS is deprecated; use WAYBILL_MAPPINGS.\n"
    assert (done.code, done.err.startswith(deprecated)) == (0, True)


@pytest.mark.parametrize("variable", ["WAYBILL_DEBUG", "ENGINE_DEBUG"])
def test_an_internal_error_shows_its_traceback_only_to_who_debugs(
    engine: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    def fail(_library: Library, _name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Library, "load", fail)
    assert engine("show", "shop") == Done(
        70, "", "Internal error (ZeroDivisionError). WAYBILL_DEBUG=1 shows the traceback; please report it.\n"
    )
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ZeroDivisionError):
        main(["show", "shop"])


NO_EXTRA = ("httptools", "prometheus_client", "pyspark", "starlette", "uvicorn", "uvloop")
PACKAGES = "needs packages that are not installed"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("runn", 'There is no command "runn". Did you mean run?'),
        ("sandbox", f"The sandbox {PACKAGES} (uvicorn): pip install 'waybill[server]'."),
        (
            "serve shop --sandbox --example-settings",
            f"The sandbox {PACKAGES} (uvicorn): pip install 'waybill[server]'.",
        ),
        (
            "serve shop --example-settings --write-key k",
            f"The collector {PACKAGES} (starlette): pip install 'waybill[server]'.",
        ),
        (
            "backfill shop --example-settings --from none",
            f"A backfill {PACKAGES} (pyspark): pip install 'waybill[spark]'.",
        ),
        ("send shop --events - --sandbox", f"The sandbox {PACKAGES} (uvicorn): pip install 'waybill[server]'."),
    ],
)
def test_without_the_extra_a_message_names_it(command: str, message: str, tmp_path: Path) -> None:
    hidden = f"import sys; sys.modules.update(dict.fromkeys({NO_EXTRA!r}))"
    run = f"{hidden}; from engine.commands import main; main({command.replace('shop', 'exponea').split()!r})"
    python = [sys.executable, "-c", run]
    done = subprocess.run(python, check=False, cwd=tmp_path, input="", capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1].removeprefix("Error: ")) == (2, message)


def test_help_names_every_command(engine: Callable[..., Done]) -> None:
    done = engine("--help")
    assert done.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in done.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(engine: Callable[..., Done], command: str) -> None:
    done = engine(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert "Usage:" in done.out


def bad_mappings() -> dict[str, bytes]:
    """Return mapping files that no editor should produce, and some that people do."""
    shop = SHOP.read_bytes()
    return {
        "empty": b"",
        "only a comment": b"# nothing\n",
        "a list": b"- a\n- b\n",
        "a text": b"hello",
        "not UTF-8": "name: café\n".encode("latin-1"),
        "a zero byte": b"name: a\0b\n",
        "deep": b"parts:\n  deep: " + b"[" * 100 + b"]" * 100 + b"\n",
        "very deep": b"[" * 60_000,
        "a bomb": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "a long line": b"about: " + b"x" * 1_000_000 + b"\n" + shop,
        "too large": b"about: " + b"x" * 2_000_000 + b"\n",
        "extends itself": shop.replace(b"title: Shop\n", b"title: Shop\nextends: bad\n"),
        "extends nothing": shop.replace(b"title: Shop\n", b"title: Shop\nextends: nothing_at_all\n"),
        "an unknown function": shop.replace(b"as: number", b"as: nubmer"),
        "a function on the wrong type": shop.replace(b"as: number", b"as: [split: ' ', lowercase]"),
        "parts in a circle": shop + b"parts: { a: parts.b, b: parts.a }\n",
        "a pattern that backtracks": shop.replace(b"as: number", b'must: { pattern: "^(a+)+$" }'),
        "a pattern RE2 has not": shop.replace(b"as: number", b'must: { pattern: "(?=x)" }'),
        "a secret in a URL": shop.replace(b", sent_in: url", b""),
        "surrogates": b'about: "\\uD800"\n' + shop,
        "a tag": b"about: !!python/object/apply:os.system [id]\n",
        "hostile names": shop.replace(b"note: properties.note", b'"__import__(\'os\')\\n\\"\\"\\"": properties.note'),
    }


@pytest.mark.parametrize("command", ["validate-mappings", "show", "show --code", "run"])
@pytest.mark.parametrize("bad", bad_mappings())
def test_a_bad_mapping_ends_in_a_message(
    engine: Callable[..., Done], events: Callable[..., str], tmp_path: Path, bad: str, command: str
) -> None:
    (tmp_path / "bad.yaml").write_bytes(bad_mappings()[bad].replace(b"name: shop", b"name: bad"))
    file, rest = events(event()), ["--example-settings", "--events"] if command == "run" else []
    done = engine(*command.split(), "./bad.yaml", *rest, *([file] if rest else []))
    assert "Traceback" not in done.out + done.err
    assert done.code in (0, 1, 2)
    if done.code:
        assert "bad.yaml:" in done.out + done.err


@pytest.mark.parametrize("command", ["validate-mappings", "show", "run"])
@pytest.mark.parametrize("path", ["nothing.yaml", "folder.yaml", "./nothing/at/all.yaml", "a\nb.yaml"])
def test_a_mapping_that_is_no_file_ends_in_a_message(
    engine: Callable[..., Done], tmp_path: Path, path: str, command: str
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    done = engine(command, path, *(["--events", "e"] if command == "run" else []))
    assert "Traceback" not in done.out + done.err
    assert done.code in (1, 2)


BAD_EVENTS = {
    "null": b"null",
    "a number": b"7",
    "a text": b'"text"',
    "an empty list": b"[]",
    "a list of lists": b"[[1], [2]]",
    "no type": b"{}",
    "an unknown type": b'{"type": "purchase", "userId": "u"}',
    "a type that is no text": b'{"type": ["track"], "userId": "u"}',
    "NaN": b'{"type": "track", "event": "x", "properties": {"price": NaN}}',
    "Infinity": b'{"type": "track", "event": "x", "properties": {"price": 1e999}}',
    "a huge integer": b'{"type": "track", "event": "x", "userId": ' + b"9" * 5000 + b"}",
    "60,000 brackets": b"[" * 60_000,
    "deep": b'{"type": "track", "event": "x", "userId": "u", "properties": ' + b'{"a":' * 150 + b"1" + b"}" * 151,
    "deep in an id": b'{"type": "track", "userId": "u", "messageId": ' + b"[" * 300 + b"]" * 300 + b"}",
    "half a character": b'{"type": "track", "event": "\\ud800", "userId": "u"}',
    "not UTF-8": b'{"type": "track", "event": "caf\xe9", "userId": "u"}',
    "dots for an id": b'{"type": "identify", "userId": "..", "traits": {"email": "x"}}',
    "a slash in an id": b'{"type": "identify", "userId": "a/b", "traits": {"email": "x"}}',
    "odd keys": json.dumps({**event(), "properties": {"lines": {"a.b": 1, "'": 2, "é \U0001f600": 3, "": 4}}}).encode(),
    "a long line": json.dumps(event(properties={"note": "x" * 2_000_000})).encode(),
    "half a file": b'{"type": "track", "event": "x", "properties": {"a',
    "not gzip at its end": gzip.compress(b'{"type": "group", "userId": "u"}\n' * 50, mtime=0)[:-12],
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("style", ["text", "ndjson", "curl"])
@pytest.mark.parametrize("bad", BAD_EVENTS)
def test_a_bad_event_ends_in_an_outcome_or_a_message(
    engine: Callable[..., Done], tmp_path: Path, bad: str, style: str
) -> None:
    (tmp_path / "bad.json").write_bytes(BAD_EVENTS[bad])
    done = engine("run", "shop", "--example-settings", "--format", style, "--events", "bad.json")
    assert "Traceback" not in done.out + done.err
    assert done.code in (0, 1)
    assert done.err.rstrip().endswith((".",))
    if style == "ndjson":
        assert all(json.loads(line)["reason"] for line in done.out.splitlines())


def test_a_control_character_in_a_key_is_refused_and_the_key_not_shown(
    engine: Callable[..., Done], events: Callable[..., str]
) -> None:
    done = engine("run", "shop", "--example-settings", "--set", "api_key=sesame\nb", "--events", events(event()))
    assert done.code == 2
    assert "the text contains a line break or another control character" in done.err
    assert "sesame" not in done.out + done.err


# What only a process of its own can show.


def process(*words: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*ENGINE, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "WAYBILL_MAPPINGS": str(SHOP.parent)},
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Return a file of events that fills every pipe."""
    file = tmp_path / "many.ndjson"
    file.write_text((json.dumps(event(properties={"note": "x" * 200})) + "\n") * 20_000)
    return file


@pytest.mark.parametrize("style", ["text", "ndjson", "curl"])
def test_a_reader_that_goes_away_is_no_error(many: Path, style: str) -> None:
    running = process("run", "shop", "--example-settings", "--format", style, "--events", str(many))
    assert running.stdout is not None
    assert running.stderr is not None
    with running:
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def seen_by_a_terminal(*words: str, out: Path | None = None, columns: int = 80) -> bytes:
    """Return what a terminal is shown: standard error, and standard output unless that goes into a file."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "WAYBILL_MAPPINGS": str(SHOP.parent), "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    with contextlib.ExitStack() as stack:
        stdout = stack.enter_context(out.open("wb")) if out else theirs
        stack.enter_context(
            subprocess.Popen([*ENGINE, *words], cwd=ROOT, stdout=stdout, stderr=theirs, env=environment)
        )
        os.close(theirs)
        shown = b""
        while piece := read_some(ours):
            shown += piece
    os.close(ours)
    return shown


def read_some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody holds the other end any more
        return b""


WORDS = ("run", "shop", "--example-settings", "--events")


@pytest.mark.parametrize(
    "style", ["text", *(pytest.param(each, marks=pytest.mark.slow) for each in ("ndjson", "curl"))]
)
def test_long_input_shows_a_bar_and_no_line_of_the_output(many: Path, tmp_path: Path, style: str) -> None:
    out = tmp_path / "out"
    many.write_text((json.dumps(event(properties={"note": "x" * 1400})) + "\n") * 5000 + "{broken\n")
    shown = seen_by_a_terminal(*WORDS, str(many), "--format", style, out=out)
    assert f"/{many.stat().st_size / 1_000_000:.1f} MB".encode() in shown
    assert b"many.ndjson:5001:2: not JSON" in shown
    assert b"Viewed" not in shown
    assert out.read_bytes().count(b'"name":') == 5000


def test_short_input_shows_no_bar(events: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / events(event())
    shown = seen_by_a_terminal(*WORDS, str(file), out=tmp_path / "out")
    assert b"MB" not in shown
    assert b"\x1b[32mplanned" in shown


def test_a_terminal_sees_colours(events: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / events(event())
    assert b"\x1b[1mtrack" in seen_by_a_terminal(*WORDS, str(file))


@pytest.mark.parametrize(("columns", "lines"), [(60, 8), (80, 5), (140, 1)])
def test_a_terminal_gets_its_own_width(events: Callable[..., str], tmp_path: Path, columns: int, lines: int) -> None:
    file = tmp_path / events(event(properties={"lines": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}]}))
    shown = re.sub(rb"\x1b\[\d*m", b"", seen_by_a_terminal(*WORDS, str(file), columns=columns)).decode()
    body = shown.partition("Bearer ***\r\n")[2].partition("\r\n\r\n")[0].splitlines()
    assert max(map(len, body)) <= columns
    assert len(body) == lines


@pytest.mark.slow
def test_nobody_sees_a_bar_in_a_pipe(many: Path) -> None:
    done = process("run", "shop", "--example-settings", "--format", "ndjson", "--events", str(many))
    _, errors = done.communicate()
    assert errors.decode() == "\ndestination  outcome  events\nshop         planned   20000\n20000 events.\n"


@pytest.mark.parametrize(
    "words", ["docs language", "explain shop {}", "test shop", "run shop --example-settings --events {}"]
)
def test_a_pipe_that_nobody_reads_is_no_error(words: str, events: Callable[..., str], tmp_path: Path) -> None:
    file = events(event())
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words.format(tmp_path / file).split()],
        stdout=writing, stderr=subprocess.PIPE, env={**os.environ, "WAYBILL_MAPPINGS": str(SHOP.parent)}, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, b"rror" in done.stderr) == (0, False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_stream_that_the_caller_closed_is_no_error(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m engine show exponea {closed}"], check=False, timeout=60
    )
    assert done.returncode == 0


@pytest.mark.parametrize("words", [["outbox", "show", "\udcff"], ["outbox", "replay", "\udcff"]])
def test_an_id_that_is_not_utf8(words: list[str], tmp_path: Path) -> None:
    SqliteOutbox(tmp_path / "outbox.db").close()
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words], check=False, timeout=60, capture_output=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (2, b"A name or an ID on the command line is not valid UTF-8.\n")


def test_no_machine_gets_more_workers_than_it_can_hold(engine: Callable[..., Done]) -> None:
    done = engine("serve", "shop", "--example-settings", "--workers", "9999")
    message = "Error: Invalid value for '--workers': 9999 is not in the range 0<=x<=64."
    assert (done.code, done.err.splitlines()[-1]) == (2, message)
