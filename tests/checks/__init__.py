"""What `validate-mappings` prints: every code, every message, and bad input of all kinds."""
