"""Runs in MLflow: opened, written, found again by their config, and read."""
