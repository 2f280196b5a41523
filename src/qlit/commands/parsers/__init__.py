"""Options of the commands, in modules that import no library, so that `--help` is quick."""

__all__ = [
    "circuit",
    "compare",
    "completion",
    "config",
    "diagnose",
    "energy",
    "export",
    "info",
    "jobs",
    "predict",
    "reap",
    "register",
    "report",
    "serve",
    "short_help",
    "submit",
    "sync",
    "table",
    "texts",
]
