"""Trainings as things that can be parsed, found and run, and series of them."""

__all__ = [
    "config",
    "cores",
    "cost",
    "devices",
    "estimates",
    "evaluate",
    "job",
    "launchers",
    "outcome",
    "run_logger",
    "series",
    "study",
    "summary",
    "terminal",
]
