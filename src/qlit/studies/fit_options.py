"""Options of `qlit fit` that train a cell of a study."""

import json
import math
from collections.abc import Mapping
from typing import Any

from qlit.runtime.yaml_values import home_expanded
from qlit.studies.definition import Study


def fit_options(study: Study, cell: Mapping[str, Any]) -> list[str]:
    """Words of a command line of `qlit fit` that train a cell; seeds are not included."""
    settings = study.settings(cell)
    configs = list(study.base)
    if "config" in settings:
        configs.append(study.folder / home_expanded(settings.pop("config")))
    experiment = settings.pop("tracking.experiment", study.name)
    options = [part for config in configs for part in ("--config", str(config))]
    # One word each: a value may begin with a dash.
    options += [f"--{key}={_text(value)}" for key, value in settings.items()]
    return [*options, f"--tracking.experiment={experiment}"]


def _text(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value)
