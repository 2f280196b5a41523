"""Processes of a training: launchers and ranks, how processes find each other, and the cores of workers."""

__all__ = [
    "cluster",
    "cores",
    "launchers",
]
