"""What `qlit fit` needs to train a cell of a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qlit.runtime.option_words import option_words
from qlit.runtime.yaml_values import home_expanded
from qlit.studies.definition import Study


def configs_and_overrides(study: Study, cell: Mapping[str, Any]) -> tuple[list[Path], dict[str, Any]]:
    """Config files of a cell, and the values by config key that override them; seeds are not included."""
    settings = study.settings(cell)
    configs = list(study.base)
    if "config" in settings:
        configs.append(study.folder / home_expanded(settings.pop("config")))
    experiment = settings.pop("tracking.experiment", study.name)
    return configs, {**settings, "tracking.experiment": experiment}


def fit_options(study: Study, cell: Mapping[str, Any]) -> list[str]:
    """The same as words of a command line of `qlit fit`."""
    return option_words(*configs_and_overrides(study, cell))
