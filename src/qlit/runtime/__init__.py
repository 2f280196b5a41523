"""Helpers for processes, independent of MLflow and Lightning: errors, retries, signals, secrets, YAML."""

__all__ = [
    "allowed",
    "checked_line",
    "checkout",
    "critical_section",
    "digest",
    "durations",
    "errors",
    "figure_style",
    "file_lock",
    "interrupts",
    "intervals",
    "large_imports",
    "output_files",
    "part_file",
    "retry",
    "secrets",
    "sqlite_file",
    "streams",
    "yaml_text",
    "yaml_values",
]
