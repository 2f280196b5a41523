"""A training whose MLflow server, with passwords and on PostgreSQL, is killed and started again."""

import json
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from commands.runs import QUICKSTART, last_epoch, wait_for_epoch
from compose_services import ADMIN
from tiny_body import make_tiny_body, write_tiny_data

EPOCHS = 1500
WRONG = "Secret-that-is-wrong"
FIT = [
    "--trainer.max_epochs", str(EPOCHS), "--data.num_per_label", "12", "--data.max_test", "8",
    "--model.head.encoder.connectivity", "1", "--model.head.encoder.num_layers", "0",
    "--model.head.encoder.num_qubits", "3", "--model.head.pqc.num_qubits", "2", "--model.head.pqc.num_reuploads", "1",
    "--data.source", "data.tsv", "--data.body", "body",
]  # fmt: skip


def fit(services, folder, experiment, password=ADMIN):
    """Start `qlit fit` with the variables of a worker."""
    make_tiny_body(folder / "body")
    write_tiny_data(folder / "data.tsv", 80)
    variables = services.environment("worker")
    words = ["fit", "--config", str(QUICKSTART), *FIT, "--tracking.experiment", experiment]
    return subprocess.Popen(
        [sys.executable, "-m", "qlit", *words], cwd=folder, env={**variables, "MLFLOW_TRACKING_PASSWORD": password},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def history(services, run_id, name):
    """Values of a metric by step; a point that is stored twice is an error."""
    query = urlencode({"run_id": run_id, "metric_key": name, "max_results": 5000})
    points = json.loads(services.ask(f"/api/2.0/mlflow/metrics/get-history?{query}", ADMIN)[1])["metrics"]
    steps = [int(point.get("step", 0)) for point in points]
    assert len(set(steps)) == len(steps), name
    return dict(zip(steps, (point["value"] for point in points), strict=True))


def read(file):
    return file.read_text(errors="replace")


def statuses(services):
    return [run["info"]["status"] for run in services.runs("restarted")[1]]


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_training_outlives_its_server_and_every_metric_arrives(services, tmp_path):
    process = fit(services, tmp_path, "restarted")
    wait_for_epoch(tmp_path, 20, process)
    services.kill("mlflow")
    killed_at = last_epoch(tmp_path)
    wait_for_epoch(tmp_path, killed_at + 40, process)  # it trains on
    services.start("mlflow")
    is_training = process.poll() is None
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    if is_training:  # a slow machine starts the server later than it ends the training
        assert statuses(services) == ["FINISHED"]
    command = [sys.executable, "-m", "qlit", "sync"]
    subprocess.run(command, cwd=tmp_path, env=services.environment("worker"), check=True, timeout=120)
    assert statuses(services) == ["FINISHED"]
    _, (run,) = services.runs("restarted")
    logged = {metric["key"] for metric in run["data"]["metrics"]}
    by_epoch = {"train/loss", "val/loss", "val/accuracy"}
    assert by_epoch <= logged
    for name in by_epoch:
        assert sorted(history(services, run["info"]["run_id"], name)) == list(range(EPOCHS)), name
    assert "test/accuracy" in logged
    files = [*files_of(tmp_path), *files_of(services.folder / "artifacts")]
    assert {"last.ckpt", "best.ckpt", "log.jsonl", "config.yaml"} <= {path.name for path in files}
    assert not [text for text in (out, err, services.dumped("mlflow"), *map(read, files)) if ADMIN in text]


@pytest.fixture(scope="module")
def refused(services, tmp_path_factory):
    """Folder and what `qlit fit` said with a wrong password."""
    folder = tmp_path_factory.mktemp("refused")
    process = fit(services, folder, "refused", password=WRONG)
    return folder, *process.communicate(timeout=120), process.returncode


def test_a_wrong_password_is_one_sentence_before_any_work(refused):
    folder, out, err, status = refused
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "refuses the user name or the password" in err
    assert not [text for text in (err, *map(read, files_of(folder))) if WRONG in text]
    assert not list(folder.glob("mlruns/runs/*"))


def test_a_wrong_password_names_the_variables_to_set(refused):
    _, _, err, _ = refused
    assert "MLFLOW_TRACKING_USERNAME" in err
    assert "MLFLOW_TRACKING_PASSWORD" in err
    assert "API request" not in err
