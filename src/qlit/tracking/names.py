"""Make names and values that MLflow accepts."""

import argparse
import getpass
import itertools
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qlit.runtime.secrets import scrub

_TAG_CHARS, _KEY_CHARS = 8000, 250  # MLflow's limits


def flatten(params: Mapping[str, Any] | argparse.Namespace, prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings: names are joined by dots, and an empty mapping is a value."""
    items = vars(params) if isinstance(params, argparse.Namespace) else params
    flat: dict[str, Any] = {}
    for key, value in items.items():
        if isinstance(value, Mapping | argparse.Namespace) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def clean_key(key: str) -> str:
    """A name that MLflow accepts: word characters, dots, dashes, spaces, colons and single inner slashes."""
    key = re.sub(r"[^\w.\-/ :]", "_", key)
    parts = [part for part in key.split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:_KEY_CHARS] or "_"


def clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags with names that MLflow accepts and values without credentials, at most 8000 characters long."""
    return {clean_key(key): cut(scrub(str(value)), _TAG_CHARS) for key, value in tags.items()}


def cut(text: str, num_chars: int) -> str:
    """`text`, or its first `num_chars` characters with an ellipsis."""
    return text if len(text) <= num_chars else text[: num_chars - 3] + "..."


def artifact_parts(artifact_path: str) -> tuple[str, str]:
    """Folder and name of an artifact, with only letters, digits, dots, dashes and underscores.

    Raises:
        ValueError: If `artifact_path` has no name.
    """
    parts = [re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in artifact_path.split("/")]
    parts = [part for part in parts if part not in ("", ".", "..")]
    if not parts:
        raise ValueError(f"`artifact_path` must name a file, but got {artifact_path!r}.")
    return "/".join(parts[:-1]), parts[-1]


def make_run_name() -> str:
    """`<config or qlit>-<date>-<time>-<4 hex digits>`; the digits do not come from `random`, which a seed fixes."""
    arguments = [part for argument in sys.argv[1:] for part in argument.split("=", 1)]
    configs = [value for key, value in itertools.pairwise(arguments) if key in ("-c", "--config")]
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", Path(configs[0]).stem) if configs else "qlit"
    return f"{stem[:60]}-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def user() -> str:
    """Name of the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return str(os.getuid())
