"""Checkpoints: written whole, read intact, found again, gone on from."""

__all__ = [
    "best_and_last",
    "files",
    "notes",
    "resumption",
    "weights",
]
