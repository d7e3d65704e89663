"""Requests as people read and copy them: masked, with their whole URL, and as curl commands."""
