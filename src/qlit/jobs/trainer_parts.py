"""Lightning's trainer, with the callbacks and plugins that every training or evaluation has."""

import shlex
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ProgressBar

from qlit.jobs.callbacks.interruption import keep_our_sigterm_handler
from qlit.jobs.callbacks.recorder import RunRecorder
from qlit.jobs.callbacks.run_status import RunStatus
from qlit.jobs.config.checkpoint_classes import names_to_allow
from qlit.jobs.config.checkpoint_config import remote_devices
from qlit.jobs.config.options import value_of
from qlit.jobs.config.training_parser import kept_config, kept_yaml
from qlit.jobs.config.values import listed
from qlit.jobs.distributed.cluster import check_requeued, cluster_environment
from qlit.jobs.requeued import NoteRun
from qlit.jobs.run_logger import RunLogger
from qlit.jobs.run_params import run_name
from qlit.runtime.allowed import allow_options
from qlit.runtime.quiet import is_quiet
from qlit.runtime.retry import retry_until_mlflow_answers
from qlit.runtime.secrets import scrub
from qlit.tracking.tracker import MLflowTracker
from qlit.training.averaging import AveragedWeights
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.checkpoint_io import AtomicCheckpointIO
from qlit.training.checkpoints.resumption import Resumption
from qlit.training.checkpoints.within_epoch import StopWithinEpoch
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.finders import finders, take_found, used_yaml
from qlit.training.fit_notices import FitNotices
from qlit.training.progress import EpochProgress

if TYPE_CHECKING:
    from qlit.jobs.session import Session


def make_trainer(session: "Session", made: Namespace) -> tuple[Trainer, MLflowTracker | None]:
    """The trainer of a session, and the tracker of its run; no tracker if the config records no run.

    Args:
        session: Session with its config, model and data.
        made: Config with instantiated classes.
    """
    config, options = session.config, {**made.trainer}
    if session.command == "fit":
        session.model.is_tested = bool(config.test_after_fit)
    keeps_nothing, tracker = bool(options["barebones"]), None
    if keeps_nothing:
        options |= {"log_every_n_steps": 0}
    elif options["logger"] is not False:
        tracker = _tracker(session, made.tracking)
        options["logger"] = [RunLogger(tracker), *listed(options["logger"])]
    session.interruption.resume_options += _resume_options(session)
    callbacks, given = _callbacks(session, listed(options["callbacks"]))
    if is_quiet():
        given = [each for each in given if not isinstance(each, ProgressBar)]
        options["enable_progress_bar"] = False
    elif any(isinstance(callback, ProgressBar) for callback in given):
        options["enable_progress_bar"] = True  # Lightning would refuse the bar because of our default
    elif not options["enable_progress_bar"] and not keeps_nothing:
        callbacks.append(EpochProgress())
    if options["enable_checkpointing"] is not False and not keeps_nothing:
        callbacks.append(BestAndLast(session.resumed_from))
    options["callbacks"] = [*callbacks, *given]
    options["plugins"] = [AtomicCheckpointIO(), *_environment(session, {**made.trainer}), *listed(options["plugins"])]
    trainer = Trainer(**options)
    if session.command == "fit" and session.resumed_from is None:
        session.model.notices += check_requeued(trainer.default_root_dir)
    use_direct_steps(trainer)
    keep_our_sigterm_handler(trainer)
    if session.pruning is not None:  # after the checkpoints, which Lightning puts last
        trainer.callbacks.append(session.pruning)  # type: ignore[attr-defined]
    return trainer, tracker


def names_allowed(session: "Session") -> list[str]:
    """Names that `--allow` must list before anybody can use the checkpoints of a session."""
    return [*names_to_allow(session.class_names), *remote_devices(session.model.head)]


def _tracker(session: "Session", tracker: MLflowTracker) -> MLflowTracker:
    """The tracker; a resumed fit continues its run, unless `tracking.run_id` names another or is null for a new one."""
    if session.pruning is not None:
        tracker.opener = retry_until_mlflow_answers
    tracker.suggest_name(run_name(kept_config(session.config).as_dict(), session.command))
    earlier = None if session.resumed is None else session.resumed[CHECKPOINT_KEY].get("run_id")
    if earlier is not None and session.config.tracking.run_id is None:
        tracker.continue_run(earlier, as_new=value_of("--tracking.run_id", session.typed) is not None)
    return tracker


def _resume_options(session: "Session") -> str:
    """Options that a command with a checkpoint of this session needs, because no checkpoint may set them."""
    words = "".join(f" {word}" for word in allow_options(names_allowed(session)))
    if (uri := session.config.tracking.tracking_uri) is not None:
        words += f" --tracking.tracking_uri {shlex.quote(scrub(uri))}"
    return words


def _callbacks(session: "Session", given: list[Callback]) -> tuple[list[Callback], list[Callback]]:
    """The callbacks that record and resume, and those of the config."""
    kept = kept_config(session.config)
    text = kept_yaml(session.command, kept)
    ours: list[Callback] = [
        session.interruption,
        RunStatus(),
        FitNotices(),
        AveragedWeights(),
        RunRecorder(kept.as_dict(), text, session.expected),
    ]
    if session.command == "fit":
        ours.append(StopWithinEpoch())
    if session.command == "fit" and session.tags is None:
        ours.append(NoteRun())
    if session.resumed_from is not None and session.resumed is not None:
        if searching := finders(given):  # they found their values before the first epoch
            given = [each for each in given if each not in searching]
            found = take_found(session.model, session.data, session.resumed[CHECKPOINT_KEY]["config"])
            text = used_yaml(text, found)
        ours.insert(2, Resumption(session.resumed_from, text, given))  # before the recorder, which needs its notices
    return ours, given


def _environment(session: "Session", options: dict[str, Any]) -> list[ClusterEnvironment]:
    work = "train the same model" if session.command == "fit" else "score the same checkpoint"
    environment = cluster_environment(options, work=work if session.tags is None else None)
    return [] if environment is None else [environment]
