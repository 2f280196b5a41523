"""Record learning rates and batch sizes that Lightning's finders choose before the first epoch."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import yaml
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder

from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

_SETTINGS = ("model.lr", "model.body_lr", "data.batch_size", "data.eval_batch_size")
_NAMES = tuple(each.__name__ for each in (BatchSizeFinder, LearningRateFinder))


def finders(callbacks: Iterable[Callback]) -> list[Callback]:
    """Callbacks that choose a setting before the first epoch and do nothing later."""
    return [each for each in callbacks if type(each) in (BatchSizeFinder, LearningRateFinder)]


def found_settings(trainer: Trainer, config: Mapping[str, Any], *, is_resumed: bool) -> dict[str, Any]:
    """Settings of a training that differ from its config, by name.

    Args:
        trainer: Trainer at the start of the training.
        config: The resolved, nested config.
        is_resumed: Whether the optimiser's learning rates were restored, so that a schedule has changed them.
    """
    module, data = trainer.lightning_module, trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(module, SentenceClassifier)
    assert isinstance(data, SentenceDataModule)
    used: dict[str, Any] = {"data.batch_size": data.batch_size, "data.eval_batch_size": data.eval_batch_size}
    used |= {"model.lr": module.lr, "model.body_lr": module.body_lr}
    if trainer.optimizers and not is_resumed:
        # The finder sets the learning rate of the body, too.
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        used |= dict(zip(("model.lr", "model.body_lr"), rates, strict=False))
    return {name: value for name, value in used.items() if _of(config, name) not in (None, value)}


def take_found(module: SentenceClassifier, data: SentenceDataModule, config_yaml: str) -> dict[str, Any]:
    """Apply the settings that were found before the first epoch to a resumed training; return them by name.

    Args:
        module: Module of the training.
        data: Data of the training.
        config_yaml: Config in the checkpoint.
    """
    config = yaml.safe_load(config_yaml)
    values = {name: value for name in _SETTINGS if (value := _of(config, name)) is not None}
    for name, value in values.items():
        section, _, key = name.partition(".")
        setattr(module if section == "model" else data, key, value)
    return values


def used_config(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the finders in a config by the settings that they found, so that it repeats the training."""
    used = deepcopy(dict(config))
    for name, value in values.items():
        section, _, key = name.partition(".")
        used[section][key] = value
    callbacks = (used.get("trainer") or {}).get("callbacks")
    if isinstance(callbacks, list):
        used["trainer"]["callbacks"] = [each for each in callbacks if not _is_finder(each)] or None
    elif callbacks and _is_finder(callbacks):
        used["trainer"]["callbacks"] = None
    return used


def used_yaml(config_yaml: str, values: Mapping[str, Any]) -> str:
    """`used_config` for a config as YAML text."""
    return yaml.safe_dump(used_config(yaml.safe_load(config_yaml), values), sort_keys=False)


def _of(config: Mapping[str, Any], name: str) -> Any:
    section, _, key = name.partition(".")
    return (config.get(section) or {}).get(key)


def _is_finder(entry: Any) -> bool:
    return isinstance(entry, dict) and str(entry.get("class_path")).rpartition(".")[2] in _NAMES
