"""Mapping files: YAML text -> a checked `Mapping`.  Reads files, runs nothing.

`yaml` reads a file, `schema` checks its shape, `resolve` and `build` make the model, `load` does all of it, and
`checks` finds what a schema cannot.
"""

from __future__ import annotations

from pathlib import Path


def bundled(folder: str) -> Path:
    """Return the directory of `mappings`, `schemas` or `docs` that ship with the engine: in a wheel or a checkout."""
    engine = Path(__file__).resolve().parents[1]
    inside = engine / "bundled" / folder
    return inside if inside.is_dir() else engine.parent / folder
