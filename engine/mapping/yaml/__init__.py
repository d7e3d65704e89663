"""Strict YAML: text to plain JSON values that know their lines and columns, and what is wrong with it."""
