"""The submitted job that this process belongs to, if any: its folder, from the environment."""

import os
from pathlib import Path

JOB_FOLDER = "QLIT_JOB"
"""Variable with the folder of a submitted job, set by its script."""


def job_folder() -> Path | None:
    """Folder of the submitted job; None for a command that no job script started."""
    folder = os.environ.get(JOB_FOLDER)
    return Path(folder) if folder else None
