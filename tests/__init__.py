"""Tests, laid out like the engine."""

from __future__ import annotations
