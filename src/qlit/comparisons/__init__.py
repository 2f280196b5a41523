"""Runs against runs: paired statistics, verdicts, published order, files of tables."""
