"""The emulated vendors: their documented payloads and errors, and everything around them."""

from __future__ import annotations
