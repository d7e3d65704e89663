"""waybill: one YAML file per destination describes how Segment-spec events become a vendor's HTTP requests.

    from engine import load

    connection = load("my_destination").connect({"api_key": "${env:API_KEY}"})
    plan = connection.plan({"type": "page", "userId": "u1", "name": "Home"})
    plan.outcome, plan.reason, plan.requests, plan.reports

These names are the public API; everything else may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Connection",
    "Destination",
    "HttpRequest",
    "MappingError",
    "MappingNotFound",
    "Outcome",
    "Plan",
    "PlannedRequest",
    "Report",
    "SettingsError",
    "UsageError",
    "WaybillError",
    "http_requests",
    "load",
]

if TYPE_CHECKING:
    from engine.carrying import HttpRequest, http_requests
    from engine.errors import MappingError, MappingNotFound, SettingsError, UsageError, WaybillError
    from engine.plan import Connection, Destination, load
    from engine.records import Outcome, Plan, PlannedRequest, Report

_MODULES = {
    "engine.errors": ("MappingError", "MappingNotFound", "SettingsError", "UsageError", "WaybillError"),
    "engine.carrying": ("HttpRequest", "http_requests"),
    "engine.plan": ("Connection", "Destination", "load"),
    "engine.records": ("Outcome", "Plan", "PlannedRequest", "Report"),
}


def __getattr__(name: str) -> object:
    """Import a public name on first use: `engine --version` needs none of them."""
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
