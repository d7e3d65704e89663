"""Paths: JMESPath (https://jmespath.org/specification.html), parsed, checked and evaluated.

`parse` reads a path and says what it looks up, `findings` warns about a valid path that is probably a mistake, and
`search` evaluates one.  `syntax` words what is wrong with an invalid path, `roots` finds what a path reads,
`values` holds what operators and functions mean, and `evaluation` is the only module that imports jmespath.
"""

from __future__ import annotations

from engine.language.paths.evaluation import Path, call, evaluate, findings, parse, search
from engine.language.paths.findings import Finding
from engine.language.paths.roots import Root
from engine.language.paths.values import Marker, PathTypeError, holds

__all__ = [
    "Finding",
    "Marker",
    "Path",
    "PathTypeError",
    "Root",
    "call",
    "evaluate",
    "findings",
    "holds",
    "parse",
    "search",
]
