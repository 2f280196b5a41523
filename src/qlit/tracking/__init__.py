"""Runs in MLflow: opened, written, found again by their config, and read."""

__all__ = [
    "config_hash",
    "diverged",
    "kept_runs",
    "left_over",
    "mlflow_store",
    "names",
    "predictions",
    "processes",
    "provenance",
    "tracker",
]
