"""Jobs on a Slurm cluster: settings, scripts, submission, and the queue."""

__all__ = [
    "queue",
    "script",
    "settings",
    "submission",
    "tasks",
]
