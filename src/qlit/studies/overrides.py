"""Overrides of a study as its storage keeps them: without credentials and without the server of its runs."""

from collections.abc import Mapping
from typing import Any

from qlit.runtime.secrets import HIDDEN, scrub

SERVER = "tracking.tracking_uri"
"""Key that no storage chooses: a study file, the command line or the environment names the server every time."""


def stored(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that a storage keeps, without `SERVER` and without credentials."""
    return {key: _scrubbed(value) for key, value in overrides.items() if key != SERVER}


def restored(kept: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides with which a study was begun.

    Args:
        kept: From the storage.
        given: Of this command, from which `SERVER` and values with credentials are taken.
    Raises:
        ValueError: If the storage keeps something else.
    """
    if not isinstance(kept, dict):
        raise ValueError("The storage holds no `overrides` of this study: it is damaged. Restore a copy of it.")
    found = {key: given.get(key, value) if HIDDEN in str(value) else value for key, value in kept.items()}
    found.pop(SERVER, None)
    return {**found, SERVER: given[SERVER]} if SERVER in given else found


def _scrubbed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _scrubbed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return scrub(value) if isinstance(value, str) else value
