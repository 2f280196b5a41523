"""Lightning callbacks of every training: record the run, set its status, prune, and stop after a signal.

`Diagnostics` is one that a config may name.
"""

from qlit.jobs.callbacks.diagnostics import Diagnostics

__all__ = [
    "Diagnostics",
    "diagnostics",
    "interruption",
    "pruning",
    "recorder",
    "run_status",
]
