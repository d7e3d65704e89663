"""Completes a few keys of a mapping file to a whole one, so that a case shows only what it is about."""

from __future__ import annotations

import re

BASE = {
    "mapping": "mapping: 1",
    "name": "name: shop",
    "title": "title: Shop",
    "http": "http: { base_url: https://api.shop.example }",
    "requests": "requests: { save: { path: /save } }",
    "calls": "calls: { track: [{ request: save, from: properties }] }",
}


def whole(fragment: str) -> str:
    """Put what is missing after `fragment`, so that its line numbers stay."""
    given = set(re.findall(r"^(\w+):", fragment, re.MULTILINE))
    rest = [text for key, text in BASE.items() if key not in given]
    return "\n".join([fragment.rstrip("\n"), *rest, ""])
