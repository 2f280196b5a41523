"""Find experiments and runs of an MLflow store."""

from typing import Any

from qlit.tracking.mlflow_store import Store


def open_experiment(client: Any, store: Store, name: str) -> str:
    """Id of an experiment, which is created if it does not exist.

    Raises:
        ValueError: If the experiment was deleted.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        artifacts = None if store.is_http else (store.root / "artifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another process created it first
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise ValueError(
            f"The MLflow experiment {name!r} was deleted. Restore it with `mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}`, or choose another `experiment`."
        )
    return str(experiment.experiment_id)


def find_run(client: Any, run_id: str) -> Any:
    """A run of MLflow, deleted or not; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # the latter: malformed ids
            raise
        return None


def active_run(client: Any, run_id: str) -> Any:
    """A run of MLflow; None if there is none or it was deleted."""
    run = find_run(client, run_id)
    return run if run is not None and run.info.lifecycle_stage == "active" else None


def experiment_of_run(client: Any, run_id: str, name: str) -> str:
    """Id of the experiment of a run to resume, which must be the experiment called `name`.

    Raises:
        ValueError: If the run does not exist, was deleted, or belongs to another experiment.
    """
    run = find_run(client, run_id)
    if run is None:
        raise ValueError(f"There is no MLflow run {run_id!r} to resume; check `run_id` and the store.")
    if run.info.lifecycle_stage != "active":
        raise ValueError(
            f"The MLflow run {run_id!r} was deleted. Restore it with `mlflow runs restore --run-id {run_id}`, or "
            "begin a new run with `--tracking.run_id null`."
        )
    found = client.get_experiment(run.info.experiment_id).name
    if found != name:
        raise ValueError(
            f"The run to resume must lie in `experiment`, but run {run_id!r} lies in {found!r} and got "
            f"experiment={name!r}. Set `experiment` to {found!r}, or begin a new run with `--tracking.run_id null`."
        )
    return str(run.info.experiment_id)
