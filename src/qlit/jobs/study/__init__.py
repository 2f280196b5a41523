"""The trainings of a study: workers, and the processes of each training."""

__all__ = [
    "contents",
    "embedding",
    "parent_run",
    "rank",
    "run",
    "setup",
    "size",
    "supervisor",
    "work",
    "worker",
]
