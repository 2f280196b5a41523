"""Runs against runs: paired statistics, verdicts, published order, files of tables."""

__all__ = [
    "comparison",
    "models",
    "published_order",
    "results",
    "statistics",
    "table_file",
]
