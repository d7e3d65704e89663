"""Deletion of persons from one end to the other: the outbox, the archive, audience state, and the vendors."""
