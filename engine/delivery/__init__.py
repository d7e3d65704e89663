"""Delivery: events into the outbox, and out of it to the vendors, with nothing lost and order kept per user."""
