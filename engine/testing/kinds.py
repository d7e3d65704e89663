"""What a YAML file is by its keys, found out without reading it as YAML: a folder may hold any other tool's files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["mapping", "parts", "audiences"]

PARTS = "parts"
LARGEST = 1024 * 1024
"""Bytes of a file that are looked at; a mapping has no more."""
MAPPING = re.compile(rb"""^(?:\xef\xbb\xbf)?(?:\{\s*)?["']?mapping["']?[ \t]*:[ \t]*["']?\d""", re.MULTILINE)
"""The key that each mapping has, `mapping: 1`; an object below `mapping:` is another tool's."""
PARTS_KEY = re.compile(rb"""^(?:\xef\xbb\xbf)?(?:\{\s*)?["']?parts["']?[ \t]*:""", re.MULTILINE)
AUDIENCES = frozenset({"audiences.yaml", "audiences.yml"})
AUDIENCES_KEY = re.compile(
    rb"""^(?:\xef\xbb\xbf)?(?:\{\s*)?["']?(?:audiences|computed_traits)["']?[ \t]*:""", re.MULTILINE
)
"""The keys of a file of audiences, which may have another name."""


def kind_of(path: Path) -> Kind | None:
    """Return what a YAML file is by its keys: a mapping, a file of parts in a folder `parts`, of audiences, or none."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError:
        return None
    if path.parent.name == PARTS:
        return "parts" if PARTS_KEY.search(text) else None
    if MAPPING.search(text):
        return "mapping"
    return "audiences" if path.name in AUDIENCES or AUDIENCES_KEY.search(text) else None
