"""Patterns of mappings and settings, compiled with RE2: whatever the pattern, a match takes linear time."""

from __future__ import annotations

from typing import Any

from engine.language.texts import LONE_SURROGATE


def compile_pattern(text: str) -> Any:
    """Compile a pattern; ValueError says in a few words why it is invalid."""
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False  # RE2 would write them to stderr by itself
    try:
        return re2.compile(text, options)
    except UnicodeEncodeError:
        raise ValueError(LONE_SURROGATE) from None
    except re2.error as error:
        reason = error.args[0]
        reason = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(reason.removesuffix(f": {text}")) from None
