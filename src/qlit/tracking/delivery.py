"""Write one event of a log into an MLflow run."""

from typing import Any

from qlit.runtime.retry import first_line
from qlit.tracking.records import Record

_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"})
_HTTP_REFUSALS = frozenset({400, 413, 422})  # usually a gateway that takes no files of this size


class RefusedError(Exception):
    """The store is reachable and will never take this event."""


def deliver(client: Any, run_id: str, record: Record) -> None:
    """Write one event into an MLflow run.

    Args:
        client: An `MlflowClient`.
        run_id: The run.
        record: By its `kind`: metrics (`values`: rows as in `metrics_record`), params and tags (`values`: name to
            text), file (`path` local, `folder` among the artifacts), inputs (`values`:
            data sets as in `MLflowTracker.log_inputs`), reopen (`values`: tags by name, `remove`: names of
            tags), status (`status`, `end_time` in ms since 1970).
    Raises:
        RefusedError: If MLflow will never take it, or its file is missing.
        Exception: Any other error of MLflow, its HTTP library or its database.
    """
    from mlflow.exceptions import MlflowException

    try:
        _write(client, run_id, record)
    except FileNotFoundError as error:
        raise RefusedError(first_line(error)) from error
    except MlflowException as error:
        # An answer without JSON comes from a gateway: its 404 only means that MLflow is unreachable.
        if error.error_code in _REFUSALS and "failed with error code" not in str(error):
            raise RefusedError(first_line(error)) from error
        raise
    except OSError as error:  # also the HTTP errors of uploads
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if status in _HTTP_REFUSALS:
            raise RefusedError(first_line(error)) from error
        raise


def _write(client: Any, run_id: str, record: Record) -> None:
    from mlflow.entities import Metric, Param, RunTag

    match record["kind"]:
        case "metrics":
            client.log_batch(run_id, metrics=[Metric(k, float(v), when, step) for k, v, when, step in record["values"]])
        case "params":
            client.log_batch(run_id, params=[Param(k, v) for k, v in record["values"].items()])
        case "tags":
            client.log_batch(run_id, tags=[RunTag(k, v) for k, v in record["values"].items()])
        case "file":
            client.log_artifact(run_id, record["path"], record["folder"] or None)
        case "inputs":
            client.log_inputs(run_id, [_dataset_input(each) for each in record["values"]])
        case "reopen":
            client.update_run(run_id, status="RUNNING")
            for key in client.get_run(run_id).data.tags.keys() & set(record["remove"]):
                client.delete_tag(run_id, key)
            client.log_batch(run_id, tags=[RunTag(k, v) for k, v in record["values"].items()])
        case "status":
            client.set_terminated(run_id, record["status"], record["end_time"])
        case kind:
            raise AssertionError(kind)


def _dataset_input(record: Record) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    fields = {key: value for key, value in record.items() if key != "context"}
    return DatasetInput(Dataset(**fields), [InputTag("mlflow.data.context", record["context"])])
