"""New mappings: from answers and flags, from a curl command, from an OpenAPI document."""
