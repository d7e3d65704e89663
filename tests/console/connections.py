"""A connections file and the console of a service that has loaded it, for the tests of the form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from engine.collector.sources import load
from engine.console.site import Site
from engine.records import JsonObject

SECRETS = ("very-secret-path", "top-secret")
CONNECTIONS = """\
# yaml-language-server: $schema=schemas/connections.schema.json
# Who gets what. Ask Ada before you change it.

orders:   # the sales channel
  destination: slack
  settings:
    webhook_url: ${env:SLACK_URL}   # from the vault
    messages:
      # every order
      - { event: Order Completed, text: ":tada: *${userId}*" }
      - event: Refunded   # since May
        text: 'Oh no'
  calls: [track]

hook:
  destination: webhook
  settings: { url: "https://hooks.example.com/very-secret-path", headers: { A: "top-secret" }, method: PUT }   # ours

# Ends here.
"""
RELOADED: JsonObject = {
    "result": "reloaded",
    "connections": [
        {
            "name": "orders",
            "change": "changed",
            "digest": "a",
            "old_digest": "b",
            "differs": ["rate_limit"],
            "waiting": 0,
        },
        {"name": "gone", "change": "removed", "digest": "", "old_digest": "c", "differs": [], "waiting": 1200},
    ],
    "sources": [{"name": "web", "change": "added"}],
}


async def _reload() -> JsonObject:
    return RELOADED


def site_of(path: Path, **more: Any) -> Site:
    """Return the console of a service that has loaded the file."""
    found = load(path, os.environ, required=False)
    return Site(
        connections=lambda: found.file.connections,
        sources=lambda: found.sources,
        connections_file=path,
        **{"reload": _reload, **more},
    )
