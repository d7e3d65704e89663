"""Replays a page: writes the files it shows, runs the commands it shows, and compares what they print.

    ```yaml mappings/shop.yaml         the whole file; with ` +` behind it, what is added at its end
    ```diff mappings/shop.yaml         lines to take away and to put in their place
    ```console run                     `$ command`, then what it prints; `...` stands for any lines

A command of `engine` that needs no shell runs in this process, which saves its start; all others are processes.

A command's exit code is its own business: `validate-mappings` ends with 1 where a page shows a mistake.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

from tests.docs.blocks import ROOT, Block
from tests.operating import said

ANYTHING = "..."
REWRITE = "python -m tests.docs.rewrite"
COMMANDS = {"engine": "engine", "validate-mappings": "engine validate-mappings", "python": ""}
HERE = {"engine": (), "validate-mappings": ("validate-mappings",)}
OF_A_SHELL = frozenset("|&;<>()$`\\*?~#\n")
"""Characters that may mean something to a shell; within quotes too, to be sure."""


class Console:
    """A shell in a folder where `engine`, `validate-mappings` and `python` are this checkout's."""

    def __init__(self, folder: Path, code: Path = ROOT) -> None:
        self.folder = folder
        self.code = code
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
        name = command.partition(" ")[0]
        if name in HERE and self.code == ROOT and not OF_A_SHELL & {*command}:
            with patch.dict(os.environ, self.environment(), clear=True), chdir(self.folder):
                return said(*HERE[name], *shlex.split(command)[1:])[1]
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
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
            "PYTHONPATH": str(self.code),
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
        }
        for name in ("WAYBILL_MAPPINGS", "ENGINE_MAPPINGS", "FORCE_COLOR"):
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
