"""Progress of a training on stderr: two lines that change in a terminal, a line now and then in a log file."""

import math
import sys
import time
from typing import Protocol

import lightning.pytorch as pl
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from qlit.runtime.durations import duration_text
from qlit.training.module import SentenceClassifier
from qlit.training.turns import turns_of_thread

_LOG_EVERY_S = 10.0
_BAR_COLUMNS = 24


class EpochProgress(pl.Callback):
    """Epochs, time passed and left, cost, last losses and accuracies, and the best score of the validations.

    The cost is the CPU time of this process and, where a device runs the circuits, their number.
    """

    def __init__(self) -> None:
        self._display: _Display | None = None
        self._epoch = 0
        self._cpu_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        if trainer.is_global_zero:
            self._epoch, self._cpu_s = trainer.current_epoch, time.process_time()
            console = Console(stderr=True)
            is_alone = turns_of_thread() is None
            kind = _TwoLines if is_alone and console.is_terminal and not console.is_dumb_terminal else _LogLines
            self._display = kind(console, trainer.current_epoch, _num_epochs(trainer))

    # The module's scores of an epoch are complete when the next epoch starts.
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer.current_epoch, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer.current_epoch, pl_module)
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._close()

    def _show(self, epoch: int, pl_module: pl.LightningModule) -> None:
        if self._display is None or not isinstance(pl_module, SentenceClassifier) or epoch == self._epoch:
            return
        self._epoch = epoch
        self._display.show(epoch, scores_text(pl_module), self._cost(pl_module))

    def _cost(self, module: SentenceClassifier) -> str:
        cost = f"CPU {duration_text(time.process_time() - self._cpu_s)}"
        num_circuits = module.head.num_circuits_sent()
        return cost if num_circuits is None else f"{cost}, {num_circuits:,} circuits"

    def _close(self) -> None:
        if self._display is not None:
            self._display.close()
            self._display = None


def scores_text(module: SentenceClassifier) -> str:
    """The last scores of a training: `loss 0.412, val loss 0.503, acc 0.779, best 0.805`.

    The best is the best accuracy so far, or the lowest validation loss (`best loss 0.498`) if it chooses the epoch.
    """
    history = module.history
    names = (("loss", "train/loss"), ("val loss", "val/loss"), ("acc", "val/accuracy"))
    parts = [f"{label} {history[name][-1][1]:.3f}" for label, name in names if history.get(name)]
    if module.select_by == "loss" and history.get("val/loss"):
        parts.append(f"best loss {min(value for _, value in history['val/loss']):.3f}")
    elif history.get("val/accuracy"):
        parts.append(f"best {max(value for _, value in history['val/accuracy']):.3f}")
    return ", ".join(parts)


class _Display(Protocol):
    def __init__(self, console: Console, epoch: int, num_epochs: int | None) -> None: ...

    def show(self, epoch: int, scores: str, cost: str) -> None: ...

    def close(self) -> None: ...


class _TwoLines:
    """A bar with the time left, and the scores below it."""

    def __init__(self, console: Console, epoch: int, num_epochs: int | None) -> None:
        self._progress = Progress(
            TextColumn("epoch {task.completed:,.0f}" + ("" if num_epochs is None else " of {task.total:,.0f}")),
            BarColumn(_BAR_COLUMNS),
            TimeElapsedColumn(),
            *(() if num_epochs is None else (TextColumn("left"), TimeRemainingColumn())),
            console=console,
        )
        self._task = self._progress.add_task("", total=num_epochs, completed=epoch)
        self._scores = Text(overflow="ellipsis", no_wrap=True)
        # What other code prints appears above; output that goes to a file is not touched.
        self._live = Live(
            Group(self._progress, self._scores), console=console, refresh_per_second=2,
            redirect_stdout=sys.stdout.isatty(), redirect_stderr=True,
        )  # fmt: skip
        self._live.start()

    def show(self, epoch: int, scores: str, cost: str) -> None:
        self._progress.update(self._task, completed=epoch)
        self._scores.plain = f"{scores}; {cost}"

    def close(self) -> None:
        self._live.stop()


class _LogLines:
    """One line every ten seconds, and one for the last epoch."""

    def __init__(self, _console: Console, epoch: int, num_epochs: int | None) -> None:
        self._first, self._num_epochs, self._last = epoch, num_epochs, ""
        self._begun = self._printed_at = time.monotonic()

    def show(self, epoch: int, scores: str, cost: str) -> None:
        now = time.monotonic()
        of, left = "", ""
        if self._num_epochs is not None:
            of = f" of {self._num_epochs:,}"
            seconds = (now - self._begun) * (self._num_epochs - epoch) / (epoch - self._first)
            left = f", {duration_text(seconds)} left" if epoch < self._num_epochs else ""
        self._last = f"epoch {epoch:,}{of}: {scores}; {duration_text(now - self._begun)}{left}; {cost}"
        if now >= self._printed_at + _LOG_EVERY_S:
            self._print()
            self._printed_at = now

    def close(self) -> None:
        self._print()

    def _print(self) -> None:
        if self._last:
            print(self._last, file=sys.stderr, flush=True)
            self._last = ""


def _num_epochs(trainer: pl.Trainer) -> int | None:
    """Number of epochs if no callback stops the training earlier; None without a limit."""
    limits = [] if trainer.max_epochs is None or trainer.max_epochs < 1 else [trainer.max_epochs]
    steps = trainer.num_training_batches / trainer.accumulate_grad_batches  # of an epoch; may be infinite
    if trainer.max_steps > 0 and math.isfinite(steps) and steps > 0:
        limits.append(math.ceil(trainer.max_steps / math.ceil(steps)))
    return min(limits, default=None)
