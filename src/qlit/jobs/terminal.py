"""Keep Lightning's messages out of the terminal, except warnings and reports that a user asked for."""

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

# A user adds callbacks, profilers and the tuner, or makes them verbose; Lightning's other modules log messages about
# every training.
_ASKED_FOR = ("callbacks", "profilers", "tuner")


def quieten() -> None:
    """Silence Lightning's tips and the warnings that do not concern a user of qlit.

    Reports that a user asked for remain: a profiler's table, a model summary, messages of a verbose callback.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _ASKED_FOR:
        logging.getLogger(f"lightning.pytorch.{name}").setLevel(logging.INFO)
    # Many modules share this logger; its records name the calling file.
    shared = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    shared.setLevel(logging.INFO)
    if not any(isinstance(found, _AskedFor) for found in shared.filters):
        shared.addFilter(_AskedFor())
    for message in (
        ".*exists and is not empty.*",  # a resumed run writes to its old folder
        ".*The dirpath has changed.*",  # a test has another folder than the run of its checkpoint
        ".*does not have many workers.*",  # batches are slices of a tensor
        ".*You requested to overfit but enabled.*",  # our data module does not shuffle then
        ".*callbacks used to create the checkpoint need to be provided.*",  # a test uses only the weights
        ".*callback, but loading a checkpoint outside the 'fit' stage.*",  # it has the averages
        ".*checkpoint was not created with WeightAveraging.*",  # a note says so
        ".*`srun` command is available.*",
        ".*treespec, LeafSpec.* is deprecated.*",  # Lightning 2.6 and torch 2.13
    ):
        warnings.filterwarnings("ignore", message=message)


class _AskedFor(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        if record.getMessage().startswith("Found current_model_state"):  # of averaged weights, at every resume
            return False
        path = Path(record.pathname)
        if not path.is_relative_to(_LIGHTNING):
            return True  # a user's own callback
        return path.relative_to(_LIGHTNING).parts[0] in _ASKED_FOR


def _folder_of_lightning() -> Path:
    """Folder of lightning.pytorch, found without importing it."""
    found = find_spec("lightning")
    assert found is not None, "Lightning is a dependency"
    assert found.origin is not None
    return Path(found.origin).parent / "pytorch"


_LIGHTNING = _folder_of_lightning()
