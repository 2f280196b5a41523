"""Trainings as things that can be parsed, found and run, and series of them."""

__all__ = [
    "checks",
    "config",
    "distributed",
    "estimates",
    "evaluate",
    "job",
    "outcome",
    "run_logger",
    "series",
    "study",
    "summary",
    "terminal",
]
