"""Trainings as things that can be parsed, found and run, and series of them."""

__all__ = [
    "config",
    "cores",
    "cost",
    "devices",
    "estimates",
    "interruption",
    "launchers",
    "resuming",
    "series",
    "study",
    "summary",
    "terminal",
    "training_cli",
]
