"""Callback that records a run: config, origin, split, predictions and figures in MLflow, checkpoints in its folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from qlit.data import Notice, Origin
from qlit.data.contents import Contents, changed_since
from qlit.data.sources import is_here
from qlit.heads import EstimatorHead
from qlit.jobs.run_logger import tracker_of
from qlit.jobs.run_params import run_params
from qlit.runtime.digest import digest
from qlit.runtime.secrets import scrub
from qlit.tracking import provenance
from qlit.tracking.config_hash import HASH, contents_tags, identity_tags
from qlit.tracking.names import make_run_name
from qlit.tracking.predictions import gathered, keep_predictions, predictions_of
from qlit.tracking.tracker import MLflowTracker
from qlit.training import figures
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.resumption import Resumption
from qlit.training.datamodule import Part, SentenceDataModule
from qlit.training.evaluation import BEST, CHECKPOINT_KEY, Evaluation
from qlit.training.finders import found_settings, used_config, used_yaml
from qlit.training.module import SentenceClassifier, Stage
from qlit.training.positions import validates_within_epochs


class RunRecorder(pl.Callback):
    """Writes a run's config, origin, split, test predictions, figures and best checkpoint to its tracker.

    Args:
        config: The resolved config, nested.
        config_yaml: The same as YAML text.
        expected: Contents that a fit must read, because earlier runs were looked up with them; None for any.
    """

    def __init__(self, config: dict[str, Any], config_yaml: str, expected: Contents | None = None) -> None:
        # People share checkpoints, so they must not contain the password of a tracking URI.
        self.config, self.config_yaml = config, scrub(config_yaml)
        self.expected = expected
        self._recorded = self._trains = False
        self._used: dict[str, Any] | None = None  # the config with settings that a callback found, if any
        self._unsent: list[tuple[str, float, int, int]] = []  # metrics in the resumed checkpoint of an older version
        self._checkpoint_run: str | None = None
        self._comes_from = ""  # run of the resumed checkpoint, if it belongs to another training

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._trains = self._trains or stage == "fit"
        data, module = _data(trainer), _module(pl_module)
        if self.expected is not None and (changed := changed_since(self.expected, data.contents)):
            raise ValueError(f"{changed} changed after this command had looked for earlier runs: run it again.")
        identity = identity_tags(self.config, data.contents)
        tracker = tracker_of(trainer)
        if tracker is not None and tracker.run_dir is not None:
            run_dir = tracker.run_dir
        else:
            run_dir = Path(trainer.default_root_dir) / "mlruns" / "untracked" / make_run_name()
        for checkpoint in trainer.checkpoint_callbacks:
            if isinstance(checkpoint, ModelCheckpoint) and checkpoint.dirpath is None:
                checkpoint.dirpath = str(run_dir)  # Lightning broadcasts rank 0's folder
        profiler = trainer.profiler  # type: ignore[attr-defined]
        if profiler.dirpath is None and trainer.is_global_zero:  # it was created before the run
            profiler.dirpath = run_dir
        module.checkpoint_notes = {
            "config": self.config_yaml,
            **Origin.of(data.texts, data.split, data.embedding_dim).notes(),
            "note": data.texts.note,
            "contents": asdict(data.contents),
            "training_hash": identity[HASH],
            "run_id": tracker.run_id if tracker else None,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Checkpoints of older versions, which had no log, contain metrics that were not sent to MLflow yet. Appended,
        # because the best checkpoint of a complete training is loaded for the test before these are logged.
        rows = state_dict.get("unsent", ())
        self._unsent += [(str(name), value, int(when), int(step)) for name, value, when, step in rows]

    # Nothing is recorded before work begins: until then a resume may fail, and must leave its run unchanged.
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._take_found_settings(trainer, _module(pl_module))
        self._record(trainer, pl_module)

    def _take_found_settings(self, trainer: pl.Trainer, module: SentenceClassifier) -> None:
        """Record settings that a callback found before the first epoch, in the run and in checkpoints."""
        given = self.config
        found = found_settings(trainer, given, is_resumed=_resumption_of(trainer) is not None)
        if not found:
            return
        self._used, self.config_yaml = used_config(given, found), used_yaml(self.config_yaml, found)
        module.checkpoint_notes["config"] = self.config_yaml
        values = ", ".join(
            f"{name} {value:.6g} instead of {given[name.partition('.')[0]][name.partition('.')[2]]}"
            for name, value in found.items()
        )
        module.add_notice(Notice("found", f"Found by a callback before the first epoch, and used: {values}."))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._record(trainer, pl_module)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._record(trainer, pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        tracker = tracker_of(trainer)
        if tracker is not None and tracker.run_id is not None and not tracker.is_resumed and _is_set_up(trainer):
            self._record(trainer, pl_module)  # a new run that fails early still has its config

    def _record(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record config, origin and split once; the test after a fit belongs to the same record."""
        data, module, tracker = _data(trainer), _module(pl_module), tracker_of(trainer)
        if tracker is None or self._recorded:
            return
        self._recorded = True
        split = data.split
        sizes = {f"data.num_{part}": str(len(getattr(split, part))) for part in ("train", "validation", "test")}
        sizes["data.num_features"] = str(data.embedding_dim)
        tags = {"split.fingerprint": split.fingerprint, "split.num_leaked": str(split.num_leaked), **sizes}
        if data.texts.note:
            tags["mlflow.note.content"] = data.texts.note
        resumption = _resumption_of(trainer)
        if resumption is not None:
            tags |= {f"resumed.{name}": str(now) for name, (_, now) in resumption.changes.items()}
            tracker.log_again(self._unsent)
            _log_history(tracker, trainer, module)
        if trainer.state.fn != "fit" and self._checkpoint_run:
            tags |= tracker.scored_run_tags(self._checkpoint_run, note=data.texts.note)
        if self._comes_from:
            # `Job.find` must not mistake this run for one that was trained from the beginning.
            tags["resumed.checkpoint"] = self._comes_from
        if tracker.continues:
            module.add_notice(Notice("continues", f"This is a new run, which continues run {tracker.continues}."))
        tracker.set_tags({**provenance.collect(), **tags})
        identity = identity_tags(self.config, data.contents)
        tracker.set_lasting_tags(identity if self._trains else contents_tags(data.contents))
        used = self.config if self._used is None else self._used
        tracker.log_hyperparams(run_params(used))
        tracker.log_inputs(_datasets(data, trainer))
        tracker.log_text(self.config_yaml, "config.yaml")
        head = module.head
        if self._trains and not (isinstance(head, EstimatorHead) and head.num_parameters is None):
            tracker.log_hyperparams({"parameters.total": parameter_counts(module)["total"]})
        if self._trains and (num_fitted := head.num_fitted_values()):
            tracker.log_hyperparams({"parameters.fitted": num_fitted})
        if self._trains and isinstance(head, EstimatorHead):
            complaint = {"warning": head.complaint} if head.complaint else {}
            tracker.set_tags({"estimator.converged": str(not head.complaint).lower(), **complaint})

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        notes = checkpoint.get(CHECKPOINT_KEY) or {}
        self._checkpoint_run = notes.get("run_id")
        if notes.get("training_hash") != _module(pl_module).checkpoint_notes["training_hash"]:
            self._comes_from = f"of run {notes.get('run_id')}"

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        tracker, module = tracker_of(trainer), _module(pl_module)
        if tracker is None:
            return
        keep_notices(trainer)
        drawn = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
        history = {name: module.history[name] for name in drawn if name in module.history}
        kept = kept_best(trainer)
        if history:
            note, best_epoch = _data(trainer).texts.note, None if kept is None else kept.position
            figure = figures.training_curves(history, best_epoch=best_epoch, note=note, select_by=module.select_by)
            tracker.log_figure(figure, "training_curves.png")
        if kept is not None:
            tracker.log_metrics({f"{BEST}{name}": value for name, value in _of_best(kept).items()}, step=0)
        checkpoint = trainer.checkpoint_callback
        if isinstance(checkpoint, ModelCheckpoint):
            # Without validation there is no best checkpoint.
            path = Path(checkpoint.best_model_path or checkpoint.last_model_path)
            if path.is_file():
                tracker.log_file(str(path), "checkpoint")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        keep_notices(trainer)
        self._keep_scores(trainer, pl_module, "test")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":
            keep_notices(trainer)
            self._keep_scores(trainer, pl_module, "val")

    def _keep_scores(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: Stage) -> None:
        scores, data = _module(pl_module).scores_of(stage), _data(trainer)
        texts = data.texts
        # Collective operations: all processes take part.
        counts = scores.confusion_counts().cpu().numpy()
        seen = len(scores.labels)  # fewer than all rows if batches are limited
        loader: Any = trainer.test_dataloaders if stage == "test" else trainer.val_dataloaders
        probabilities, labels, rows = gathered(scores.probabilities, scores.labels, loader.rows()[:seen])
        tracker = tracker_of(trainer)
        if tracker is None or not trainer.is_global_zero or not scores.is_finite:
            return  # no figures and no predictions of scores that are not finite
        if stage == "test":
            keep_predictions(tracker, predictions_of(texts, data.split, probabilities, rows=rows))
        tracker.log_figure(
            figures.confusion_matrix(counts, texts.label_names, note=texts.note), f"{stage}_confusion_matrix.png"
        )
        error = trainer.callback_metrics[f"{stage}/calibration_error"].item()
        if probabilities.ndim == 1:
            if 0 < labels.sum() < len(labels):
                tracker.log_figure(figures.roc_curve(probabilities, labels, note=texts.note), f"{stage}_roc_curve.png")
            outcomes, predicted = labels, probabilities
        else:
            chosen = probabilities.argmax(axis=1)
            outcomes, predicted = (chosen == labels).astype(int), probabilities.max(axis=1)
        figure = figures.reliability_diagram(predicted, outcomes, calibration_error=error, note=texts.note)
        tracker.log_figure(figure, f"{stage}_reliability.png")


def _datasets(data: SentenceDataModule, trainer: pl.Trainer) -> list[dict[str, str]]:
    """The parts of the data that a run uses, as data sets of MLflow."""
    parts: tuple[Part, ...] = ("train", "validation", "test")
    of_command: dict[str, tuple[Part, ...]] = {"validate": ("validation",), "test": ("test",)}
    used = of_command.get(str(getattr(trainer.state.fn, "value", "fit")), parts)
    found = []
    for part in used:
        source = data.sources.source_of(part)
        is_hub = "/" in source and not is_here(source)
        found.append(
            {
                "name": Path(data.texts.name).name,
                "digest": digest(f"{data.split.fingerprint} {part}")[:8],
                "source_type": "hf" if is_hub else "local",
                "source": json.dumps({"path": source} if is_hub else {"uri": source}),
                "profile": json.dumps({"num_rows": len(getattr(data.split, part))}),
                "context": part,
            }
        )
    return found


def _resumption_of(trainer: pl.Trainer) -> Resumption | None:
    return next((each for each in trainer.callbacks if isinstance(each, Resumption)), None)  # type: ignore[attr-defined]


def _log_history(tracker: MLflowTracker, trainer: pl.Trainer, module: SentenceClassifier) -> None:
    """Log the scores of the earlier epochs of a resumed training that its run lacks."""
    for name, values in module.history.items():
        for position, value in values:
            step = position if not validates_within_epochs(trainer) else (position + 1) * trainer.num_training_batches
            tracker.log_metrics({name: value}, step=round(step))


def _is_set_up(trainer: pl.Trainer) -> bool:
    """Whether the data module has read its data."""
    return hasattr(trainer.datamodule, "split")  # type: ignore[attr-defined]


def keep_notices(trainer: pl.Trainer) -> None:
    """Write the notices of the data and of the training to the run, one tag per notice."""
    tracker = tracker_of(trainer)
    if tracker is not None:
        notices = [*_data(trainer).notices, *_module(trainer.lightning_module).notices]
        tracker.set_tags({f"notice.{notice.key}": notice.text for notice in notices})


def kept_best(trainer: pl.Trainer) -> Evaluation | None:
    """Validation of the best checkpoint of a trainer; None without one."""
    callbacks = trainer.checkpoint_callbacks
    return next((each.best for each in callbacks if isinstance(each, BestAndLast)), None)


def _of_best(kept: Evaluation) -> dict[str, float]:
    """Epoch and scores of the best checkpoint, as the run records them."""
    return {"epoch": kept.epoch, **{name: value for name, value in kept.scores.items() if name != "val/selection"}}


def parameter_counts(module: SentenceClassifier) -> dict[str, int]:
    """Numbers of trainable parameters by part of the model and in `total`; an estimator knows them after its fit."""
    if isinstance(module.head, EstimatorHead):
        assert module.head.num_parameters is not None, "known after the fit"
        return {"estimator": module.head.num_parameters, "total": module.head.num_parameters}
    counts = {
        name: sum(parameter.numel() for parameter in child.parameters() if parameter.requires_grad)
        for name, child in module.head.named_children()
    }
    if module.body is not None:
        counts["body"] = sum(parameter.numel() for parameter in module.body.parameters() if parameter.requires_grad)
    counts = {name: count for name, count in counts.items() if count}
    return {**counts, "total": sum(counts.values())}


def _data(trainer: pl.Trainer) -> SentenceDataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, SentenceDataModule)
    return data


def _module(module: pl.LightningModule) -> SentenceClassifier:
    assert isinstance(module, SentenceClassifier)
    return module
