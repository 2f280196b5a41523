"""Trials of a study in Optuna's storage: queue, claims of workers, recovery, retries."""

__all__ = [
    "claim",
    "contents",
    "diverged",
    "queue",
    "search",
    "storage",
    "storage_retry",
    "trials",
]
