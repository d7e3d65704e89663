"""Audiences and computed traits: what `audiences.yaml` defines, as SQL over the archive of events."""
