"""Run a study: supervisor, workers, and the processes of every training."""

__all__ = [
    "contents",
    "embedding",
    "parent_run",
    "rank",
    "run",
    "setup",
    "size",
    "state",
    "supervisor",
    "worker",
    "worker_process",
]
