"""`qlit fit`, `qlit validate` and `qlit test`."""

import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import cast

from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.checkpoint_config import config_to_use
from qlit.jobs.config.checkpoints import read_notes
from qlit.jobs.config.options import readable_errors, value_of
from qlit.jobs.evaluate import Evaluated, evaluate
from qlit.jobs.job import Job
from qlit.jobs.notices import print_notices
from qlit.jobs.outcome import Outcome
from qlit.jobs.requeued import requeued_options
from qlit.jobs.run_logger import is_rank_zero
from qlit.jobs.terminal import quieten
from qlit.runtime.interrupts import StoppedBySignal
from qlit.runtime.option_words import split_switch


def run(command: str, arguments: list[str]) -> int:
    """Run `fit`, `validate` or `test` and return the exit status."""
    quieten()
    arguments, as_json = split_switch("--json", arguments)
    with tempfile.TemporaryDirectory() as folder:
        with readable_errors():
            own = with_config_of_checkpoint(command, arguments, Path(folder))
        # Names in a checkpoint are checked before they are imported.
        with nullcontext() if own is None else only_listed_imports():
            try:
                outcome = _outcome(
                    command, arguments if own is None else own, from_checkpoint=own is not None, as_json=as_json
                )
            except SystemExit as stop:
                if isinstance(stop, StoppedBySignal) or not isinstance(stop.code, int | None):
                    raise
                return stop.code or 0  # of --help
    # Other processes end with 0: Lightning kills the first one when one of them fails.
    if not is_rank_zero():
        return 0
    if as_json and outcome.status == "finished" and outcome.reason:
        print(json.dumps({"run_id": outcome.run_id, "notes": [outcome.reason]}, indent=2))  # there was nothing to do
    return _status_of(command, outcome)


def _outcome(command: str, options: Sequence[str], *, from_checkpoint: bool, as_json: bool) -> Outcome:
    if command == "fit":
        return Job([*options, *requeued_options()], from_checkpoint=from_checkpoint).run(as_json=as_json)
    return evaluate(cast(Evaluated, command), options, from_checkpoint=from_checkpoint, as_json=as_json)


def _status_of(command: str, outcome: Outcome) -> int:
    """Print why a command stopped or failed; return its exit status."""
    if outcome.stopped_by is not None:
        file, options = shlex.quote(outcome.checkpoint), outcome.resume_options
        resume = f"; continue with: qlit fit --ckpt_path {file}{options}" if outcome.checkpoint else ""
        print(f"qlit {command}: stopped by {outcome.stopped_by.name}{resume}", file=sys.stderr)
        return 128 + outcome.stopped_by
    if outcome.reason:
        print(f"qlit {command}: {outcome.reason}", file=sys.stderr)
    return 1 if outcome.status == "failed" else 0


def with_config_of_checkpoint(command: str, arguments: list[str], folder: Path) -> list[str] | None:
    """Add the config in the checkpoint to the arguments; None if the command has a config of its own."""
    path = value_of("--ckpt_path", arguments)
    given = value_of("--config", arguments) or value_of("-c", arguments)
    if path is None:
        if command != "fit" and not {"-h", "--help"} & set(arguments):
            raise ValueError(f"`qlit {command}` needs a checkpoint: name it with --ckpt_path.")
        return None
    if given:  # it decides what is imported, before the checkpoint is read
        return None
    notes = read_notes(path)
    config = folder / "config.yaml"
    text, notices = config_to_use(str(notes["config"]), arguments)
    config.write_text(text, encoding="utf-8")
    if is_rank_zero():
        print_notices(notices)
    # The author of the checkpoint must not choose which code runs here. Options of the user come later and win.
    return ["--config", str(config), "--data.trust_remote_code", "false", *arguments]
