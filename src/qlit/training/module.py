"""LightningModule with a head, an optional trainable body, loss, optimiser, scores, and notes for checkpoints."""

import math
from typing import Any, Literal, final, get_args

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

from qlit.data import Notice
from qlit.data.trainable import TrainableBody
from qlit.heads import EstimatorHead, Head
from qlit.training.baselines import fit_estimator
from qlit.training.batches import Batch, BatchLoader
from qlit.training.checkpoints.weights import check_weights
from qlit.training.checks import check_head
from qlit.training.datamodule import Part, SentenceDataModule
from qlit.training.divergence import (
    OVERFLOW,
    Divergence,
    divergence_of_evaluation,
    divergence_of_fit,
    nan_logits,
    weight_beyond,
)
from qlit.training.evaluation import CHECKPOINT_KEY, Evaluation, SelectBy, selection_of
from qlit.training.positions import position_of, step_of
from qlit.training.preprocessing import fit_preprocessing
from qlit.training.scores import Scores
from qlit.training.seeds import seed_of
from qlit.training.sentence_model import Classifies, of_head

_OF_FIT: tuple[Part, ...] = ("train", "validation", "test")

Stage = Literal["train", "val", "test"]

_NUM_LOOKED_AT = 8  # training sentences used to find the unused parameters of a body
_PARTS: dict[Stage, str] = {"train": "training", "val": "validation", "test": "test"}


@final
class SentenceClassifier(Classifies, pl.LightningModule):
    """Train a head on sentence embeddings, together with the body if the data module's body is trainable.

    Before the first epoch the head's preprocessing is fitted to the training split, then an `EstimatorHead`, which is
    not trained by gradient steps.

    Args:
        head: The head: embedding -> logits.
        lr: Learning rate of the head (L), > 0.
        lr_decay: Factor applied to all learning rates after every epoch (gamma), in (0, 1]; 1 for no decay.
        weight_decay: L2 penalty of Adam (rho), >= 0.
        body_lr: Learning rate of a trainable body, > 0.
        select_by: Validation score that chooses the best epoch: accuracy (highest, among equals the lowest loss) or
            loss (lowest).

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, Table I and sec. IV.A: binary cross-entropy (cross-entropy for k > 2) and Adam.
    """

    def __init__(
        self,
        head: Head,
        *,
        lr: float = 2.5e-3,
        lr_decay: float = 1.0,
        weight_decay: float = 0.0,
        body_lr: float = 2e-5,
        select_by: SelectBy = "accuracy",
    ) -> None:
        super().__init__()
        for name, value in (("lr", lr), ("body_lr", body_lr)):
            if not 0 < value < math.inf:
                raise ValueError(f"`{name} > 0` must hold, but got {name}={value}; it must be a finite number.")
        if not 0 < lr_decay <= 1:
            raise ValueError(f"`0 < lr_decay <= 1` must hold, but got {lr_decay=}; 1 keeps the learning rate.")
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"`weight_decay >= 0` must hold, but got {weight_decay=}; it must be a finite number.")
        self.head, self.body, self._of_head = head, None, of_head(head)
        if select_by not in get_args(SelectBy):
            raise ValueError(f"`select_by` must be one of {', '.join(get_args(SelectBy))}, but got {select_by!r}.")
        self.lr, self.lr_decay, self.weight_decay, self.body_lr = lr, lr_decay, weight_decay, body_lr
        self.select_by: SelectBy = select_by
        stages = ("train", "val", "test")
        self.scores = nn.ModuleDict(
            {f"{stage}_scores": Scores(head.num_classes, full=stage != "train") for stage in stages}
        )
        self.automatic_optimization = not isinstance(head, EstimatorHead)
        self.checkpoint_notes: dict[str, Any] = {}
        """Plain values for every checkpoint: config, label names, run; see `CHECKPOINT_KEY`."""
        self.run_seed: int | None = None
        """Seed of shots and dropout; None for the seed of this process."""
        self.is_tested = True
        """Whether a test follows the fit, so that the test embeddings must be usable, too."""
        self.notices: list[Notice] = []
        """Notices about the training, for the summary and the run."""
        self.divergence: Divergence | None = None
        """First number that was not finite, in training or in an evaluation; the same in all processes."""
        self.history: dict[str, list[tuple[float, float]]] = {}
        """(epoch, value) of every finite training and validation score, and of numbers that a callback adds at the end
        of an epoch; checkpoints contain it, so that a resumed training continues it.

        A validation in the middle of an epoch has a fraction as its epoch: 1.5 is halfway from the end of epoch 1 to
        the end of epoch 2."""
        self.evaluations: dict[Stage, Evaluation] = {}
        """Latest validation ("val") and test ("test") with finite scores; their weights may be older than the present
        ones."""

    def setup(self, stage: str) -> None:
        data: SentenceDataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        check_head(self.head, data, data.embedding_dim, is_trained=stage == "fit")
        self.body = data.body
        if stage == "fit":
            fit_preprocessing(self.head, data)
            if isinstance(self.head, EstimatorHead):
                fit_estimator(self.head, data, self.trainer)
            self.check_usable({name: data.part(name) for name in (_OF_FIT if self.is_tested else _OF_FIT[:2])})
            if self.body is not None:
                self._prepare_body(self.body, data)

    def _prepare_body(self, body: TrainableBody, data: SentenceDataModule) -> None:
        body.train()  # it was loaded in evaluation mode, which Lightning does not change
        uses_vary = body.freeze_unused([data.texts.texts[k] for k in data.split.train[:_NUM_LOOKED_AT]])
        if uses_vary and isinstance(self.trainer.strategy, DDPStrategy):
            self.trainer.strategy._ddp_kwargs.setdefault("find_unused_parameters", True)

    def configure_optimizers(self) -> Any:
        if isinstance(self.head, EstimatorHead):
            return []
        groups: list[dict[str, Any]] = [{"params": list(self.head.parameters()), "lr": self.lr}]
        if self.body is not None:
            groups.append({"params": list(self.body.parameters()), "lr": self.body_lr})
        # Fused, because the overhead of a few small parameters dominates, and because a CUDA graph can record it.
        # Under mixed precision torch chooses: there Lightning does not clip gradients of a fused optimiser.
        is_mixed = isinstance(self.trainer.precision_plugin, MixedPrecision)
        fused = True if self.device.type in ("cpu", "cuda") and not is_mixed else None
        optimizer = torch.optim.Adam(groups, lr=self.lr, weight_decay=self.weight_decay, fused=fused)
        if self.lr_decay == 1:
            return optimizer
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, self.lr_decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def on_train_epoch_start(self) -> None:
        self.scores_of("train").clear()  # the search for a learning rate stops in the middle of an epoch
        # Every epoch starts with its own seed, so that a resumed run has the same dropout as an uninterrupted one.
        seed = seed_of("dropout", self.current_epoch, self.global_rank, run_seed=self.run_seed)
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # as `torch.manual_seed`, without other devices
        else:
            torch.manual_seed(seed)

    def training_step(self, batch: Batch) -> Tensor:
        losses = self._losses("train", batch)
        # DDP averages gradients over processes, but the parts of a batch may differ in size. The mean over the whole
        # batch is therefore a sum of parts, scaled by the number of processes.
        return losses.sum() * (self.trainer.world_size / batch.num_rows)

    def validation_step(self, batch: Batch) -> None:
        self._losses("val", batch)

    def test_step(self, batch: Batch) -> None:
        self._losses("test", batch)

    def _losses(self, stage: Stage, batch: Batch) -> Tensor:
        # Training draws new shots every epoch; an evaluation always draws the same ones.
        epoch = self.current_epoch if stage == "train" else 0
        seed = seed_of(stage, epoch, batch.number, run_seed=self.run_seed)
        self.head.seed_shots(seed, batch.first_row, batch.num_rows)
        logits, losses = self.evaluated(stage, batch)
        self.scores_of(stage).add(logits, batch.labels, losses)
        return losses

    def evaluated(self, stage: Stage, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits, shape (b, 1) or (b, k), and losses, shape (b,), of a batch whose shots have their seed."""
        try:
            logits = self(batch.inputs)
        except ValueError:  # a quantum engine refuses angles that are not finite
            if weight_beyond(OVERFLOW, head=self.head, body=self.body) is None:
                self._check_moved(stage, batch)
                raise
            width = 1 if self.head.num_classes == 2 else self.head.num_classes
            logits = nan_logits(self, self._of_head[0].new_zeros(len(batch.labels), width))
        if logits.shape[1] == 1:
            losses = nn.functional.binary_cross_entropy_with_logits(
                logits[:, 0], batch.labels.to(logits.dtype), reduction="none"
            )
        else:
            losses = nn.functional.cross_entropy(logits, batch.labels, reduction="none")
        return logits, losses

    def _check_moved(self, stage: Stage, batch: Batch) -> None:
        """Raise a ValueError that names a sentence if a trainable body returned zeros that the head cannot use."""
        given = {
            "train": self.trainer.train_dataloader,
            "val": self.trainer.val_dataloaders,
            "test": self.trainer.test_dataloaders,
        }
        loader = given[stage]
        if self.body is None or not isinstance(loader, BatchLoader):
            return
        embeddings = self.body(batch.inputs).detach()
        if embeddings.isfinite().all():
            self.check_usable({stage: (embeddings, loader.texts_of(batch))})

    def scores_of(self, stage: Stage) -> Scores:
        """Scores of "train", "val" or "test"."""
        scores = self.scores[f"{stage}_scores"]
        assert isinstance(scores, Scores)
        return scores

    def on_validation_start(self) -> None:
        if self.trainer.state.fn == "validate":  # a fit has already checked them
            self.check_usable({"validation": self.trainer.datamodule.part("validation")})  # type: ignore[attr-defined]

    def on_test_start(self) -> None:
        self.check_usable({"test": self.trainer.datamodule.part("test")})  # type: ignore[attr-defined]

    def on_validation_epoch_start(self) -> None:
        self.scores_of("val").clear()

    def on_test_epoch_start(self) -> None:
        self.scores_of("test").clear()

    def on_train_epoch_end(self) -> None:
        if not self.scores_of("train").is_empty:  # empty if the training was resumed after the last batch of an epoch
            self._record_scores("train", self.scores_of("train").compute(), self.current_epoch)
        if (name := weight_beyond(math.inf, head=self.head, body=self.body)) is not None:
            self._note_divergence(f"the weight {name}")

    def on_validation_epoch_end(self) -> None:
        values = self.scores_of("val").compute()
        if self.trainer.sanity_checking:  # a check of the untrained model, whose scores are not recorded
            return
        num_samples = len(self.trainer.datamodule.split.validation)  # type: ignore[attr-defined]
        selection = selection_of(values["accuracy"], values["loss"], num_samples, self.select_by)
        self.trainer.callback_metrics["val/selection"] = selection
        position = position_of(self.trainer)
        plain = self._record_scores("val", values, position)
        self._evaluated("val", position, {**plain, "val/selection": selection.item()})

    def on_test_epoch_end(self) -> None:
        values = self.scores_of("test").compute()
        plain = self._record_scores("test", values, self.current_epoch)
        self._evaluated("test", self.current_epoch, plain)

    def _record_scores(self, stage: Stage, values: dict[str, Tensor], position: float) -> dict[str, float]:
        """Pass scores to callbacks, loggers and history; return them as plain numbers by name."""
        named = {f"{stage}/{name}": value for name, value in values.items()}
        plain = {name: value.item() for name, value in named.items()}
        is_finite = self.scores_of(stage).is_finite
        if not is_finite:
            self._note_divergence(f"the {_PARTS[stage]} loss", evaluated=None if stage == "train" else _PARTS[stage])
        if self.trainer.state.fn != "fit" and not self.trainer.barebones:
            # The scores of a checkpoint are numbers, not curves: MLflow draws a bar for a metric that only has step 0.
            self.log_dict({**named, "step": 0.0})
            return plain
        # `log_dict` would store, reduce and copy every value as a metric of its own, which takes about 5 ms per epoch.
        self.trainer.callback_metrics.update(named)
        step = step_of(self.trainer)
        for logger in self.trainer.loggers:
            logger.log_metrics(plain, step=step)
        for name, number in plain.items() if is_finite else ():
            self.history.setdefault(name, []).append((position, number))
        return plain

    def _evaluated(self, stage: Stage, position: float, scores: dict[str, float]) -> None:
        if not self.scores_of(stage).is_finite:
            return
        num_seen, trainer = len(self.scores_of(stage).labels), self.trainer
        if trainer.world_size > 1:
            counted = trainer.strategy.reduce(torch.tensor(num_seen, device=self.device), reduce_op="sum")
            num_seen = int(counted)
        self.evaluations[stage] = Evaluation(self.current_epoch, position, trainer.global_step, num_seen, scores)
        word = "validation" if stage == "val" else "test"
        planned = len(getattr(trainer.datamodule.split, word))  # type: ignore[attr-defined]
        self.notices[:] = [each for each in self.notices if each.key != f"{word}_limited"]
        if num_seen < planned:
            noun = trainer.datamodule.texts.noun  # type: ignore[attr-defined]
            text = f"The {word} used {num_seen:,} of {planned:,} {noun}, because batches were limited."
            self.add_notice(Notice(f"{word}_limited", text))

    def add_notice(self, notice: Notice) -> None:
        """Add a notice; it replaces an earlier one with the same key."""
        self.notices[:] = [each for each in self.notices if each.key != notice.key] + [notice]

    def _note_divergence(self, what: str, *, evaluated: str | None = None) -> None:
        """Record a number that is not finite, and stop a fit after this epoch."""
        if self.divergence is None:
            if self.trainer.state.fn == "fit":
                lr = None if isinstance(self.head, EstimatorHead) else self.lr
                is_any_before = any(each < self.current_epoch for found in self.history.values() for each, _ in found)
                self.divergence = divergence_of_fit(self.current_epoch, what, is_any_before=is_any_before, lr=lr)
            else:
                assert evaluated is not None
                self.divergence = divergence_of_evaluation(self.current_epoch, evaluated)
            self.add_notice(self.divergence.notice)
        if self.trainer.state.fn == "fit":
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        latest = self.evaluations.get("val")
        is_own = latest is not None and latest.step == self.trainer.global_step  # belongs to the saved weights
        validation = latest.as_dict() if latest is not None and is_own else None
        checkpoint[CHECKPOINT_KEY] = {**self.checkpoint_notes, "history": self.history, "validation": validation}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name in ("state_dict", "current_model_state"):  # the second one beside averaged weights
            if name in checkpoint or name == "state_dict":
                check_weights(self, checkpoint.get(name, {}))
        if self.trainer.state.fn == "fit":  # resumed; a test loads the best weights but keeps the history
            self.history = checkpoint.get(CHECKPOINT_KEY, {}).get("history", {})
            self.evaluations = {}
            if self.divergence is not None:  # from the search for a learning rate, which then restores everything
                self.notices.remove(self.divergence.notice)
                self.divergence = None
            validation = Evaluation.of_checkpoint(checkpoint)
            if validation is not None:
                self.evaluations["val"] = validation
