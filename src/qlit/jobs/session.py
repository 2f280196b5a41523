"""Model, data, trainer and tracker that one config makes."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import seed_everything
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from qlit.data import Notice, Origin, expanded
from qlit.data.contents import Contents
from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.callbacks.run_status import close_after
from qlit.jobs.checks.engines import check_engines, check_precision
from qlit.jobs.checks.refusals import refusals
from qlit.jobs.checks.trainer import check_averaging, check_batches, check_monitors, check_seed
from qlit.jobs.config.checkpoint_classes import class_paths
from qlit.jobs.config.checkpoint_config import check_remote_devices
from qlit.jobs.config.checkpoints import body_notice, check_inputs, check_is_local, read_checkpoint, read_notes
from qlit.jobs.config.head_sizes import fill_head_sizes
from qlit.jobs.config.training_parser import Command, training_parser
from qlit.jobs.notices import print_notices
from qlit.jobs.trainer_parts import make_trainer
from qlit.runtime.critical_section import defer_signals
from qlit.runtime.errors import UsageError
from qlit.runtime.interrupts import StoppedBySignal
from qlit.runtime.retry import OutageError, retry_until_mlflow_answers
from qlit.tracking.diverged import diverged_tags
from qlit.tracking.tracker import MLflowTracker
from qlit.training.checks import check_training
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.module import SentenceClassifier


class Session:
    """Model, data, trainer and tracker of one command, made from its config; nothing is embedded or opened yet.

    Args:
        command: Command that the trainer runs.
        config: Config from `parse`; it is changed here.
        typed: Words of the command line from which it was parsed.
        interruption: Callback that stops the trainer, and records why it stopped.
        tags: Tags of its run if a series or study runs many trainings; None for a single run, which ends with a
            summary.
        expected: Contents that a fit must read; None for any.
        pruning: Callback of a study's training that may prune it after an epoch; its tracker retries while MLflow is
            unreachable.
        from_checkpoint: Whether the config comes from a checkpoint, which must not choose a device that may charge.
        as_json: Print JSON instead of a summary.
    Raises:
        ValueError, UsageError, FileNotFoundError: If a part cannot be made, or the checkpoint is unusable.
        ConnectionError: If the config leaves out sizes of its head, and data or body are not here.
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
        as_json: bool = False,
    ) -> None:
        self.command, self.config, self.typed, self.interruption = command, config, typed, interruption
        self.tags, self.expected, self.pruning = tags, expected, pruning
        self.as_json, self._from_checkpoint, self._is_closed = as_json, from_checkpoint, False
        self.tracker: MLflowTracker | None = None
        self._notes: dict[str, Any] | None = None  # of the checkpoint in the config
        check_seed(config.seed_everything)
        if config.seed_everything is not False:
            given = None if config.seed_everything is True else config.seed_everything
            config.seed_everything = seed_everything(given, workers=True)
        self._resolve_paths()
        if tags:
            config.tracking.tags = {**(config.tracking.tags or {}), **tags}
        self.resumed = None if self.resumed_from is None else self._read_resumed(self.resumed_from)
        fill_head_sizes(config, num_classes=self._num_classes())
        with refusals(config.trainer.as_dict(), making=True):
            made = training_parser(command).instantiate(config)
            self.data: SentenceDataModule = made.data
            self.model: SentenceClassifier = made.model
            self.trainer, self.tracker = make_trainer(self, made)
        if config.get("ckpt_path"):
            notes = self._notes_of(config.ckpt_path)
            check_inputs(notes, self.data)
            self.data.use_checkpoint(Origin.from_notes(notes), command)

    def _num_classes(self) -> int | None:
        """Number of classes of the checkpoint in the config; None without one, or if it does not record them."""
        names = self._notes_of(self.config.ckpt_path).get("label_names") if self.config.get("ckpt_path") else None
        return None if names is None else len(names)

    def _resolve_paths(self) -> None:
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
        """Checkpoint from which a fit continues; None without one."""
        return self.config.get("ckpt_path") if self.command == "fit" else None

    @property
    def resumed_run(self) -> str | None:
        """Id of the run of that checkpoint; None without one."""
        return None if self.resumed_from is None else self._notes_of(self.resumed_from).get("run_id")

    @property
    def class_names(self) -> set[str]:
        """Names of the classes in the config."""
        return {name for name in class_paths(self.config) if isinstance(name, str)}

    def _read_resumed(self, path: str) -> dict[str, Any]:
        checkpoint = read_checkpoint(path, given=self.class_names)
        self._notes = checkpoint[CHECKPOINT_KEY]
        return checkpoint

    def _notes_of(self, path: str) -> dict[str, Any]:
        """The notes of the checkpoint in the config; read once, because the file may be large."""
        if self._notes is None:
            self._notes = read_notes(path, given=self.class_names)
        return self._notes

    def check(self) -> None:
        """Raise an error about the config, the data or the tracking server before anything is embedded."""
        check_engines(self.model.head)
        if self._from_checkpoint:
            check_remote_devices(self.model.head, self.typed)
        check_precision(self.model.head, str(self.trainer.precision))
        if remark := self.model.head.remark:
            self.model.notices.append(Notice("head", remark))
            print_notices([self.model.notices[-1]])  # before the training, not only in its summary
        if self.command == "fit":
            # Before other processes start: these would report that a peer has ended.
            check_training(self.model.head, max_epochs=self.trainer.max_epochs, num_processes=self.trainer.world_size)
            check_monitors(self.trainer, self.model)
            check_averaging(self.trainer, self.model)
            parts = ["train", "val", *(["test"] if self.config.test_after_fit else [])]
        else:
            parts = ["val" if self.command == "validate" else "test"]
            if not getattr(self.trainer, f"limit_{parts[0]}_batches"):
                raise ValueError(
                    f"`trainer.limit_{parts[0]}_batches` is 0, so there is nothing to {self.command}; leave it out."
                )
        check_batches(self.trainer, self.data, parts)
        if self.pruning is not None:
            return  # opening the run retries while MLflow is unreachable
        self._check_body()
        if self.tracker is not None:
            self.tracker.check()

    def _check_body(self) -> None:
        """Add a notice if the files of the body have changed since the checkpoint; raise a ValueError for a fit."""
        data = self.data
        if not (path := self.config.ckpt_path) or data.is_body_trainable:
            return
        if data.sources.embeddings is not None:
            return
        body = data.find_body()
        if (notice := body_notice(self._notes_of(path), body, data)) is None:
            return
        if self.command == "fit":
            raise ValueError(f"{notice.text} Restore the body, or train from the beginning.")
        self.model.notices.append(notice)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Context for the trainer: a refusal by Lightning becomes one sentence, and an error closes the run."""
        try:
            with refusals(self.config.trainer.as_dict()):
                yield
        except BaseException as error:  # no callback is called for an error between fit and test
            if not self._is_closed:
                self.interruption.note(self.trainer, error)
                close_after(self.trainer, error)
            launcher = self.trainer.strategy.launcher
            if isinstance(error, StoppedBySignal) and isinstance(launcher, _SubprocessScriptLauncher):
                launcher.kill(signal.SIGKILL)
            raise

    def scores(self, stage: str) -> dict[str, float]:
        """Scores of the last evaluation by name; empty if it had no batches."""
        found = self.trainer.callback_metrics.items()
        return {name: value.item() for name, value in found if name.startswith(f"{stage}/")}

    @defer_signals()  # a signal at the end must not change the status
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
            # The next trial may look for this run, so it should be complete in MLflow.
            with suppress(OutageError):
                retry_until_mlflow_answers(self.tracker.sync)
