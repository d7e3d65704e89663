"""Exponea, today Bloomreach Engagement: the Tracking API and the part of the Data API that reads customers."""

from __future__ import annotations
