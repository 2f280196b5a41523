"""Find modules of users in the current folder."""

import sys
from pathlib import Path

from qlit.jobs.config.checkpoint_classes import imports_are_limited
from qlit.runtime.allowed import allowed_names


def find_modules_in_current_folder() -> None:
    """Add the current folder to the end of Python's path, for the classes and functions that a config names.

    At the end, so that no file there hides an installed package. The config of a checkpoint alone does not add it: only
    a config of the user does, or `--allow` on the command line.
    """
    folder = str(Path.cwd())
    if (allowed_names() or not imports_are_limited()) and not {"", folder} & set(sys.path):
        sys.path.append(folder)
