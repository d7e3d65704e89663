"""Documentation of mappings: a page for each destination in the layout of vendors' documentation, and an index.

`field_uses` lists where each field of an event goes.  Everything is taken from the mapping alone; the requests shown
are planned by the engine, from the mapping's examples.
"""
