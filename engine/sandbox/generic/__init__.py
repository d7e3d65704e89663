"""A vendor made from a mapping: it answers what the mapping sends, and knows of the vendor what the mapping says.

`describe` looks at a connection once; a `GenericVendor` of that description lives in a sandbox.
"""
