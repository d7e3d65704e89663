"""What every code of `validate-mappings` means, with an example of what is wrong and how it is put right.

The reference page is made from this, and a test runs every example: `wrong` must give the code, `right` nothing.
"""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc
from engine.mapping.codes.files import FILES
from engine.mapping.codes.shapes import SHAPES

__all__ = ["CODES", "CodeDoc"]

CODES: dict[str, CodeDoc] = {**FILES, **SHAPES}
