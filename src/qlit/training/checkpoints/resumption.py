"""Resume a training with the present settings, not with those stored in its checkpoint."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim.lr_scheduler import ExponentialLR

from qlit.data import Notice
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.moved import with_found_paths
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.module import SentenceClassifier

_SECTIONS = ("model", "data", "trainer")
# The length of the training and settings that change no result; they may differ without a notice.
_FREE = frozenset(
    {
        "data.cache_dir",
        *(
            f"trainer.{name}"
            for name in (
                "max_epochs", "max_steps", "max_time", "min_epochs", "min_steps", "logger", "default_root_dir",
                "enable_progress_bar", "enable_model_summary", "enable_checkpointing", "log_every_n_steps", "profiler",
            )
        ),
    }
)  # fmt: skip
_LATER = {"model.select_by": "accuracy"}
"""Keys that older checkpoints lack, with the value that stands for their behaviour."""
_CENTER = re.compile(r"^model\.head\..*\bencoder\.init_args\.center$")
_SHOWN = 6


@final
class Resumption(Callback):
    """Replace settings restored from a checkpoint by the present ones, and add a notice that names the changes.

    Lightning restores the settings of the optimiser and the scheduler, and settings in the states of callbacks (the
    patience of `EarlyStopping`). A changed learning rate is multiplied by the decay so far; a changed decay applies
    from now on.

    Args:
        resumed_from: The checkpoint.
        config_yaml: Resolved config of this command, in the form stored in checkpoints.
        callbacks: Callbacks of the config, in its order.
    """

    def __init__(self, resumed_from: str | Path, config_yaml: str, callbacks: Sequence[Callback]) -> None:
        self._folder = Path(resumed_from).parent
        self._now: dict[str, Any] = yaml.safe_load(config_yaml)
        self._before: dict[str, Any] | None = None
        self._callbacks = callbacks
        self._epoch = 0
        self.changes: dict[str, tuple[Any, Any]] = {}
        """Old and new value of every changed setting, by its name."""

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != "fit" or self._before is not None:
            return
        assert isinstance(pl_module, SentenceClassifier)
        self._before = yaml.safe_load(checkpoint[CHECKPOINT_KEY]["config"])
        self._epoch = int(checkpoint["epoch"])
        self.changes = changed_settings(self._before, self._now)
        states = checkpoint.get("callbacks") or {}
        _give_settings(states, _callbacks_of(self._before), _callbacks_of(self._now), self._callbacks)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, ModelCheckpoint) and not isinstance(callback, BestAndLast):
                state = states.get(callback.state_key)
                if state is not None:
                    states[callback.state_key] = with_found_paths(state, callback, self._folder)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if self._before is None:
            return
        before, self._before = self._before["model"], None
        if trainer.optimizers:
            _set_optimizer(trainer, pl_module, before)
        if self.changes:
            pl_module.add_notice(Notice("resumed", self._text(trainer)))

    def _text(self, trainer: Trainer) -> str:
        parts = [f"{name} {now} instead of {before}" for name, (before, now) in self.changes.items()]
        more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
        text = f"Resumed after epoch {self._epoch} with other settings: {', '.join(parts[:_SHOWN])}{more}."
        if trainer.optimizers and {"model.lr", "model.lr_decay"} & self.changes.keys():
            text += f" The learning rate continues at {trainer.optimizers[0].param_groups[0]['lr']:.6g}."
        if (rules := self.changes.get("model.select_by")) is not None:
            text += f" Of the earlier epochs only the best by {rules[0]} was kept, so no other of them can be chosen."
        return text


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Old and new values of settings that differ between two configs, by dotted names.

    The length of the training and the places of files are ignored. So is `center` of encoders, an earlier spelling of a
    preprocessing: a checkpoint without the same preprocessing is refused.
    """
    flat = [
        {**_flat({name: config.get(name) for name in _SECTIONS}), "seed_everything": config.get("seed_everything")}
        for config in (before, now)
    ]
    before_all = {**_LATER, **flat[0]}
    return {
        name: (before_all[name], value)
        for name, value in flat[1].items()
        if name in before_all and name not in _FREE and before_all[name] != value and not _CENTER.search(name)
    }


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, list) and value and all(isinstance(each, dict) and "class_path" in each for each in value):
        value = {str(each["class_path"]).rpartition(".")[2]: each.get("init_args") for each in value}
    if not isinstance(value, dict) or not value:
        return {name: value}
    found: dict[str, Any] = {}
    for key, each in value.items():
        found |= _flat(each, f"{name}.{key}" if name else str(key))
    return found


def _callbacks_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = (config.get("trainer") or {}).get("callbacks") or []
    return found if isinstance(found, list) else [found]


def _give_settings(
    states: dict[str, Any],
    before: Sequence[dict[str, Any]],
    now: Sequence[dict[str, Any]],
    callbacks: Sequence[Callback],
) -> None:
    """Write changed settings of callbacks into their restored states, if these contain the settings."""
    for callback, entry in zip(callbacks, now, strict=False):
        state = states.get(callback.state_key)
        if not isinstance(state, dict):
            continue
        earlier = [each for each in before if each.get("class_path") == entry.get("class_path")]
        known = [each.get("init_args") or {} for each in earlier]
        for name, value in (entry.get("init_args") or {}).items():
            if name in state and not any(name in each and each[name] == value for each in known):
                state[name] = getattr(callback, name, value)


def _set_optimizer(trainer: Trainer, module: SentenceClassifier, before: Mapping[str, Any]) -> None:
    """Apply the settings of the module to the restored optimiser and scheduler."""
    made = module.configure_optimizers()  # the optimiser of a new training
    fresh = made["optimizer"] if isinstance(made, dict) else made
    (optimizer, *_), rates = trainer.optimizers, (before.get("lr"), before.get("body_lr"))
    for group, given, rate in zip(optimizer.param_groups, fresh.param_groups, rates, strict=False):
        lr, base = group["lr"], given.get("initial_lr", given["lr"])
        if rate is not None and rate != base:
            lr = base * (lr / rate)  # times the decay so far
        options = {name: value for name, value in given.items() if name not in ("params", "lr")}
        group.update({**options, "lr": lr})
    for each in trainer.lr_scheduler_configs:
        if isinstance(each.scheduler, ExponentialLR):
            each.scheduler.gamma = module.lr_decay
            each.scheduler.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
            each.scheduler._last_lr = [group["lr"] for group in optimizer.param_groups]
