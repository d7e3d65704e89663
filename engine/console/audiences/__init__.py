"""Audiences in the console: what their state says, and what a process of its own computes of them."""
