"""Mapping files: YAML text -> a checked `Mapping`.  Reads files, runs nothing.

The stages are the files: `yamlfile` (text -> JSON with places), `schema` (is it shaped like a mapping), `load`,
`model` and `build` (the nouns), `problems` (what any of them found wrong).
"""
