"""Strict YAML: from text to plain JSON values, with the line and column of each, and the problems of the text."""
