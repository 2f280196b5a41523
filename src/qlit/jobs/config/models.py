"""Build a model from a config without data, body and trainer."""

from collections.abc import Mapping
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.current_folder import find_modules_in_current_folder
from qlit.jobs.config.head_sizes import fill_head_sizes
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier


def model_parser(**options: Any) -> ArgumentParser:
    """A parser of the sections `model` and `data` of a config."""
    parser = ArgumentParser(exit_on_error=False, **options)
    parser.add_class_arguments(SentenceClassifier, "model")
    parser.add_class_arguments(SentenceDataModule, "data")
    return parser


def model_of(config: Mapping[str, Any], *, reads_data: bool = False) -> tuple[SentenceClassifier, SentenceDataModule]:
    """Build the model and the data module from a resolved, nested config.

    Args:
        config: The config.
        reads_data: Whether sizes of the head that the config leaves out are taken from data and body.
    Raises:
        UsageError: If the config is invalid.
        ValueError, FileNotFoundError, ConnectionError: As `fill_head_sizes`, if `reads_data`.
    """
    parser = model_parser()
    find_modules_in_current_folder()
    with readable_errors():
        parsed = parser.parse_object({key: config[key] for key in ("model", "data") if key in config})
        check_nulls(parsed, model=SentenceClassifier, data=SentenceDataModule)
        check_classes(parsed)
        if reads_data:
            fill_head_sizes(parsed)
        made: Namespace = parser.instantiate(parsed)
    return made.model, made.data
