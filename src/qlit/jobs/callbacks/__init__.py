"""Lightning callbacks of every training: record the run, set its status, prune, and stop after a signal."""

__all__ = [
    "interruption",
    "pruning",
    "recorder",
    "run_status",
]
