"""The parts that one config makes: model, data, trainer, and the run that a training or an evaluation keeps."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import seed_everything
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from qlit.data import Origin, expanded, resolve_body
from qlit.data.contents import Contents
from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.callbacks.run_status import close_after
from qlit.jobs.checks.engines import check_engines, check_precision
from qlit.jobs.checks.refusals import refusals
from qlit.jobs.checks.trainer import check_batches, check_monitors, check_seed
from qlit.jobs.config.checkpoint_classes import class_paths
from qlit.jobs.config.checkpoint_config import check_remote_devices
from qlit.jobs.config.checkpoints import body_notice, check_is_local, read_checkpoint, read_notes
from qlit.jobs.config.training_parser import Command, training_parser
from qlit.jobs.trainer_parts import make_trainer
from qlit.runtime.critical_section import defer_signals
from qlit.runtime.errors import UsageError
from qlit.runtime.interrupts import StoppedBySignal
from qlit.runtime.retry import OutageError, retry_until_mlflow_answers
from qlit.tracking.diverged import diverged_tags
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.module import SentenceClassifier


class Session:
    """Model, data, trainer and tracker of one command, made from its config; nothing is embedded or opened yet.

    Args:
        command: What the trainer is to do.
        config: From `parse`; changed here.
        typed: Words of the command line that it was parsed from.
        interruption: Asked whether to stop, and told why the trainer stopped.
        tags: Of a run that is one of many, whose command sums up all of them; None for a run of its own, which ends
            with a summary.
        expected: Contents that a fit must read; None for any.
        pruning: Of a training of a study: asked after each epoch whether to give up. Its tracker waits for MLflow.
        from_checkpoint: Whether a checkpoint carries the config, which must not choose a device that may charge.
    Raises:
        ValueError, UsageError, FileNotFoundError: If the parts cannot be made, or the checkpoint cannot be used.
    """

    def __init__(
        self,
        command: Command,
        config: Namespace,
        typed: Sequence[str],
        interruption: Interruption,
        *,
        tags: dict[str, str] | None = None,
        expected: Contents | None = None,
        pruning: Pruning | None = None,
        from_checkpoint: bool = False,
    ) -> None:
        self.command, self.config, self.typed, self.interruption = command, config, typed, interruption
        self.tags, self.expected, self.pruning = tags, expected, pruning
        self._from_checkpoint, self._is_closed = from_checkpoint, False
        self.tracker: MLflowTracker | None = None
        self._notes: dict[str, Any] | None = None  # of the checkpoint that the command names
        check_seed(config.seed_everything)
        if config.seed_everything is not False:
            given = None if config.seed_everything is True else config.seed_everything
            config.seed_everything = seed_everything(given, workers=True)
        self._settle_paths()
        if tags:
            config.tracking.tags = {**(config.tracking.tags or {}), **tags}
        self.resumed = None if self.resumed_from is None else self._read_resumed(self.resumed_from)
        with refusals(config.trainer.as_dict(), making=True):
            made = training_parser(command).instantiate(config)
            self.data: SentenceDataModule = made.data
            self.model: SentenceClassifier = made.model
            self.trainer, self.tracker = make_trainer(self, made)
        if config.get("ckpt_path"):
            self.data.use_checkpoint(Origin.from_notes(self._notes_of(config.ckpt_path)), command)

    def _settle_paths(self) -> None:
        config = self.config
        if config.get("weights_only") is False:
            raise UsageError(
                "weights_only cannot be false: nothing but tensors and plain values is read; leave it out."
            )
        if config.get("ckpt_path"):
            check_is_local(config.ckpt_path)
        for section, key in ((config, "ckpt_path"), (config.trainer, "default_root_dir")):
            if section.get(key):
                section[key] = str(expanded(section[key], key))

    @property
    def resumed_from(self) -> str | None:
        """The checkpoint from which a fit goes on."""
        return self.config.get("ckpt_path") if self.command == "fit" else None

    @property
    def class_names(self) -> set[str]:
        """The classes that the config names."""
        return {name for name in class_paths(self.config) if isinstance(name, str)}

    def _read_resumed(self, path: str) -> dict[str, Any]:
        checkpoint = read_checkpoint(path, given=self.class_names)
        self._notes = checkpoint[CHECKPOINT_KEY]
        return checkpoint

    def _notes_of(self, path: str) -> dict[str, Any]:
        """The notes of the checkpoint that the command names, read once: it may be large."""
        if self._notes is None:
            self._notes = read_notes(path, given=self.class_names)
        return self._notes

    def check(self) -> None:
        """Raise an error for what can be known to be wrong before anything is embedded or tracked."""
        check_engines(self.model.head)
        if self._from_checkpoint:
            check_remote_devices(self.model.head, self.typed)
        check_precision(self.model.head, str(self.trainer.precision))
        if self.command == "fit":
            check_monitors(self.trainer, self.model)
            parts = ["train", "val", *(["test"] if self.config.test_after_fit else [])]
        else:
            parts = ["val" if self.command == "validate" else "test"]
            if not getattr(self.trainer, f"limit_{parts[0]}_batches"):
                raise ValueError(
                    f"`trainer.limit_{parts[0]}_batches` is 0, so there is nothing to {self.command}; leave it out."
                )
        check_batches(self.trainer, self.data, parts)
        if self.pruning is not None:
            return  # whether MLflow answers is seen when the run is opened, and waited for
        self._check_body()
        if self.tracker is not None:
            self.tracker.check()

    def _check_body(self) -> None:
        """Say if the body has other files than the checkpoint's; raise a ValueError if a fit would go on with it."""
        data = self.data
        if not (path := self.config.ckpt_path) or data.is_body_trainable:
            return
        body = resolve_body(data.body_name, trust_remote_code=data.trust_remote_code)
        if (notice := body_notice(self._notes_of(path), body, data)) is None:
            return
        if self.command == "fit":
            raise ValueError(f"{notice.text} Restore the body, or train from the beginning.")
        self.model.notices.append(notice)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Where the trainer works: what Lightning refuses is one sentence, and an error gives the run its status."""
        try:
            with refusals(self.config.trainer.as_dict()):
                yield
        except BaseException as error:  # also one between fit and test, which no callback hears of
            if not self._is_closed:
                self.interruption.note(self.trainer, error)
                close_after(self.trainer, error)
            launcher = self.trainer.strategy.launcher
            if isinstance(error, StoppedBySignal) and isinstance(launcher, _SubprocessScriptLauncher):
                launcher.kill(signal.SIGKILL)
            raise

    def scores(self, stage: str) -> dict[str, float]:
        """Scores of the last evaluation, by name; empty if it had no batches."""
        found = self.trainer.callback_metrics.items()
        return {name: value.item() for name, value in found if name.startswith(f"{stage}/")}

    @defer_signals()  # a run that has come to its end is closed with its own status
    def close(self) -> None:
        """Close the run: FINISHED, or FAILED if the training diverged."""
        self._is_closed = True
        diverged = self.model.divergence
        if self.tracker is not None and diverged is not None:
            self.tracker.set_tags(diverged_tags(diverged.epoch))
            self.tracker.close("FAILED", diverged.text)
        elif self.tracker is not None:
            self.tracker.close("FINISHED")
        if self.tracker is not None and self.pruning is not None:
            # A run that is looked for by the next trial, or shown, should be complete.
            with suppress(OutageError):
                retry_until_mlflow_answers(self.tracker.sync)
