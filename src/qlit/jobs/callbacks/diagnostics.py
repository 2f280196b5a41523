"""Callback that examines a training: gradients by epoch, latent vectors, and entanglement of the trained circuits."""

from collections.abc import Iterator
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from qlit.data import Notice
from qlit.heads import EstimatorHead, HybridHead
from qlit.jobs.callbacks.recorder import keep_notices
from qlit.jobs.diagnostics.trained_states import TrainedStates, has_circuits, trained_states, undisturbed
from qlit.jobs.run_logger import tracker_of
from qlit.training.datamodule import SentenceDataModule
from qlit.training.diagnostic_figures import entanglement_of_states, gradient_curves, latent_vectors
from qlit.training.module import SentenceClassifier
from qlit.training.positions import step_of

_KEY = "diagnostics"  # of checkpoints
_BODY_BATCH = 32  # sentences that a trainable body embeds at once
_QUANTITIES = ("norm", "variance")


@final
class Diagnostics(Callback):
    """Log gradients by epoch, and draw latent vectors and entanglement of the trained circuits; no number changes.

    Metrics, by group of parameters (encoder, pqc, linear, body): `gradient/GROUP/norm`, the mean over the steps of an
    epoch of the gradient's L2 norm, before clipping; and `gradient/GROUP/variance`, the variance of its entries over
    the parameters of the group and the steps of the epoch. By circuit: `entanglement/CIRCUIT`, the mean Meyer-Wallach
    measure of its final states on validation sentences.

    Figures of the run: `gradients.png`, `latent_vectors.png` (principal components of the encoder's angles and of the
    PQC's <Z>) and `entanglement.png`. The latter two show the weights that are tested, or the last ones if no test
    follows, exactly: without shots and gate noise.

    Args:
        max_sentences: Largest number of validation sentences whose states are computed, at least 2.

    Raises:
        ValueError: If the number is out of range.
    """

    def __init__(self, max_sentences: int = 500) -> None:
        if max_sentences < 2:
            raise ValueError(f"`max_sentences >= 2` must hold, but got {max_sentences=}.")
        self.max_sentences = max_sentences
        self._sums: dict[str, _Sums] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        module = _module(pl_module)
        missing = ["gradients"] if isinstance(module.head, EstimatorHead) else []
        if not has_circuits(module.head):
            missing += ["latent vectors", "entanglement"]
        if missing:
            parts = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
            text = f"The callback Diagnostics leaves out {parts}, which {type(module.head).__name__} does not have."
            module.add_notice(Notice("diagnostics", text))

    # Not by `state_dict`: Lightning warns about states of callbacks that a later command does not have.
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        if self._sums:  # within an epoch
            checkpoint[_KEY] = {name: sums.plain() for name, sums in self._sums.items()}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        if trainer.state.fn == "fit":
            self._sums = {str(name): _Sums(*values) for name, values in checkpoint.get(_KEY, {}).items()}

    def on_before_optimizer_step(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        optimizer: Optimizer,  # noqa: ARG002
    ) -> None:
        for name, parameters in _groups(_module(pl_module)):
            if gradients := [each.grad for each in parameters if each.grad is not None]:
                self._sums.setdefault(name, _Sums()).add(gradients)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = _module(pl_module)
        sums, self._sums = self._sums, {}
        values = {
            f"gradient/{name}/{quantity}": value.item()
            for name, of_group in sums.items()
            for quantity, value in zip(_QUANTITIES, of_group.results(), strict=True)
        }
        finite = {name: value for name, value in values.items() if value < float("inf")}  # no NaN either
        for logger in trainer.loggers:
            logger.log_metrics(finite, step=step_of(trainer))
        for name, value in finite.items():
            module.history.setdefault(name, []).append((trainer.current_epoch, value))  # a resume continues it

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module, tracker = _module(pl_module), tracker_of(trainer)
        if tracker is None or not trainer.is_global_zero:
            return
        history: dict[str, dict[str, list[tuple[float, float]]]] = {each: {} for each in _QUANTITIES}
        for name, points in module.history.items():
            kind, _, rest = name.partition("/")
            group, _, quantity = rest.rpartition("/")
            if kind == "gradient":
                history[quantity][group] = points
        if any(history.values()):
            tracker.log_figure(gradient_curves(history, note=_data(trainer).texts.note), "gradients.png")
        if not module.is_tested:
            self._examine(trainer, module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._examine(trainer, _module(pl_module))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._examine(trainer, _module(pl_module))

    def _examine(self, trainer: Trainer, module: SentenceClassifier) -> None:
        """Log entanglement and figures of the present weights on the validation sentences, on rank zero."""
        tracker, data, head = tracker_of(trainer), _data(trainer), module.head
        if tracker is None or not trainer.is_global_zero or not has_circuits(head) or module.divergence is not None:
            return
        assert isinstance(head, HybridHead)
        rows = data.split.validation[: self.max_sentences]
        if len(rows) < 2:
            return
        try:
            states = trained_states(head, self._embeddings(data, module))
        except ValueError as error:  # a training must not fail at its end
            self._add_notice(trainer, module, f"The callback Diagnostics could not examine the circuits: {error}")
            return
        labels = [data.texts.labels[row] for row in rows]
        texts = [data.texts.note, f"{len(rows):,} validation sentences, exact"]
        drawn: dict[str, Any] = {"label_names": data.texts.label_names, "note": "; ".join(filter(None, texts))}
        tracker.log_figure(latent_vectors(_panels(states), labels, **drawn), "latent_vectors.png")
        if states.entanglement:
            means = {f"entanglement/{name}": float(each.mean()) for name, each in states.entanglement.items()}
            tracker.log_metrics(means, step=0)
            figure = entanglement_of_states(states.entanglement, states.random_entanglement, labels, **drawn)
            tracker.log_figure(figure, "entanglement.png")
        if states.too_wide:
            names = ", ".join(states.too_wide)
            text = f"The callback Diagnostics leaves out circuits that are too wide to be simulated again: {names}."
            self._add_notice(trainer, module, text)

    def _embeddings(self, data: SentenceDataModule, module: SentenceClassifier) -> Tensor:
        """Embeddings of the validation sentences, of the type and on the device of the head, shape (B, D)."""
        embeddings, texts = data.part("validation")
        like = next(module.head.parameters())
        if embeddings is not None:
            return embeddings[: self.max_sentences].to(like)
        body = module.body
        assert body is not None, "without embeddings there is a trainable body"
        texts = texts[: self.max_sentences]
        batches = [texts[k : k + _BODY_BATCH] for k in range(0, len(texts), _BODY_BATCH)]
        with torch.no_grad(), undisturbed(body):
            given = [{key: value.to(like.device) for key, value in body.tokenize(batch).items()} for batch in batches]
            return torch.cat([body(features) for features in given]).to(like)

    @staticmethod
    def _add_notice(trainer: Trainer, module: SentenceClassifier, text: str) -> None:
        module.add_notice(Notice("diagnostics", text))
        keep_notices(trainer)


class _Sums:
    """Sums over the steps of an epoch, on the device of the gradients.

    Args:
        steps: Steps.
        entries: Entries of all gradients together.
        norms: Sum of the norms.
        values: Sum of the entries.
        squares: Sum of their squares.
    """

    def __init__(
        self, steps: int = 0, entries: int = 0, norms: float = 0.0, values: float = 0.0, squares: float = 0.0
    ) -> None:
        self.steps, self.entries = steps, entries
        self.norms, self.values, self.squares = (
            torch.tensor(each, dtype=torch.float64) for each in (norms, values, squares)
        )

    def add(self, gradients: list[Tensor]) -> None:
        device = gradients[0].device
        dtype = torch.float64 if device.type != "mps" else torch.float32  # Apple's GPUs have no float64
        if self.norms.device != device:
            self.norms, self.values, self.squares = (
                each.to(device=device, dtype=dtype) for each in (self.norms, self.values, self.squares)
            )
        squares = torch.stack([each.detach().to(dtype).square().sum() for each in gradients]).sum()
        self.values += torch.stack([each.detach().sum(dtype=dtype) for each in gradients]).sum()
        self.squares += squares
        self.norms += squares.sqrt()
        self.steps += 1
        self.entries += sum(each.numel() for each in gradients)

    def results(self) -> tuple[Tensor, Tensor]:
        """Mean norm, and variance of the entries."""
        variance = self.squares / self.entries - (self.values / self.entries).square()
        return self.norms / self.steps, variance.clamp_min(0)

    def plain(self) -> list[float]:
        """The arguments of the constructor."""
        return [self.steps, self.entries, *(each.item() for each in (self.norms, self.values, self.squares))]


def _groups(module: SentenceClassifier) -> Iterator[tuple[str, list[nn.Parameter]]]:
    """Trainable parameters by part of the model."""
    for name, child in module.head.named_children():
        yield name, list(child.parameters())
    if own := list(module.head.parameters(recurse=False)):
        yield "head", own
    if module.body is not None:
        yield "body", list(module.body.parameters())


def _panels(states: TrainedStates) -> dict[str, Any]:
    panels = {f"encoder, {states.angles.shape[1]} angles": states.angles}
    return panels if states.z is None else {**panels, f"PQC, <Z> of {states.z.shape[1]} wires": states.z}


def _data(trainer: Trainer) -> SentenceDataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, SentenceDataModule)
    return data


def _module(module: LightningModule) -> SentenceClassifier:
    assert isinstance(module, SentenceClassifier)
    return module
