"""What `validate-mappings` says: every code, every message, and bad input of all kinds."""
