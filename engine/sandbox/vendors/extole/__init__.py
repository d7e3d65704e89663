"""Extole: the Events API, persons to read back, erasures."""

from __future__ import annotations
