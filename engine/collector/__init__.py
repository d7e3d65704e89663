"""Segment's HTTP Tracking API: receives calls from SDKs, stores their events in the outbox, and only then responds."""
