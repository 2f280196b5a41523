"""Register packaged models in MLflow."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qlit.runtime.secrets import scrub
from qlit.tracking import connection
from qlit.tracking.experiments import active_run
from qlit.tracking.mlflow_store import locate
from qlit.tracking.tracker import MLflowTracker

_LABELS = "qlit.labels"  # tag of a registered model: all its versions give these labels


def register(
    package: Path,
    name: str,
    *,
    labels: Sequence[str],
    run_id: str | None,
    aliases: Sequence[str] = (),
    tracking_uri: str | None = None,
    experiment: str = "qlit",
) -> int:
    """Register a package as a new version of a model.

    Args:
        package: Folder of an MLflow model.
        name: Name of the registered model, which is created if it does not exist.
        labels: Labels of the model.
        run_id: Run that gets the package as an artifact. If the store does not have this run, a new run gets it.
        aliases: Aliases of this version; an earlier version loses them.
        tracking_uri: As of `MLflowTracker`.
        experiment: Experiment of a new run.
    Returns:
        The version, >= 1.
    Raises:
        ConnectionError: If a server does not answer.
        ValueError: If MLflow does not accept the name or an alias, or a registered model of this name has other labels
            or does not come from qlit.
        RuntimeError: If MLflow refuses for another reason, such as missing rights.
    """
    from mlflow.exceptions import MlflowException

    store = locate(tracking_uri)
    try:
        with store.creation_lock():
            client = connection.connect(store)
        _create_model(client, name, ", ".join(labels))
        if run_id is None or active_run(client, run_id) is None:
            tracker = MLflowTracker(experiment=experiment, run_name=f"register {name}", tracking_uri=tracking_uri)
            tracker.start()
            run_id = tracker.run_id
            tracker.close()
        folder = f"models/{secrets.token_hex(8)}"  # a later version must not overwrite this one
        client.log_artifacts(run_id, str(package), folder)
        version = client.create_model_version(name, source=f"runs:/{run_id}/{folder}", run_id=run_id).version
        for alias in aliases:
            client.set_registered_model_alias(name, alias, version)
    except MlflowException as error:
        kind = ValueError if error.error_code == "INVALID_PARAMETER_VALUE" else RuntimeError
        raise kind(f"MLflow at {scrub(store.uri)} refuses the model {name!r}: {scrub(error.message)}") from error
    return int(version)


def _create_model(client: Any, name: str, labels: str) -> None:
    """Create a registered model, or check that the one with this name has the same labels."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags={_LABELS: labels})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        found = client.get_registered_model(name).tags.get(_LABELS)
        if found != labels:
            what = "does not come from qlit" if found is None else f"has the labels {found}, not {labels}"
            raise ValueError(
                f"There is a registered model {name!r} already, which {what}. Choose another name."
            ) from error
