"""Trainings that can be parsed, hashed, found and run; series and studies of them."""

__all__ = [
    "checks",
    "config",
    "distributed",
    "estimates",
    "evaluate",
    "job",
    "outcome",
    "requeued",
    "run_logger",
    "run_params",
    "series",
    "slurm",
    "study",
    "summary",
    "terminal",
]
