"""Overrides of a study in the form that its storage keeps: without credentials and without the tracking server."""

from collections.abc import Mapping
from typing import Any

from qlit.runtime.secrets import HIDDEN, scrub

SERVER = "tracking.tracking_uri"
"""Key that is never stored: the study file, the command line or the environment must name the server every time."""


def stored(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Remove `SERVER` and credentials from overrides, for the storage."""
    return {key: _scrubbed(value) for key, value in overrides.items() if key != SERVER}


def restored(kept: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides with which a study was started.

    Args:
        kept: Overrides from the storage.
        given: Overrides of this command, which supply `SERVER` and values with credentials.
    Raises:
        ValueError: If the storage contains no valid overrides.
    """
    if not isinstance(kept, dict):
        raise ValueError("The storage contains no `overrides` of this study: it is damaged. Restore a copy of it.")
    found = {key: given.get(key, value) if HIDDEN in str(value) else value for key, value in kept.items()}
    found.pop(SERVER, None)
    return {**found, SERVER: given[SERVER]} if SERVER in given else found


def _scrubbed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _scrubbed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return scrub(value) if isinstance(value, str) else value
