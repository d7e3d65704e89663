"""What is said about one code."""

from __future__ import annotations

from typing import NamedTuple


class CodeDoc(NamedTuple):
    """A code explained: `about` in a sentence or two, `wrong` and `right` as YAML (keys of a mapping file).

    `wrong` is a comment (`# ...`) where the fault is not in the text: a missing file, one that is too large.
    """

    title: str
    about: str
    wrong: str
    right: str
