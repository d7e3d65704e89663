"""Documentation of mappings: a page for each destination in the layout of vendors' documentation, and an index.

Everything is taken from the mapping alone; the requests shown are planned by the engine, from the mapping's examples.
"""
