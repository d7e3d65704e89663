"""Shells as people use them: a script, a terminal that edits lines, one that does not; and a vendor that takes notes.

`pasted` types a text into an interactive shell on a terminal of its own, as fast as the terminal takes it.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import select
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

INTERACTIVE = {"dash": ["-i"], "bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
SHELLS = [name for name in INTERACTIVE if shutil.which(name)]
"""Those of this machine; .ci/run installs what is missing."""

# dash does not edit lines: it reads those that the terminal puts together, of at most 4,096 bytes.
EDITS_LINES = [name for name in SHELLS if name != "dash"]

PROMPTS = {"dash": "READY-1> ", "bash": r"READY-\#> ", "zsh": "READY-%h> "}
"""With the number of the command, so that the end of each is seen."""

LONGEST_WAIT = 60.0
OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def environment(shell: str) -> dict[str, str]:
    path = os.environ["PATH"] if shutil.which("curl") else f"{stand_in()}:{os.environ['PATH']}"
    own = {"PS1": PROMPTS[shell], "PS2": "", "TERM": "xterm", "LANG": "C.UTF-8", "no_proxy": "*"}
    return {"PATH": path, **own}


@cache
def stand_in() -> str:
    """Return a folder with a `curl` for machines that have none."""
    folder = Path(tempfile.mkdtemp(prefix="waybill-curl-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / "curl"
    code = Path(__file__).with_name("curl_stand_in.py")
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(code))} "$@"\n')
    program.chmod(0o755)
    return str(folder)


def script(shell: str, text: str, folder: Path) -> None:
    """Run a text as a script."""
    file = folder / "commands.sh"
    file.write_text(text, encoding="ascii")
    subprocess.run(
        [shell, str(file)], cwd=folder, env=environment(shell), check=True, timeout=LONGEST_WAIT, capture_output=True
    )


def commands_of(text: str) -> Iterator[str]:
    """Return the commands of a text: a line that ends in a backslash, or opens a group, goes on."""
    lines: list[str] = []
    for line in text.splitlines():
        lines.append(line)
        if line and not line.endswith("\\") and (not lines[0].startswith("{") or any(each[0] == "}" for each in lines)):
            yield "\n".join(lines)
            lines = []
        elif lines == [""]:
            lines = []


def pasted(shell: str, text: str, folder: Path, *, bracketed: bool = False) -> None:
    """Paste a text into an interactive shell, `bracketed` as a terminal does that says so.

    Shells that edit lines get one command at a time: what is typed while they change the terminal's mode gets lost now
    and then, whatever it is.
    """
    terminal, other = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    words = [sys.executable, "-c", OWN_TERMINAL, shell, *INTERACTIVE[shell]]
    process = subprocess.Popen(
        words, stdin=other, stdout=other, stderr=other, cwd=folder, env=environment(shell), start_new_session=True
    )
    os.close(other)
    os.set_blocking(terminal, False)
    try:
        _type(terminal, "", until="READY-1> ")
        if shell in EDITS_LINES:
            for number, command in enumerate(commands_of(text), 2):
                typed = f"\x1b[200~{command}\x1b[201~\r" if bracketed else f"{command}\n"
                _type(terminal, typed, until=f"READY-{number}> ")
            text = ""
        _type(terminal, f"{text}exit\n", until=None)
    finally:
        os.close(terminal)
        process.wait(LONGEST_WAIT)


def _type(terminal: int, text: str, *, until: str | None) -> None:
    """Type and read at once, until the screen shows a text; None: until the shell has ended."""
    left, screen, end = text.encode(), bytearray(), time.monotonic() + LONGEST_WAIT
    while left or until is None or until.encode() not in screen[-4096:]:
        assert time.monotonic() < end, screen[-2000:].decode(errors="replace")
        readable, writable, _ = select.select([terminal], [terminal] if left else [], [], 1)
        if writable:
            left = left[os.write(terminal, left[:1024]) :]
        if readable:
            try:
                read = os.read(terminal, 65536)
            except OSError:  # Linux says so when nobody has the other end any more
                read = b""
            if not read:
                assert until is None, f"the shell ended: {screen[-2000:].decode(errors='replace')}"
                return
            screen += read


class Noted(NamedTuple):
    """One request as it came: `headers` in the order of their names."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@contextmanager
def noting_vendor() -> Iterator[tuple[str, list[Noted]]]:
    """Serve any request on a free port of this machine; yield the address, and the requests so far."""
    noted: list[Noted] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(1 << 20)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            length = self.headers.get("Content-Length")
            body = self.rfile.read(int(length or 0))
            headers = sorted((name.lower(), value) for name, value in self.headers.items())
            noted.append(Noted(self.command, self.path, tuple(headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", noted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
