"""The trials of a study in Optuna's storage: queued, taken by workers, recovered, judged."""

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
