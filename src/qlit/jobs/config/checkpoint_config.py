"""The config in a checkpoint, without what only its user may choose: the MLflow server, and devices that may charge."""

from collections.abc import Sequence

import torch
import yaml

from qlit.data import Notice
from qlit.engines import PennyLaneEngine
from qlit.heads import Head
from qlit.jobs.config.options import value_of
from qlit.jobs.estimates.circuits import circuits_of
from qlit.runtime.allowed import OPTION, is_allowed
from qlit.runtime.secrets import scrub
from qlit.runtime.yaml_text import load_yaml
from qlit.tracking import mlflow_store

_KEPT = ("experiment", "run_name", "tags")  # in `tracking`; the other keys name a server or its runs
_URI = "--tracking.tracking_uri"
_SHOWN_CHARS = 80


def config_to_use(config_yaml: str, arguments: Sequence[str]) -> tuple[str, list[Notice]]:
    """Prepare the config of a checkpoint for a command.

    The author of the checkpoint must not choose the server that receives the user's credentials and results.

    Args:
        config_yaml: The config in the checkpoint.
        arguments: Words of the command line.
    Returns:
        The config as YAML, and a notice if the run of the checkpoint is in another store than this command uses.
    Raises:
        ValueError: If the config is invalid.
    """
    config = load_yaml(config_yaml, "the config of the checkpoint")
    if not isinstance(config, dict):
        raise ValueError("The config of the checkpoint must be keys with values, but is not. Use another checkpoint.")
    tracking = config.pop("tracking", None)
    if not isinstance(tracking, dict):
        return yaml.safe_dump(config, sort_keys=False), []
    config["tracking"] = {key: tracking[key] for key in _KEPT if key in tracking}
    named, notices = tracking.get("tracking_uri"), []
    if isinstance(named, str) and value_of(_URI, arguments) is None and not _is_own(named):
        shown = "".join(each if each.isprintable() else "?" for each in scrub(named))[:_SHOWN_CHARS]
        text = f"The checkpoint names the MLflow store {shown}, which is not used; choose a store with {_URI}."
        notices.append(Notice("store", text))
    return yaml.safe_dump(config, sort_keys=False), notices


def check_remote_devices(head: Head, arguments: Sequence[str] = ()) -> None:
    """Refuse a checkpoint whose circuits would use the user's key for a device that may charge.

    Args:
        head: The head of the checkpoint.
        arguments: Words of the command line, which may name the engine.
    Raises:
        ValueError: If neither `--allow` nor another option names the device.
    """
    for name, engine in _remote_engines(head):
        if not is_allowed(name) and not any(engine in (word, word.partition("=")[2]) for word in arguments):
            raise ValueError(
                f"The checkpoint runs its circuits on the device {name}, which may charge for them. If you want "
                f"that, add {OPTION} {name}."
            )


def remote_devices(head: Head) -> list[str]:
    """Names of the devices of a head that may charge; a command with its checkpoint needs `--allow` for them."""
    return sorted({name for name, _ in _remote_engines(head)})


def _remote_engines(head: Head) -> list[tuple[str, str]]:
    engines = [used.engine for used in circuits_of(head, torch.device("cpu")).values()]
    return [
        (each.device.name, each.name)
        for each in engines
        if isinstance(each, PennyLaneEngine) and not each.device.is_local
    ]


def _is_own(named: str) -> bool:
    """Whether a URI names the default store of a command."""
    own = mlflow_store.locate(None)
    try:
        return mlflow_store.locate(named).uri == own.uri or named == scrub(own.uri)
    except ValueError:
        return False
