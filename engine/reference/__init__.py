"""The reference pages and the parts of the schema that are generated from the code: `make docs` writes them."""
