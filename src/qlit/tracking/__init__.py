"""Runs in MLflow: open, write, find by config, and read them."""

__all__ = [
    "config_hash",
    "connection",
    "diverged",
    "ended_fits",
    "kept_runs",
    "left_over",
    "mlflow_store",
    "names",
    "predictions",
    "processes",
    "provenance",
    "registry",
    "tracker",
]
