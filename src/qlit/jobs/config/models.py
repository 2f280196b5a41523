"""Models built from a config alone: no data, no body, no trainer."""

from collections.abc import Mapping
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors
from qlit.runtime.yaml_text import load_yaml
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier


def model_parser(**options: Any) -> ArgumentParser:
    """A parser that knows the `model` and `data` of a config, and nothing of a run."""
    parser = ArgumentParser(exit_on_error=False, **options)
    parser.add_class_arguments(SentenceClassifier, "model")
    parser.add_class_arguments(SentenceDataModule, "data")
    return parser


def model_of_config(config_yaml: str) -> tuple[SentenceClassifier, SentenceDataModule]:
    """The model and data module of a config as a checkpoint carries it; nothing is loaded yet.

    Raises:
        UsageError: If this version of qlit does not understand the config.
    """
    config = load_yaml(config_yaml, "the config of the checkpoint")
    with only_listed_imports():
        return model_of(config)


def model_of(config: Mapping[str, Any]) -> tuple[SentenceClassifier, SentenceDataModule]:
    """`model_of_config` of a config that is parsed, nested."""
    parser = model_parser()
    with readable_errors():
        parsed = parser.parse_object({key: config[key] for key in ("model", "data") if key in config})
        check_nulls(parsed, model=SentenceClassifier, data=SentenceDataModule)
        check_classes(parsed)
        made: Namespace = parser.instantiate(parsed)
    return made.model, made.data
