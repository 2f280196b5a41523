"""Launchers, clusters and processes: which rank this process is, and where workers run."""

__all__ = [
    "cluster",
    "cores",
    "launchers",
]
