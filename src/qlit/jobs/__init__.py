"""Trainings that can be parsed, hashed, found and run; series and studies of them."""

__all__ = [
    "checks",
    "config",
    "diagnostics",
    "distributed",
    "estimates",
    "evaluate",
    "job",
    "notices",
    "outcome",
    "paper_cells",
    "planned_fit",
    "requeued",
    "run_logger",
    "series",
    "slurm",
    "study",
    "summary",
    "terminal",
]
