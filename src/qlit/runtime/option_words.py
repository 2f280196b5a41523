"""Config files and values of config keys as words of a command line."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def option_words(configs: Iterable[str | Path], overrides: Mapping[str, Any]) -> list[str]:
    """Write config files and overrides as options: `--config FILE`, `--KEY=VALUE`.

    Args:
        configs: Config files; later ones win.
        overrides: Values by config key; they win over config files. A text stands for itself, so "null" and "1e-3" mean
            what they mean on a command line; other values are written as JSON.
    """
    words = [word for config in configs for word in ("--config", str(config))]
    # One word each: a value may begin with a dash.
    return words + [f"--{key}={_text(value)}" for key, value in overrides.items()]


def _text(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
