"""The canonical layout of mapping files."""
