"""Checks before anything is trained: configs, trainer options, checkpoints to resume, and what Lightning refuses."""

__all__ = [
    "engines",
    "readiness",
    "refusals",
    "resuming",
    "trainer",
]
