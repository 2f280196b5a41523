"""Links from the run of a test or a validation to the run whose checkpoint it scores."""

from typing import Any

from qlit.tracking.experiments import find_run


def scored_run_tags(client: Any, experiment_id: str, run_id: str, *, note: str = "") -> dict[str, str]:
    """Tags of a run that scores a checkpoint of another run.

    MLflow's UI shows a run below its parent, and a link in its description, if both are in one experiment.

    Args:
        client: An `MlflowClient`.
        experiment_id: Experiment of the run that scores.
        run_id: Run of the checkpoint.
        note: Text to add to the description.
    Returns:
        `scored.run_id`; and MLflow's tags for parent and description if the store has that run in this experiment.
    """
    tags = {"scored.run_id": run_id}
    try:
        found = find_run(client, run_id)
    except Exception:  # an outage: the run is linked by its id alone
        return tags
    if found is None or found.info.experiment_id != experiment_id:
        return tags
    link = f"[{found.info.run_name}](#/experiments/{experiment_id}/runs/{run_id})"
    description = f"Scores the checkpoint of run {link}. {note}".strip()
    return {**tags, "mlflow.parentRunId": run_id, "mlflow.note.content": description}
