"""Paths: JMESPath (https://jmespath.org/specification.html), parsed, checked and evaluated.

`parse` reads a path and says what it looks up, `findings` warns about a valid path that is probably a mistake, and
`search` evaluates one.  `syntax` words what is wrong with an invalid path, `roots` finds what a path reads,
`values` holds what operators and functions mean, and `evaluation` is the only module that imports jmespath.
"""

from __future__ import annotations

from engine.language.paths.evaluation import Path, call, evaluate, evaluate_counted, findings, parse, search
from engine.language.paths.findings import Finding
from engine.language.paths.roots import Root
from engine.language.paths.values import Marker, PathTooLongError, PathTypeError, holds, size_of

__all__ = [
    "Finding",
    "Marker",
    "Path",
    "PathTooLongError",
    "PathTypeError",
    "Root",
    "call",
    "evaluate",
    "evaluate_counted",
    "findings",
    "holds",
    "parse",
    "search",
    "size_of",
]
