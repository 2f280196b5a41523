"""The trainings of a study: workers, and the processes of each training."""

__all__ = [
    "contents",
    "embedding",
    "rank",
    "setup",
    "size",
    "tables",
    "worker",
]
