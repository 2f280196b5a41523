"""A training that a table or a study plans: what identifies its runs without reading data, and its command."""

import copy
import json
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from qlit.jobs.job import Job
from qlit.jobs.run_params import run_params
from qlit.runtime.digest import digest
from qlit.runtime.shipped_configs import shipped_configs
from qlit.runtime.yaml_text import load_yaml

# Settings that two trainings of one cell may have different: places and names of the data and the body, which the
# fingerprints of a run cover; seeds; the number of epochs, which is reported; where and how a training runs; and what
# is written. Everything else must be equal.
_DATA = (
    *("source", "validation_source", "test_source", "embeddings", "labels", "text_column", "label_column"),
    *("second_text_column", "body", "cache_dir", "trust_remote_code", "eval_batch_size", "seed"),
)
_TRAINER = (
    *("accelerator", "devices", "max_epochs", "logger", "default_root_dir", "enable_progress_bar"),
    *("enable_model_summary", "log_every_n_steps", "enable_autolog_hparams", "model_registry"),
)
_OF_BODY, _CLASSES = "num_features", "num_classes"
# What a run records where a config leaves a key out, or says the same in other words.
_USUAL = {_CLASSES: 2, "precision": "32-true", "select_by": "accuracy"}


def resolved_config(configs: Sequence[Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved config of a training: every key, nested, as its run records it.

    Args:
        configs: Config files; later ones win. Files that were read before are not read again.
        settings: Values by config key, such as "model.head.pqc.num_qubits".
    Raises:
        UsageError, ValueError: If a config is invalid, or has no key of a setting.
    """
    config = copy.deepcopy(_parsed(tuple(configs)))
    for key, value in settings.items():
        _set(config, key, value)
    return config


@cache
def _parsed(configs: tuple[Path, ...]) -> dict[str, Any]:
    return Job(configs=configs).config


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    *parents, name = key.split(".")
    section: Any = config
    for part in parents:
        section = _arguments(section).get(part)
    arguments = _arguments(section)
    if name not in arguments:
        raise ValueError(f"A plan sets {key}, which is no key of its config.")
    arguments[name] = value


def _arguments(section: Any) -> dict[str, Any]:
    """Keys of a section; those of its arguments, for a class."""
    if not isinstance(section, dict):
        return {}
    if "class_path" not in section:
        return section
    return section.get("init_args") or {}


def settings_key(config: Mapping[str, Any]) -> str:
    """Digest of the settings that all trainings of one cell share; the comment above tells which do not count.

    Args:
        config: A resolved config, nested.
    """
    kept = {
        "model": config.get("model"),
        "data": {name: value for name, value in (config.get("data") or {}).items() if name not in _DATA},
        "trainer": {name: value for name, value in (config.get("trainer") or {}).items() if name not in _TRAINER},
    }
    return digest(_plain(kept))


def recorded_key(config_yaml: str, run_id: str) -> str:
    """`settings_key` of the config that a run recorded.

    Raises:
        ValueError: If it is not YAML.
    """
    return settings_key(load_yaml(config_yaml, f"the config of run {run_id}"))


def model_params(config: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """What a run with this config tells about its model in its parameters: a quick test before its config is read."""
    return recorded_model_params({key: str(value) for key, value in run_params(config).items()})


def recorded_model_params(params: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The same from the parameters of a run."""
    return frozenset(
        (key, value)
        for key, value in params.items()
        if key.startswith("model.") and not key.endswith((_OF_BODY, _CLASSES))
    )


def _plain(value: Any) -> Any:
    """A value in which 1 equals 1.0, without empty and usual values and without what the body decides."""
    if isinstance(value, Mapping):
        return {
            str(key): _plain(each)
            for key, each in value.items()
            if key != _OF_BODY and each not in (None, {}, [], ()) and each != _USUAL.get(str(key))
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def fit_command(configs: Sequence[Path], settings: Mapping[str, Any], options: Sequence[str] = ()) -> str:
    """The command that runs a training.

    Args:
        configs: Config files; those of qlit are given by name.
        settings: Values by config key.
        options: Further words.
    """
    return command_text(["fit", *config_words(configs), *setting_words(settings), *options])


def command_text(words: Sequence[str]) -> str:
    """A command of qlit as one types it in a shell."""
    return shlex.join(["qlit", *words])


def config_words(configs: Sequence[Path]) -> list[str]:
    """Options that name config files."""
    return [word for path in configs for word in ("--config", config_name(path))]


def config_name(path: Path) -> str:
    """Name of a config of qlit, or else the path of a config file."""
    found = path.resolve()
    return next((name for name, each in shipped_configs().items() if each.resolve() == found), str(path))


def setting_words(settings: Mapping[str, Any]) -> list[str]:
    """Options that set config keys."""
    return [
        word
        for key, value in settings.items()
        for word in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    ]


FEATURES = ("model.head.num_features", "model.head.encoder.num_features")
"""Keys with the number of features of the body's embeddings."""


def feature_settings(config: Mapping[str, Any], num_features: int | None) -> dict[str, int]:
    """Settings that give a config another number of features; empty if it states none, or the same, or for None."""
    found: dict[str, int] = {}
    preprocessing = _arguments((config.get("model") or {}).get("head")).get("preprocessing")
    for key in FEATURES if preprocessing is None else FEATURES[:1]:  # an encoder behind one gets its outputs
        section: Any = config
        for part in key.split("."):
            section = _arguments(section).get(part)
        if num_features is not None and section not in (None, num_features):
            found[key] = num_features
    return found


def place_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run's data section that name its data and body, apart from their defaults."""
    data = config.get("data") or {}
    names = (
        ("embeddings", "labels") if data.get("embeddings") else ("source", "validation_source", "test_source", "body")
    )
    columns = (("text_column", "text"), ("label_column", "label"), ("second_text_column", ""))
    found = {f"data.{name}": data[name] for name in names if data.get(name) is not None}
    return found | {f"data.{name}": data[name] for name, usual in columns if data.get(name, usual) != usual}
