"""Segment's HTTP Tracking API: calls of real SDKs in, events in the outbox, and only then the answer."""
