"""Write checkpoints atomically, check and load them, find them after a move, and resume from them."""

__all__ = [
    "best_and_last",
    "checkpoint_io",
    "files",
    "notes",
    "resumption",
    "weights",
    "within_epoch",
]
