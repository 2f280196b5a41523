"""Convert values of a parsed config to plain values and to lists."""

from datetime import timedelta
from enum import Enum
from typing import Any

import torch
from jsonargparse import Namespace


def plain_config(value: Any) -> Any:
    """Convert a config, in place, to values of YAML and JSON; defaults of Lightning's callbacks may be others."""
    if isinstance(value, Namespace | dict):
        for key, inner in value.items(branches=False) if isinstance(value, Namespace) else value.items():
            value[key] = plain_config(inner)
        return value
    if isinstance(value, list | tuple):
        return [plain_config(inner) for inner in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, timedelta | torch.device) else value


def listed(value: Any) -> list[Any]:
    """Convert a value that Lightning accepts as None, one object or a list to a list."""
    if value is None or value is True:
        return []
    return value if isinstance(value, list) else [value]
