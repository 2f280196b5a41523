"""Words of a command line: config files and values of config keys as words, and switches among words."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
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


def split_switch(switch: str, arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Remove a switch, such as `--quiet`, from a command line.

    Args:
        switch: The switch.
        arguments: Words of a command line. Words after a separate `--` are not changed.
    Returns:
        The other words, and whether the switch was among them.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    others = [word for word in arguments[:end] if word != switch]
    return [*others, *arguments[end:]], len(others) < end


def _text(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
