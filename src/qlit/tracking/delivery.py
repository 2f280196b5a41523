"""Records on their way to MLflow: sent in order, kept in a file while the store is down, sent once it is back."""

import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qlit.runtime.retry import OutageError, cause_of, first_line, is_full_disk, say, when_there_is_space, write_whole
from qlit.tracking.records import DAMAGED, Record, merged, parsed

_RETRY_S, _RETRY_MAX_S = 30.0, 300.0
_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"})
_HTTP_REFUSALS = frozenset({400, 413, 422})  # a gateway takes no files of this size, mostly


class RefusedError(Exception):
    """The store is there and will never take this record."""


class Outbox:
    """Hands records to `deliver` in order and loses none while the store is down; never raises what `deliver` raises.

    A record that could not be sent is appended to `<name>.jsonl`, and every later one too, so that the order stays.
    From then on a new attempt is made at most every 30 s (the wait doubles up to 300 s), and the file goes away when
    all of it was sent. A record that may have arrived is sent again: MLflow keeps equal metrics, parameters, tags and
    files once, so nothing is doubled. What is refused goes to `rejected.jsonl` with the reason.

    Where the disk is full too, space is waited for (`retry.when_there_is_space`).

    Args:
        deliver: Sends one record; raises `RefusedError` if that is hopeless, anything else if it may succeed later.
        folder: Local folder of the run, where the files above lie. What it holds from an earlier process is sent first.
        answers: Quick check whether the store is up, asked before a new attempt.
        store_name: The store in messages, without credentials.
        name: Of the file in which records wait.
    """

    def __init__(
        self,
        deliver: Callable[[Record], None],
        *,
        folder: Path,
        answers: Callable[[], bool],
        store_name: str,
        name: str = "unsent",
    ) -> None:
        self._deliver, self._answers, self._store_name = deliver, answers, store_name
        self.file = folder / f"{name}.jsonl"
        self._rejected = folder / "rejected.jsonl"
        self._copies = folder / "unsent"  # of files to send: the originals may change or vanish
        self._wait_s, self._next_try = _RETRY_S, 0.0
        self._told_refusal = self._told_dropped = False
        self.has_lost = False
        """Whether a record could neither be sent nor kept."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.file.exists() and not self.file.read_bytes().endswith(b"\n"):
            with self.file.open("a") as stream:  # the last writer was killed within a line
                stream.write("\n")

    @property
    def is_empty(self) -> bool:
        return not self.file.exists()

    def put(self, record: Record, *, optional: bool = False) -> None:
        """Send `record`, or keep it; an optional one that finds the disk full is dropped."""
        if self.is_empty:
            try:
                self._send(record)
                return
            except Exception as error:
                if optional and is_full_disk(error):
                    self.drop(record["name"], error)
                    return
                self._postpone()
                say(
                    f"{self._store_name} cannot be written to ({cause_of(error)}). The training goes on; "
                    f"what it logs waits in {self.file} and is sent when MLflow is back."
                )
        self._append(self.file, self._with_copy(record))
        self.retry()

    def drop(self, name: str, error: Exception) -> None:
        """Say, once, that a file is left out."""
        if not self._told_dropped:
            self._told_dropped = True
            say(f"{name} and further pictures that find the disk full are left out ({cause_of(error)}).")

    def retry(self, *, now: bool = False) -> bool:
        """Send what waits if it is time to try again, or at once if `now`. Returns whether nothing waits any more."""
        if self.is_empty:
            return True
        if not now and time.monotonic() < self._next_try:
            return False
        try:
            done = self._answers() and self._drain()
        except OSError as error:  # of the local disk; what was sent already may be sent again
            say(f"{self.file} cannot be worked through ({error}).")
            done = False
        if not done:
            self._postpone()
            return False
        self._wait_s = _RETRY_S
        say(f"{self._store_name} has all that waited for it.")
        return True

    def _postpone(self) -> None:
        self._next_try = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _RETRY_MAX_S)

    def _send(self, record: Record) -> None:
        if record["kind"] == DAMAGED:
            say(f"{self.file} has a line that is cut off or damaged; it is moved to {self._rejected}.")
            self._append(self._rejected, record)
            return
        try:
            self._deliver(record)
        except RefusedError as error:
            if not self._told_refusal:
                say(f"{self._store_name} refused a record ({error}). What it refuses is kept in {self._rejected}.")
                self._told_refusal = True
            self._append(self._rejected, {**self._with_copy(record), "reason": str(error)})
        else:
            if self._has_copy(record):
                shutil.rmtree(Path(record["path"]).parent, ignore_errors=True)
                with suppress(OSError):  # others wait
                    self._copies.rmdir()

    def _has_copy(self, record: Record) -> bool:
        return record["kind"] == "file" and self._copies in Path(record["path"]).parents

    def _with_copy(self, record: Record) -> Record:
        if record["kind"] != "file" or self._has_copy(record):
            return record
        try:
            copy = when_there_is_space(lambda: self._copied(record))
        except (OSError, OutageError) as error:
            say(f"{record['path']} could not be kept for later ({error}).")
            self.has_lost = self.has_lost or bool(record.get("is_scratch"))
            return record
        return {**record, "path": str(copy)}

    def _copied(self, record: Record) -> Path:
        self._copies.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._copies))
        try:
            kept = folder / record["name"]
            if record.get("is_scratch"):
                with suppress(OSError):  # on another disk
                    return Path(record["path"]).rename(kept)
            return Path(shutil.copyfile(record["path"], kept))
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _append(self, file: Path, record: Record) -> None:
        try:
            when_there_is_space(lambda: _append_line(file, json.dumps(self._portable(record))))
        except (OSError, OutageError) as error:
            self.has_lost = True
            say(f"{file} cannot be written ({error}): this record is LOST: {json.dumps(record)[:200]}")

    def _portable(self, record: Record) -> Record:
        """A record as the file has it: the path of a copy is relative, so that the run's folder may be moved."""
        if not self._has_copy(record):
            return record
        return {**record, "path": str(Path(record["path"]).relative_to(self._copies.parent))}

    def _located(self, record: Record) -> Record:
        """A record of the file with the path of its copy in the folder as it is now."""
        if record.get("kind") != "file":
            return record
        path = self._copies.parent / record["path"]  # an absolute path stays
        if not path.exists():  # maybe written before paths were relative, and moved since
            moved = self._copies / path.parent.name / path.name
            path = moved if moved.exists() else path
        return {**record, "path": str(path)}

    def _drain(self) -> bool:
        sent = 0
        with self.file.open(encoding="utf-8", errors="replace") as stream:
            for record, num_lines in merged(parsed(stream)):
                try:
                    if record:
                        self._send(self._located(record))
                except Exception:
                    break
                sent += num_lines
            else:
                self.file.unlink()
                return True
        if sent:
            rest = self.file.with_suffix(".tmp")
            with self.file.open(encoding="utf-8", errors="replace") as old, rest.open("w", encoding="utf-8") as new:
                new.writelines(itertools.islice(old, sent, None))
            rest.replace(self.file)
        return False


def _append_line(file: Path, line: str) -> None:
    with file.open("ab", buffering=0) as stream:
        size = stream.tell()
        try:
            write_whole(stream, f"{line}\n".encode())
        except OSError:
            if size == 0:  # a file means that something waits
                file.unlink()
            raise


def deliver(client: Any, run_id: str, record: Record) -> None:
    """Write one record into an MLflow run.

    Args:
        client: An `MlflowClient`.
        run_id: The run.
        record: By its `kind`: metrics (`values`: rows as in `metrics_record`), params and tags (`values`: name to
            text), file (`path` local, `name` and `folder` among the artifacts), reopen (`values`: tags by name,
            `remove`: names of tags), status (`status`, `end_time` in ms).
    Raises:
        RefusedError: If MLflow will never take it, or its file is gone.
        Exception: What else MLflow, its HTTP library or its database raise.
    """
    from mlflow.exceptions import MlflowException

    try:
        _write(client, run_id, record)
    except FileNotFoundError as error:
        raise RefusedError(first_line(error)) from error
    except MlflowException as error:
        # Without JSON it was a gateway that spoke, whose 404 only says that MLflow is away.
        if error.error_code in _REFUSALS and "failed with error code" not in str(error):
            raise RefusedError(first_line(error)) from error
        raise
    except OSError as error:  # so are the HTTP errors of uploads
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
            with tempfile.TemporaryDirectory() as folder:
                path = Path(record["path"])
                if path.name != record["name"]:  # MLflow takes the artifact's name from the file
                    path = Path(shutil.copyfile(path, Path(folder) / record["name"]))
                client.log_artifact(run_id, str(path), record["folder"] or None)
        case "reopen":
            client.update_run(run_id, status="RUNNING")
            for key in client.get_run(run_id).data.tags.keys() & set(record["remove"]):
                client.delete_tag(run_id, key)
            client.log_batch(run_id, tags=[RunTag(k, v) for k, v in record["values"].items()])
        case "status":
            client.set_terminated(run_id, record["status"], record["end_time"])
        case kind:
            raise AssertionError(kind)
