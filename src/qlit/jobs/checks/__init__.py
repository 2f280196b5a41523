"""Checks before training: configs, engines, trainer options, checkpoints to resume, and refusals by Lightning."""

__all__ = [
    "engines",
    "readiness",
    "refusals",
    "resuming",
    "trainer",
]
