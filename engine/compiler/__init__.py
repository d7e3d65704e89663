"""Mapping -> Python: lines and names, the emitters, and the build that ties them together."""
