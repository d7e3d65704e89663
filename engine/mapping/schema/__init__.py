"""JSON Schema: does a file have the shape of a mapping, and does a value match the schema that its author wrote."""

from __future__ import annotations

from engine.mapping.schema.validation import (
    Kind,
    certainly_meets,
    check,
    check_schema,
    check_value,
    counting_validator,
    own_validator,
    pattern_fault,
    validator,
)

__all__ = [
    "Kind",
    "certainly_meets",
    "check",
    "check_schema",
    "check_value",
    "counting_validator",
    "own_validator",
    "pattern_fault",
    "validator",
]
