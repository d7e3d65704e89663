"""Editors complete and check mappings: each file is given its schema, by the settings and by its own first line."""

from __future__ import annotations

import json
import os
import re
from pathlib import PurePosixPath

import pytest

from tests.package.tree import ROOT, files

SETTINGS: dict[str, str | list[str]] = json.loads((ROOT / ".vscode/settings.json").read_text())["yaml.schemas"]
MAPPINGS = [path for path in files() if path.parts[0] == "mappings" and path.suffix == ".yaml"]
FIRST = "# yaml-language-server: $schema="


def schemas(file: PurePosixPath) -> list[str]:
    """Return the schemas that the settings name for a file; a glob that begins with ! takes files out again."""
    found = []
    for schema, written in SETTINGS.items():
        globs = [written] if isinstance(written, str) else written
        if any(file.match(glob) for glob in globs) and not any(
            file.match(glob[1:]) for glob in globs if glob[0] == "!"
        ):
            found.append(schema)
    return found


@pytest.mark.parametrize("file", [str(path) for path in MAPPINGS])
def test_a_mapping_has_one_schema(file: str) -> None:
    [schema] = schemas(PurePosixPath(file))
    assert (ROOT / schema).is_file()
    assert (ROOT / file).read_text().startswith(FIRST + os.path.relpath(schema, PurePosixPath(file).parent) + "\n")


@pytest.mark.parametrize("schema", sorted(SETTINGS))
def test_a_schema_refers_to_nothing_elsewhere(schema: str) -> None:
    """An editor that cannot fetch a reference drops the whole schema: no completion, no checks."""
    references = re.findall(r'"\$ref": "([^"#]*)', (ROOT / schema).read_text())
    assert [name for name in references if name and not (ROOT / "schemas" / name).is_file()] == []
