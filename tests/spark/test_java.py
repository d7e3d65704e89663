"""What is said about a Java on which Spark cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.spark.java import HOW, java_fault

SCRIPTS = {
    "old": ("echo 'openjdk version \"1.8.0_412\"' >&2", "{java} is Java 8; Spark needs 17 or later: "),
    "less old": ("echo 'openjdk version \"11.0.2\" 2019-01-15' >&2", "{java} is Java 11; Spark needs 17 or later: "),
    "broken": (
        'echo "no libjvm.so" >&2; exit 1',
        "{java} does not run (no libjvm.so); Spark needs Java 17 or later: ",
    ),
    "silent": ("exit 3", "{java} does not run (exit code 3); Spark needs Java 17 or later: "),
    "reduced": (
        "case $1 in -version) echo 'openjdk version \"25\"' >&2;; *) exit 1;; esac",
        "{java} is a reduced Java without jdk.incubator.vector, a module that Spark's launcher names: ",
    ),
}


def installed(folder: Path, script: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_java_that_does_not_fit(name: str, tmp_path: Path) -> None:
    script, message = SCRIPTS[name]
    java = installed(tmp_path, script)
    assert java_fault({"JAVA_HOME": str(tmp_path)}) == message.format(java=java) + HOW


def test_no_java(tmp_path: Path) -> None:
    assert java_fault({"PATH": str(tmp_path)}) == (
        "Spark needs Java 17 or later, and there is no `java` on PATH: install one (Debian, Ubuntu: apt-get install "
        "openjdk-17-jre-headless) and set JAVA_HOME to its folder."
    )
    message = f"JAVA_HOME is {tmp_path}, which has no bin/java; Spark needs Java 17 or later: {HOW}"
    assert java_fault({"JAVA_HOME": str(tmp_path)}) == message


def test_what_fits_is_found_on_the_path(tmp_path: Path) -> None:
    installed(tmp_path, "echo 'openjdk version \"21.0.1\"' >&2")
    assert java_fault({"PATH": str(tmp_path / "bin")}) is None
