"""`engine new` as it is typed: flags, questions on a terminal, what it refuses, and that it overwrites nothing."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands import main

SECRET = "Zq7SeCrEtVaL9x8y"
FLAGS = ["--base-url", "https://api.acme.io/v1", "--credentials", "none", "--request", "add_event POST /events track"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["new", *words])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    return tmp_path


def test_flags_make_a_mapping(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inside / "mappings").mkdir()
    assert run(capsys, "acme", *FLAGS) == (
        0,
        "",
        (
            "mappings/acme.yaml: 1 request, 1 call (track), 0 settings.\n"
            "Next: engine run mappings/acme.yaml --events FILE --example-settings\n"
        ),
    )
    text = (inside / "mappings" / "acme.yaml").read_text()
    assert (
        text
        == """\
mapping: 1
name: acme
title: Acme

http:
  base_url: https://api.acme.io/v1

requests:
  add_event:
    path: /events

calls:
  track:
    - request: add_event
      fields:
        user_id: userId
        event: event
        timestamp: { from: timestamp, as: iso8601 }
        properties: properties

examples:
  - title: A person does something
    event:
      type: track
      messageId: track-1
      userId: user-1
      event: Order Completed
      timestamp: 2024-03-05T10:15:30Z
      properties: { plan: pro }
    expect:
      - add_event:
          user_id: user-1
          event: Order Completed
          timestamp: 2024-03-05T10:15:30Z
          properties: { plan: pro }
"""
    )


def test_nothing_is_overwritten(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inside / "acme.yaml").write_text("mine")
    message = "acme.yaml exists, and nothing is overwritten. Choose another name, move the file, or use --output -.\n"
    assert run(capsys, "acme", *FLAGS) == (2, "", message)
    assert (inside / "acme.yaml").read_text() == "mine"
    code, out, err = run(capsys, "acme", *FLAGS, "--output", "-")
    assert (code, out.splitlines()[1], err) == (0, "name: acme", "1 request, 1 call (track), 0 settings.\n")


MESSAGES = [
    (
        ["Acme.io"],
        (
            '"Acme.io" cannot be the name of a mapping: it has small letters, digits and _, and begins with a letter. Did you '
            "mean acme_io?"
        ),
    ),
    (["a" * 300], "The name has 300 characters; that of a mapping has at most 60."),
    (["acme", "--output", "x/b.yaml"], "The file of this mapping is called acme.yaml: --output x/acme.yaml."),
    (["acme", *FLAGS, "--output", "x/acme.yaml"], "There is no folder x; make it first: mkdir -p x"),
    (
        ["acme"],
        (
            "There is no base URL. Write --base-url https://..., --from-curl or --from-openapi; questions are asked on a "
            "terminal only."
        ),
    ),
    (
        ["acme", "--base-url", "https://a.io"],
        "Say what credentials the vendor needs: --credentials bearer | header | basic | query | oauth2 | none.",
    ),
    (
        ["acme", "--base-url", f"https://u:{SECRET}@a.io"],
        "--base-url has credentials or a query; write it without, and use --credentials.",
    ),
    (
        ["acme", *FLAGS, "--credentials", "bearrer"],
        "There are no credentials of the kind bearrer. Did you mean bearer?",
    ),
    (
        ["acme", *FLAGS, "--credentials", "header:Host"],
        "Host cannot be the header of a credential, as X-Api-Key can.",
    ),
    (
        ["acme", "--base-url", "https://a.io", "--credentials", "none"],
        'There is no request. Write --request "add_event POST /events track".',
    ),
    (
        ["acme", *FLAGS, "--request", "a POST"],
        (
            'The request "a POST" is not complete. Write it as "NAME METHOD PATH CALLS [FIELDS]", such as "add_event POST '
            '/events track,page user_id,email".'
        ),
    ),
    (["acme", *FLAGS, "--request", "a POST /x trak"], "There is no call trak. Did you mean track?"),
    (["acme", *FLAGS, "--calls", "trak"], "There is no call trak. Did you mean track?"),
    (["acme", *FLAGS, "--docs", "x"], "--docs must be an address, such as https://docs.example.com/api."),
    (["acme", "--operation", "x"], "--operation needs --from-openapi FILE."),
    (["acme", "--from-openapi", "none.json"], "none.json cannot be read: No such file or directory."),
    (
        ["acme", *FLAGS, "--suggest", "none"],
        "File none does not exist; name a file of events, or - for standard input.",
    ),
]


@pytest.mark.parametrize(("words", "message"), MESSAGES, ids=[message for _, message in MESSAGES])
def test_wrong_usage_says_what_to_do(
    words: list[str], message: str, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, *words) == (2, "", f"{message}\n")
    assert list(inside.iterdir()) == []


def test_a_credential_of_a_command_is_shown_nowhere(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = json.dumps({"event": "x", "api_key": SECRET, "list": [SECRET], "note": f"a {SECRET}"})
    command = f"curl https://a.io/{SECRET}/x -H 'X-Token: {SECRET}' -u {SECRET}: -d @/etc/passwd --json '{body}'"
    code, out, err = run(capsys, "acme", "--from-curl", command)
    assert (code, out) == (0, "")
    assert SECRET not in err + (inside / "acme.yaml").read_text()
    assert "root:" not in (inside / "acme.yaml").read_text()
    assert run(capsys, "validate", "--from-curl", f"curl --frob{SECRET}")[2].count(SECRET) == 0


def test_questions_are_asked_on_a_terminal(inside: Path) -> None:
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "new", "acme"],
        stdin=other,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    answers = [
        "Acme Inc",
        "ftp://x",
        "https://api.acme.io",
        "bearr",
        "header:X-K",
        "add_event POST",
        "add_event POST /e",
    ]
    for answer in [*answers, "track,pge", "track,page", "n"]:
        os.write(terminal, f"{answer}\n".encode())
    _, err = process.communicate()
    os.close(terminal)
    os.close(other)
    assert process.returncode == 0, err
    for words in ("must begin with https://", "Did you mean bearer?", "is not complete", "Did you mean page?"):
        assert words in err
    text = (inside / "acme.yaml").read_text()
    assert "title: Acme Inc\n" in text
    assert "    X-K: ${settings.k}\n" in text
    assert "  page:\n" in text


def test_without_the_extra_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    message = "engine new needs the extra \"author\": pip install 'waybill[author]'\n"
    assert run(capsys, "acme", *FLAGS) == (2, "", message)
