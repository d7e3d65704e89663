"""The package as people get it, and the habits of its code."""

from __future__ import annotations
