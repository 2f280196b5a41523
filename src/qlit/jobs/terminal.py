"""What reaches the terminal of Lightning's messages: what a user asked for, warnings, and nothing else."""

import logging
import warnings
from pathlib import Path

import lightning.pytorch as pl

# Callbacks, profilers and the tuner speak where a user added them or made them verbose; Lightning's other modules
# comment on every training.
_ASKED_FOR = ("callbacks", "profilers", "tuner")
_LIGHTNING = Path(pl.__file__).parent


def quieten() -> None:
    """Keep Lightning's tips and the warnings that do not concern a user of qlit out of the terminal.

    Reports that were asked for remain: a profiler's table, a model summary, what a verbose callback says.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _ASKED_FOR:
        logging.getLogger(f"lightning.pytorch.{name}").setLevel(logging.INFO)
    # Many modules speak through this one logger, whose records name the file that called it.
    shared = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    shared.setLevel(logging.INFO)
    if not any(isinstance(found, _AskedFor) for found in shared.filters):
        shared.addFilter(_AskedFor())
    for message in (
        ".*exists and is not empty.*",  # a resumed run writes where it wrote before
        ".*The dirpath has changed.*",  # a test writes beside the run whose checkpoint it reads
        ".*does not have many workers.*",  # batches are slices of a tensor
        ".*You requested to overfit but enabled.*",  # of a data module that has seen to it itself
        ".*callbacks used to create the checkpoint need to be provided.*",  # a test takes its weights alone
        ".*`srun` command is available.*",
        ".*treespec, LeafSpec.* is deprecated.*",  # Lightning 2.6 and torch 2.13
    ):
        warnings.filterwarnings("ignore", message=message)


class _AskedFor(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        path = Path(record.pathname)
        if not path.is_relative_to(_LIGHTNING):
            return True  # a user's own callback
        return path.relative_to(_LIGHTNING).parts[0] in _ASKED_FOR
