"""Tests that need what only some environments have."""

from qlit.engines import torchquantum_copy

# `make conformance` runs it.
collect_ignore = [] if torchquantum_copy.is_installed() else ["test_torchquantum_engine.py"]
