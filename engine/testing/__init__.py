"""A mapping's own examples, run as tests."""
