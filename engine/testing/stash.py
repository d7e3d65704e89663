"""What the parts of the pytest plugin keep in the configuration of a run."""

from __future__ import annotations

import pytest

NAMED = pytest.StashKey[frozenset[str]]()
"""The files and folders that the run was given."""
EXPLICIT = pytest.StashKey[frozenset[str]]()
"""Files that are mappings because `engine test` was given them, whatever is in them."""
UNPINNED = ("waybill", "no snapshots")
NOT_COMPARED = ("waybill", "snapshots not compared")
"""What the report of an example says, also in JUnit XML, if it was compared with no snapshot."""
