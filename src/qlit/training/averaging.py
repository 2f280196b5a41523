"""Make Lightning's averages of weights agree with validations, checkpoints and tests."""

from collections.abc import Iterable
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn

from qlit.data import Notice
from qlit.training.module import SentenceClassifier
from qlit.training.preprocessing import fit_preprocessing

CURRENT, STATE = "current_model_state", "averaging_state"
"""Keys of a checkpoint with averaged weights in its `state_dict`: the trained weights, and the state of the average."""


def averaging_of(callbacks: Iterable[Callback]) -> list[WeightAveraging]:
    """Callbacks that average weights: `WeightAveraging` of Lightning and its subclasses."""
    return [each for each in callbacks if isinstance(each, WeightAveraging)]


@final
class AveragedWeights(Callback):
    """Complete Lightning's `WeightAveraging`, so that validation, checkpoints and test use the same averages.

    Lightning swaps the averages in for a validation and puts them into the `state_dict` of checkpoints. This callback,
    which runs before it,

    - completes the model before it is copied: its fitted preprocessing and a trainable body;
    - keeps the copy equal to the present weights until the first update, instead of at the starting weights;
    - makes an update at the end of an epoch before the validation of this epoch, and not after it, so that `best.ckpt`
      has the averages that were scored;
    - keeps buffers exact that training does not change, because an average of equal numbers is rounded;
    - ends the averaging after the fit, so that a test loads the averages of its checkpoint.

    Without such a callback it does nothing.
    """

    def __init__(self) -> None:
        self._averaging: WeightAveraging | None = None
        self._start: dict[str, Tensor] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._averaging = next(iter(averaging_of(trainer.callbacks)), None)  # type: ignore[attr-defined]
        if stage != "fit" or not isinstance(pl_module, SentenceClassifier) or self._averaging is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        pl_module.body = data.body
        fit_preprocessing(pl_module.head, data)
        self._start = {name: buffer.detach().clone() for name, buffer in pl_module.named_buffers()}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn == "fit" and self._averaging is not None and CURRENT not in checkpoint:
            assert isinstance(pl_module, SentenceClassifier)
            name = type(self._averaging).__name__
            text = f"{name} starts with the weights of the resumed checkpoint, whose training averaged no weights."
            pl_module.add_notice(Notice("averaging_started", text))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        averaging, epoch = self._averaging, trainer.current_epoch
        if averaging is None or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        is_due = epoch > averaging._latest_update_epoch and averaging.should_update(epoch_idx=epoch)
        if is_due and trainer.fit_loop.epoch_loop._num_ready_batches_reached():
            _average_of(averaging).update_parameters(pl_module)
            averaging._latest_update_epoch = epoch

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._complete(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._complete(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        self._complete(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self._averaging is not None:
            self._averaging._average_model = None

    @torch.no_grad()
    def _complete(self, module: LightningModule) -> None:
        """Copy to the average what it does not average: everything before the first update, and constant buffers."""
        if self._averaging is None or self._averaging._average_model is None:
            return
        average = _average_of(self._averaging)
        copy, has_begun = average.module, bool(average.n_averaged > 0)
        if not has_begun:
            _copy(dict(module.named_parameters()), dict(copy.named_parameters()))
        buffers = dict(module.named_buffers())
        constant = {name: each for name, each in buffers.items() if self._is_constant(name, each) or not has_begun}
        _copy(constant, dict(copy.named_buffers()))

    def _is_constant(self, name: str, buffer: Tensor) -> bool:
        start = self._start.get(name)
        return start is not None and start.shape == buffer.shape and torch.equal(start, buffer.to(start.device))


def _average_of(averaging: WeightAveraging) -> Any:
    average = averaging._average_model
    assert isinstance(average, nn.Module), "made by the callback's setup"
    return average


def _copy(tensors: dict[str, Any], to: dict[str, Any]) -> None:
    for name, tensor in tensors.items():
        to[name].data.copy_(tensor.data)
