"""Learning rates and batch sizes that Lightning's finders choose before the first epoch: told as what was used."""

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
    """Those that choose a setting before the first epoch, and do nothing after it."""
    return [each for each in callbacks if type(each) in (BatchSizeFinder, LearningRateFinder)]


def found_settings(trainer: Trainer, config: Mapping[str, Any], *, is_resumed: bool) -> dict[str, Any]:
    """The settings, by name, that a training uses and that are not those of its config.

    Args:
        trainer: At the start of the training.
        config: The resolved config, nested.
        is_resumed: Whether the optimiser's rates are restored ones, which a schedule has changed.
    """
    module, data = trainer.lightning_module, trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(module, SentenceClassifier)
    assert isinstance(data, SentenceDataModule)
    used: dict[str, Any] = {"data.batch_size": data.batch_size, "data.eval_batch_size": data.eval_batch_size}
    used |= {"model.lr": module.lr, "model.body_lr": module.body_lr}
    if trainer.optimizers and not is_resumed:
        # A learning rate that was found is that of the body too.
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        used |= dict(zip(("model.lr", "model.body_lr"), rates, strict=False))
    return {name: value for name, value in used.items() if _of(config, name) not in (None, value)}


def take_found(module: SentenceClassifier, data: SentenceDataModule, config_yaml: str) -> dict[str, Any]:
    """Give a training that goes on the settings that were found before its first epoch; return them by name.

    Args:
        module: Of the training.
        data: Of the training.
        config_yaml: The config that its checkpoint carries.
    """
    config = yaml.safe_load(config_yaml)
    values = {name: value for name in _SETTINGS if (value := _of(config, name)) is not None}
    for name, value in values.items():
        section, _, key = name.partition(".")
        setattr(module if section == "model" else data, key, value)
    return values


def used_config(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A config with the settings that were found in place of the finders, so that it gives the same training."""
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
    """The same of a config as YAML text."""
    return yaml.safe_dump(used_config(yaml.safe_load(config_yaml), values), sort_keys=False)


def _of(config: Mapping[str, Any], name: str) -> Any:
    section, _, key = name.partition(".")
    return (config.get(section) or {}).get(key)


def _is_finder(entry: Any) -> bool:
    return isinstance(entry, dict) and str(entry.get("class_path")).rpartition(".")[2] in _NAMES
