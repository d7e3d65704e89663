"""What holds for all tests: property tests are the same each time, and a slow machine does not fail them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("waybill", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("waybill")
