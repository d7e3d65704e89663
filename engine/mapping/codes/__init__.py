"""What every code of `validate-mappings` means, with an example of what is wrong and how it is put right.

The reference page is made from this, and a test runs every example: `wrong` must give the code, `right` nothing.
"""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc
from engine.mapping.codes.files import FILES
from engine.mapping.codes.loading import LOADING
from engine.mapping.codes.names import NAMES
from engine.mapping.codes.paths import PATHS
from engine.mapping.codes.promises import PROMISES
from engine.mapping.codes.shapes import SHAPES
from engine.mapping.codes.steps import STEPS
from engine.mapping.codes.values import VALUES

__all__ = ["CODES", "GROUPS", "CodeDoc"]

GROUPS: dict[str, dict[str, CodeDoc]] = {
    "Files and YAML": FILES,
    "Shapes": SHAPES,
    "Files that belong together": LOADING,
    "Names": NAMES,
    "Paths": PATHS,
    "Values": VALUES,
    "Steps, requests and settings": STEPS,
    "Secrets and examples": PROMISES,
}
"""The tables of codes by the title of their chapter."""

CODES: dict[str, CodeDoc] = {code: doc for group in GROUPS.values() for code, doc in group.items()}
