"""Values of a parsed config: as plain ones, and as lists."""

from datetime import timedelta
from enum import Enum
from typing import Any

import torch
from jsonargparse import Namespace


def plain_config(value: Any) -> Any:
    """A config whose values YAML and JSON can hold: some of Lightning's callbacks have other defaults."""
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
    """What Lightning takes as nothing, one thing or a list, as a list."""
    if value is None or value is True:
        return []
    return value if isinstance(value, list) else [value]
