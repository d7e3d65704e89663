"""Replays a page: writes the files it shows, runs the commands it shows, and compares what they print.

    ```yaml mappings/shop.yaml         the whole file; with ` +` behind it, what is added at its end
    ```diff mappings/shop.yaml         lines to take away and to put in their place
    ```console run                     `$ command`, then what it prints; `...` stands for any lines

A command of `engine` runs in this process, which saves its start, also where programs of the shell give it its input
or read its output; whatever else needs a shell is a process.

A command's exit code is its own business: `validate-mappings` ends with 1 where a page shows a mistake.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

from engine.commands import main
from tests.docs.blocks import ROOT, Block

ANYTHING = "..."
PRINTED_WHOLE = ("CI", "BUILD_NUMBER")
"""Where one of these is set, pytest cuts no line of its summary at the width of the terminal."""
REWRITE = "python -m tests.docs.rewrite"
COMMANDS = {"engine": "engine", "validate-mappings": "engine validate-mappings", "python": ""}
HERE = {"engine": (), "validate-mappings": ("validate-mappings",)}
QUOTED = r"""'[^']*'|"(?:[^"$`\\!]|\$(?=[. ']))*\""""
"""Text that means the same to a shell and to `shlex`."""
PLAIN = rf"(?:[^|&;<>()$`\\*?~#\n'\"]|{QUOTED})*"
"""What no shell is needed for."""
HERE_TOO = re.compile(
    rf"(?:(?P<giving>(?:head|echo|printf|cat) {PLAIN}) \| )?(?P<words>(?:engine|validate-mappings)(?: {PLAIN})?)"
    r"(?: < (?P<file>[\w.]+))?(?P<streams> 2>/dev/null| >/dev/null 2>&1| 2>&1 >/dev/null| 2>&1|)"
    r"(?: \| (?P<reading>(?:cut|grep|head|python|sed|tail|wc) .*))?"
)
"""A command of `engine` alone, or in a pipe."""
KEPT = {"": "12", " 2>&1": "12", " 2>/dev/null": "1", " >/dev/null 2>&1": "", " 2>&1 >/dev/null": "2"}
"""Which streams are left to read."""


class Console:
    """A shell in a folder where `engine`, `validate-mappings` and `python` are this checkout's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / ".bin"
        self.bin.mkdir()
        for name, module in COMMANDS.items():
            words = f"{sys.executable} -m {module}" if module else sys.executable
            (self.bin / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (self.bin / name).chmod(0o755)

    def play(self, block: Block) -> None:
        """Do what a block shows."""
        if block.words == "run":
            for command, shown in commands(block):
                check(block, command, self.run(command).splitlines(), shown)
        elif block.language == "diff":
            change(self.folder / block.words, block)
        elif block.words:
            path, _, more = block.words.partition(" ")
            self.write(self.folder / path, block.text, more=more == "+")

    def run(self, command: str) -> str:
        """Run a command and return all it prints."""
        found = HERE_TOO.fullmatch(command.replace("\\\n", ""))
        if found is None:
            return self._shell(command)
        words = shlex.split(found["words"])
        giving = found["giving"] or (found["file"] and f"cat {found['file']}")
        given = self._shell(giving) if giving else ""
        printed = self._here([*HERE[words[0]], *words[1:]], given.encode(), KEPT[found["streams"]])
        return self._shell(found["reading"], printed) if found["reading"] else printed.decode()

    def _here(self, words: list[str], given: bytes, kept: str) -> bytes:
        """Run `engine` in this process; `kept` names the streams to return."""
        streams = [io.TextIOWrapper(io.BytesIO(raw), "utf-8", write_through=True) for raw in (given, b"", b"")]
        output = streams[1]
        stdout, stderr = (output if number in kept else streams[2] for number in "12")
        with (
            patch.dict(os.environ, self.environment(), clear=True),
            chdir(self.folder),
            patch("sys.stdin", streams[0]),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            suppress(SystemExit),
        ):
            main(words)
        assert isinstance(output.buffer, io.BytesIO)
        return output.buffer.getvalue()

    def _shell(self, command: str, given: bytes = b"") -> str:
        """Run a command as a process."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment(),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.stdout.decode()

    def environment(self) -> dict[str, str]:
        """Return the environment of a command."""
        environment = {
            **os.environ,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
        }
        for name in ("WAYBILL_MAPPINGS", "ENGINE_MAPPINGS", "FORCE_COLOR", *PRINTED_WHOLE):
            environment.pop(name, None)
        return environment

    @staticmethod
    def write(file: Path, text: str, *, more: bool) -> None:
        """Write a file, or what comes at its end."""
        file.parent.mkdir(parents=True, exist_ok=True)
        assert not more or file.exists(), f"{file.name} is not there yet"
        before = file.read_text(encoding="utf-8") if more else ""
        file.write_text(before + text, encoding="utf-8")


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines it is shown to print."""
    command, shown, going_on = "", [], False
    for line in block.text.splitlines():
        if going_on:
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), []
        else:
            shown.append(line)
            continue
        going_on = command.endswith("\\")
    yield command, shown


def check(block: Block, command: str, printed: list[str], shown: list[str]) -> None:
    """Compare what a command printed with what the page shows; spaces at line ends do not count."""
    whole = "\n".join([f"line {block.line}: `{command}` prints", *printed, f"(if that is meant: {REWRITE})"])
    rest = [line.rstrip() for line in printed]
    anything = False
    for line in (each.rstrip() for each in shown):
        if line.strip() == ANYTHING:
            anything = True
            continue
        while anything and rest and rest[0] != line:
            rest.pop(0)
        assert rest, f"{line!r} is missing: {whole}"
        assert rest.pop(0) == line, whole
        anything = False
    assert anything or not any(rest), whole


def change(file: Path, block: Block) -> None:
    """Change a file as a diff shows it."""
    lines = block.text.splitlines()
    old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"line {block.line}: these lines are not in {file.name} exactly once"
    file.write_text(text.replace(old, new), encoding="utf-8")
