"""Sweeps of tests: how a test is run again with new fixtures, and what of its breaking counts."""
