"""Tests of new mappings."""
