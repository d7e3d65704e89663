"""Expo's Segment module: its seven calls, sent to the collector as Segment's mobile libraries send them.

It sends events and is no part of the engine's own way from event to request: nothing else imports it.
"""

from __future__ import annotations

from engine.expo.client import Flushed, Limits, Segment

__all__ = ["Flushed", "Limits", "Segment"]
