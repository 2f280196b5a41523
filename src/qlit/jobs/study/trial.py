"""One training of a study: found where it was done before, resumed where it was stopped; in this process."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.data.contents import Contents, contents_of
from qlit.jobs.config.options import readable_errors
from qlit.jobs.cores import num_processes
from qlit.jobs.cost import circuits_of
from qlit.jobs.interruption import Interruption
from qlit.jobs.recorder import kept_best, parameter_counts
from qlit.jobs.training_cli import QlitCLI
from qlit.runtime.critical_section import undivided
from qlit.runtime.retry import OutageError, when_mlflow_is_there
from qlit.tracking.config_hash import HASH, identity_tags
from qlit.tracking.kept_runs import KeptRuns
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import BEST
from qlit.training.module import SentenceClassifier, Stage

_STUDY = "study/"
"""Prefix of the metrics that only trainings of studies log."""


@dataclass(frozen=True)
class Outcome:
    """What a training reached.

    Args:
        run_id: Of its MLflow run.
        scores: `val/` scores of its best epoch, `test/` scores of that checkpoint, `parameters`, `gates` of the part
            that a quantum processor would run, `num_validation` and `num_test` sentences.
        pruned: Whether it was given up early; there are no `test/` scores then.
        diverged: Why it has no scores at all, if it diverged.
    """

    run_id: str
    scores: dict[str, float] = field(default_factory=dict)
    pruned: bool = False
    diverged: str = ""


def train(
    options: Sequence[str],
    tags: dict[str, str],
    raise_if_lost: Callable[[], None],
    give_up: Callable[[int, float], bool] | None = None,
    check: Callable[[Contents], None] | None = None,
    objectives: Sequence[str] = (),
) -> Outcome:
    """Train with the options of `qlit fit`, unless a finished run of the experiment did so before.

    Args:
        options: As of `qlit fit`.
        tags: Of the run.
        raise_if_lost: Asked before each epoch, to raise what a signal raised and Python dropped.
        give_up: Asked after each epoch, with its number and validation accuracy, whether to stop; None for never.
        check: Raises if these contents of data and body are not to be trained on; None for any.
        objectives: Scores that an earlier run must have to be used.

    Raises:
        OutageError: If MLflow, or space on the disk, is away for longer than it is waited for.
        UsageError, ValueError: If the config cannot be understood or trained.
        SeveralProcessesError: If it trains in processes of its own, which nobody has started.
    """
    try:
        with readable_errors():
            made = TrialCLI(
                ["fit", *options], tags, Interruption(raise_if_lost), Watch(give_up), check=check, objectives=objectives
            )
    except _FoundError as found:
        return Outcome(found.run_id, found.scores, diverged=found.diverged)
    return outcome_of(made)


def outcome_of(made: "TrialCLI") -> Outcome:
    """What a training reached that has come to its end; asked in the process that keeps its run, rank 0."""
    assert made.tracker is not None
    assert made.tracker.run_id is not None
    module = made.model
    if module.divergence is not None:  # what its earlier epochs reached is no result of its settings
        return Outcome(made.tracker.run_id, diverged=module.divergence.text)
    best = kept_best(made.trainer) or module.evaluations.get("val")
    scores = {} if best is None else {name: value for name, value in best.scores.items() if name != "val/selection"}
    scores |= _facts(module, made.datamodule)
    if not made.watch.gave_up:
        tested = made.trainer.callback_metrics.items()
        scores |= {name: value.item() for name, value in tested if name.startswith("test/")}
    return Outcome(made.tracker.run_id, scores, made.watch.gave_up)


def _of_history(history: dict[str, list[tuple[int, float]]]) -> dict[str, float]:
    """Scores of a run that was made before."""
    last = {name: values[-1][1] for name, values in history.items()}
    tested = {name: value for name, value in last.items() if name.startswith("test/")}
    facts = {name.removeprefix(_STUDY): value for name, value in last.items() if name.startswith(_STUDY)}
    best = {name.removeprefix(BEST): value for name, value in last.items() if name.startswith(f"{BEST}val/")}
    return (best or _at_best_epoch(history)) | tested | facts


def _at_best_epoch(history: dict[str, list[tuple[int, float]]]) -> dict[str, float]:
    """Validation scores of the best epoch of a run that does not tell those of its best checkpoint."""
    losses = dict(history.get("val/loss", []))
    ranked = [(accuracy, -losses[epoch], -epoch) for epoch, accuracy in history.get("val/accuracy", [])]
    epoch = -max(ranked)[2] if ranked else None
    of_epoch = {name: dict(values) for name, values in history.items() if name.startswith("val/")}
    return {name: values[epoch] for name, values in of_epoch.items() if epoch in values}


def _facts(module: SentenceClassifier, data: SentenceDataModule) -> dict[str, float]:
    circuits = circuits_of(module.head, torch.device("cpu"))
    quantum = circuits["pqc"].circuit if "pqc" in circuits else None
    gates = 0 if quantum is None else quantum.num_one_qubit_gates + quantum.num_two_qubit_gates
    return {
        "parameters": parameter_counts(module)["total"],
        "gates": gates,
        "num_validation": _num_seen(module, "val", len(data.split.validation)),
        "num_test": _num_seen(module, "test", len(data.split.test)),
    }


def _num_seen(module: SentenceClassifier, stage: Stage, planned: int) -> int:
    found = module.evaluations.get(stage)
    return planned if found is None or found.num_seen is None else found.num_seen


class _FoundError(Exception):
    def __init__(self, run_id: str, scores: dict[str, float], diverged: str = "") -> None:
        super().__init__(run_id)
        self.run_id, self.scores, self.diverged = run_id, scores, diverged


class SeveralProcessesError(Exception):
    """A training that this process cannot make by itself.

    Args:
        num_processes: How many it needs.
        checkpoint: From which it goes on; None for one that begins.
        tracking_uri: Where its run is kept; None as of `MLflowTracker`.
        contents: That it must read.
    """

    def __init__(
        self, num_processes: int, checkpoint: Path | None, tracking_uri: str | None, contents: Contents
    ) -> None:
        super().__init__(num_processes)
        self.num_processes, self.checkpoint, self.tracking_uri = num_processes, checkpoint, tracking_uri
        self.contents = contents


class Watch(Callback):
    """Asks after each epoch whether to give up: rank 0 asks, and all processes do as it was told.

    Args:
        give_up: Asked with the epoch's number and validation accuracy; None for never, in all processes or in none.
    """

    def __init__(self, give_up: Callable[[int, float], bool] | None) -> None:
        self._give_up, self.gave_up = give_up, False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        found = pl_module.evaluations.get("val")
        if self._give_up is None or found is None or found.epoch != trainer.current_epoch:
            return  # also of an epoch that diverged, which ends by itself
        asked = self._give_up(found.epoch, found.scores["val/accuracy"]) if trainer.is_global_zero else False
        # An exception would leave the run as FAILED; this way its epoch comes to its end, and is the last.
        if trainer.strategy.broadcast(asked):
            self.gave_up = trainer.should_stop = True


class TrialCLI(QlitCLI):
    """`qlit fit` for a study.

    Args:
        arguments: Subcommand and options.
        tags: Of the run.
        interruption: As of `QlitCLI`.
        watch: Asked after each epoch.
        is_rank: Whether this is a process of a training whose earlier run somebody has looked for. If not, it is looked
            for here, and a training of several processes refused with `SeveralProcessesError`.
        check: As of `train`.
        objectives: As of `train`.
        expected: Contents that a rank must read; others look themselves.
    """

    def __init__(
        self,
        arguments: list[str],
        tags: dict[str, str],
        interruption: Interruption,
        watch: Watch,
        *,
        is_rank: bool = False,
        check: Callable[[Contents], None] | None = None,
        objectives: Sequence[str] = (),
        expected: Contents | None = None,
    ) -> None:
        self.watch, self._is_rank, self._check = watch, is_rank, check
        self._needed = {"val/accuracy", "test/accuracy", *objectives}
        super().__init__(arguments, interruption, series_tags=tags, expected=expected)

    def before_instantiate_classes(self) -> None:
        if not self._is_rank:
            self._look()
        super().before_instantiate_classes()

    def _look(self) -> None:
        config = self._own_config()
        kept = KeptRuns(config.tracking.tracking_uri)
        nested = self.kept_config().as_dict()
        self.expected = contents_of(nested["data"])
        if self._check is not None:
            self._check(self.expected)
        wanted = config.tracking.experiment, identity_tags(nested, self.expected)[HASH]
        for run_id in when_mlflow_is_there(lambda: [*kept.all_finished(*wanted)]):
            scores = when_mlflow_is_there(lambda found=run_id: _of_history(kept.history(found)))  # type: ignore[misc]
            # A run whose curves were lost, and one of `qlit fit` without what a study logs, are no use: train again.
            if scores.keys() >= self._needed:
                raise _FoundError(run_id, scores)
        if (diverged := when_mlflow_is_there(lambda: kept.diverged(*wanted))) is not None:
            raise _FoundError(diverged.run_id, {}, diverged.reason)
        checkpoint = when_mlflow_is_there(lambda: kept.stopped(*wanted))
        needed = num_processes(config.tracking.experiment, nested["trainer"])
        if needed is not None:
            raise SeveralProcessesError(needed, checkpoint, config.tracking.tracking_uri, self.expected)
        if checkpoint is not None:
            config.ckpt_path = str(checkpoint)

    def before_fit(self, **_: Any) -> None:
        self.check_config()  # whether MLflow answers is seen when the run is opened, and waited for
        self.check_resume()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer = super().instantiate_trainer(**kwargs)
        assert self.tracker is not None
        self.tracker.opener = when_mlflow_is_there
        trainer.callbacks.append(self.watch)  # type: ignore[attr-defined]
        return trainer

    def after_fit(self) -> None:
        if self.watch.gave_up:
            assert self.tracker is not None
            self._own_config().test_after_fit = False
            self.tracker.set_tag("study.state", "pruned")
        super().after_fit()

    def before_close(self) -> None:
        assert self.tracker is not None
        facts = _facts(self.model, self.datamodule)
        self.tracker.log_metrics({f"{_STUDY}{name}": value for name, value in facts.items()})

    @undivided()
    def _close(self) -> None:
        super()._close()
        assert self.tracker is not None
        # A run that is looked for by the next trial, or shown, should be complete.
        with suppress(OutageError):
            when_mlflow_is_there(self.tracker.sync)
