"""Why Spark does not start for want of a Java that fits: Spark itself says only that a process exited."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping as Table
from pathlib import Path

OLDEST = 17
"""The oldest Java that Spark 4 runs on (https://spark.apache.org/docs/latest/)."""

VECTOR = "jdk.incubator.vector"
HOW = "install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) and set JAVA_HOME to its folder."
NONE = f"Spark needs Java {OLDEST} or later, and there is no `java` on PATH: {HOW}"
NO_HOME = f"JAVA_HOME is {{home}}, which has no bin/java; Spark needs Java {OLDEST} or later: {HOW}"
BROKEN = f"{{java}} does not run ({{why}}); Spark needs Java {OLDEST} or later: {HOW}"
TOO_OLD = f"{{java}} is Java {{version}}; Spark needs {OLDEST} or later: {HOW}"
REDUCED = f"{{java}} is a reduced Java without {VECTOR}, a module that Spark's launcher names: {HOW}"
VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def java_fault(environment: Table[str, str]) -> str | None:
    """Return what is wrong with the Java that Spark would start, as sentences with what to do; None if it fits.

    It is looked for as Spark does: `JAVA_HOME`, else `java` on `PATH`. Runs it once or twice.
    """
    home = environment.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java", path=environment.get("PATH", ""))
    if java is None:
        return NONE
    if not Path(java).is_file():
        return NO_HOME.format(home=home)
    code, text = _run([java, "-version"], environment)
    version = VERSION.search(text)
    if code or version is None:
        return BROKEN.format(java=java, why=text.strip().partition("\n")[0] or f"exit code {code}")
    if int(version[1]) < OLDEST:
        return TOO_OLD.format(java=java, version=version[1])
    code, _ = _run([java, f"--add-modules={VECTOR}", "-version"], environment)
    return REDUCED.format(java=java) if code else None


def _run(command: list[str], environment: Table[str, str]) -> tuple[int, str]:
    try:
        found = subprocess.run(command, capture_output=True, env=dict(environment), timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(getattr(error, "strerror", None) or error)
    return found.returncode, (found.stderr + found.stdout).decode(errors="replace")
