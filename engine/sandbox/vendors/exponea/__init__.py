"""Exponea, today Bloomreach Engagement: the Tracking API and what of the Data API reads it back."""

from __future__ import annotations
