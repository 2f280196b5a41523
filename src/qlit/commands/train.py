"""`qlit fit`, `qlit validate` and `qlit test`: from the command line to an exit status."""

import shlex
import signal
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.checkpoint_config import config_to_use
from qlit.jobs.config.checkpoints import read_notes
from qlit.jobs.config.options import readable_errors, value_of
from qlit.jobs.interruption import Interruption
from qlit.jobs.resuming import NothingToDo
from qlit.jobs.summary import tell_notices
from qlit.jobs.terminal import quieten
from qlit.jobs.training_cli import QlitCLI
from qlit.runtime.interrupts import StoppedBySignal, raise_if_lost


def run(command: str, arguments: list[str]) -> int:
    """Run `fit`, `validate` or `test` and return the exit status."""
    quieten()
    interruption = Interruption(raise_if_lost)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with readable_errors():
                own = _with_config_of_checkpoint(command, arguments, Path(folder))
                # Nothing that a checkpoint names is imported before its name is looked at.
                with nullcontext() if own is None else only_listed_imports():
                    made = QlitCLI(
                        [command, *(arguments if own is None else own)], interruption, is_of_checkpoint=own is not None
                    )
        except NothingToDo as nothing:
            print(f"qlit {command}: {nothing}", file=sys.stderr)
            return 0
        except StoppedBySignal as stop:
            return _stopped(command, stop.signal, interruption)
        except SystemExit as stop:  # Lightning ends so after a KeyboardInterrupt that no signal raised
            if interruption.signal is None:
                return stop.code if isinstance(stop.code, int) else 0
            return _stopped(command, interruption.signal, interruption)
    return _status_of(command, made)


def _stopped(command: str, stopped_by: signal.Signals, interruption: Interruption) -> int:
    """Print by what the command was stopped and what goes on; its exit status."""
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return 0  # as in `_status_of`
    last = interruption.last_checkpoint
    go_on = f"; go on with: qlit fit --ckpt_path {shlex.quote(last)}{interruption.go_on_options}" if last else ""
    print(f"qlit {command}: stopped by {stopped_by.name}{go_on}", file=sys.stderr)
    return 128 + stopped_by


def _status_of(command: str, made: QlitCLI) -> int:
    """The exit status of a command that came to its end; 1, and why, where its numbers were not finite."""
    diverged = made.model.divergence
    # Other processes end with 0: Lightning kills the first one when one of them fails.
    if diverged is None or not made.trainer.is_global_zero:
        return 0
    print(f"qlit {command}: {diverged.text}", file=sys.stderr)
    return 1


def _with_config_of_checkpoint(command: str, arguments: list[str], folder: Path) -> list[str] | None:
    """The arguments with the config that a named checkpoint carries; None where another config is given."""
    path = value_of("--ckpt_path", arguments)
    given = value_of("--config", arguments) or value_of("-c", arguments)
    if path is None:
        if command != "fit" and not {"-h", "--help"} & set(arguments):
            raise ValueError(f"`qlit {command}` needs a checkpoint: name it with --ckpt_path.")
        return None
    if given:  # the config that is given decides what is imported; the checkpoint is read after it
        return None
    notes = read_notes(path)
    config = folder / "config.yaml"
    text, notices = config_to_use(str(notes["config"]), arguments)
    config.write_text(text, encoding="utf-8")
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        tell_notices(notices)
    # Whoever made the checkpoint must not choose what code is run here; whoever types the command may, after this.
    return ["--config", str(config), "--data.trust_remote_code", "false", *arguments]
