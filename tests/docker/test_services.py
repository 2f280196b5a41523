"""The commands of docker/compose.yaml, run here on loopback with a real PostgreSQL."""

import json
import subprocess
import sys
import urllib.request

import psycopg
import pytest
import yaml
from commands.runs import QUICKSTART
from compose_services import ADMIN, SEARCH, SECRETS
from tiny_body import make_tiny_body, write_tiny_data


@pytest.fixture(scope="module")
def dashboard(services):
    services.run("tables")
    services.run("tables")  # as every `docker compose up` does
    services.start("dashboard")
    return f"http://127.0.0.1:{services.ports['dashboard']}"


def test_the_mlflow_server_answers_only_with_the_password(services):
    assert services.ask("/health") == (200, "OK")
    assert services.ask(SEARCH, posted={"max_results": 1})[0] == 401
    assert services.ask(SEARCH, "another", posted={"max_results": 1})[0] == 401
    assert services.ask(SEARCH, ADMIN, posted={"max_results": 1})[0] == 200


def test_a_user_for_workers_reads_everything_and_writes_what_it_created(services):
    experiments, own = "/api/2.0/mlflow/experiments", {"user": "worker", "password": "Secret-of-the-worker"}
    assert services.ask("/signup", ADMIN)[0] == 200
    new = {"username": "worker", "password": own["password"]}
    assert services.ask("/api/2.0/mlflow/users/create", ADMIN, posted=new)[0] == 200
    created = services.ask(f"{experiments}/create", ADMIN, posted={"name": "of the administrator"})
    foreign = json.loads(created[1])["experiment_id"]
    assert services.ask(f"{experiments}/get?experiment_id={foreign}", **own)[0] == 200
    assert services.ask(f"{experiments}/delete", posted={"experiment_id": foreign}, **own)[0] == 403
    status, text = services.ask(f"{experiments}/create", posted={"name": "of the worker"}, **own)
    assert status == 200
    assert services.ask(f"{experiments}/delete", posted=json.loads(text), **own)[0] == 200


@pytest.mark.parametrize(("host", "status"), [
    ("mlflow", 200), ("mlflow:5000", 200), ("localhost:5000", 200), ("127.0.0.1:5000", 200),
    ("evil.example", 403), ("evil.example:5000", 403),
])  # fmt: skip
def test_the_mlflow_server_answers_by_its_own_names_alone(services, host, status):
    assert services.ask(SEARCH, ADMIN, host, posted={"max_results": 1})[0] == status


def test_the_passwords_are_in_no_log_and_no_command(services):
    assert not [secret for secret in SECRETS.values() if secret in (services.folder / "mlflow.log").read_text()]
    for name in ("mlflow", "dashboard", "worker"):
        assert not [secret for secret in SECRETS.values() if any(secret in word for word in services.command(name))]


@pytest.mark.parametrize(("role", "database", "allowed"), [
    ("study", "study", True), ("mlflow", "mlflow", True), ("mlflow", "mlflow_auth", True),
    ("study", "mlflow", False), ("study", "mlflow_auth", False), ("mlflow", "study", False),
])  # fmt: skip
def test_workers_cannot_read_the_users_of_mlflow(services, role, database, allowed):
    password = SECRETS["STUDY_DATABASE_PASSWORD" if role == "study" else "MLFLOW_DATABASE_PASSWORD"]
    place = {"host": "127.0.0.1", "port": services.postgres.port, "user": role, "dbname": database}
    if allowed:
        psycopg.connect(**place, password=password).close()
    else:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(**place, password=password)


def test_the_health_check_tells_an_absent_service(services):
    check = [sys.executable, "docker/healthcheck.py"]
    variables = {**services.environment("mlflow"), "QLIT_HEALTH_URL": "http://127.0.0.1:9/health"}
    done = subprocess.run(check, env=variables, cwd=QUICKSTART.parents[1], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("http://127.0.0.1:9/health does not answer")
    assert len(done.stderr.splitlines()) == 1


def test_workers_share_a_study(services, dashboard, tmp_path):
    options = {
        "trainer.max_epochs": 2, "data.num_per_label": 12, "data.max_test": 8, "model.head.encoder.num_layers": 0,
        "model.head.encoder.connectivity": 1, "model.head.encoder.num_qubits": 3, "model.head.pqc.num_qubits": 2,
        "model.head.pqc.num_reuploads": 1, "data.body": str(make_tiny_body(tmp_path / "body")),
        "data.source": str(write_tiny_data(tmp_path / "data.tsv", 80)),
    }  # fmt: skip
    study = {
        "base": str(QUICKSTART),
        "overrides": options,
        "factors": {"model.lr": [0.01, 0.02, 0.03, 0.04]},
    }
    (tmp_path / "four.yaml").write_text(yaml.safe_dump(study))
    command = services.command("worker", STUDY="four.yaml", STUDY_OPTIONS="--trainer.max_epochs 3")
    workers = [
        subprocess.Popen(
            command, env=services.environment("worker"), cwd=tmp_path, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    experiment, runs = services.runs("four")
    assert experiment["artifact_location"].startswith("mlflow-artifacts:/")
    assert [run["info"]["status"] for run in runs] == ["FINISHED"] * 5  # four cells and the study's own
    stored = services.folder / "artifacts" / experiment["experiment_id"]
    assert {path.name for path in stored.iterdir()} == {run["info"]["run_id"] for run in runs}
    with urllib.request.urlopen(f"{dashboard}/api/studies", timeout=30) as reply:
        assert [each["study_name"] for each in json.loads(reply.read())["study_summaries"]] == ["four"]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    written += [text.encode() for text in [*said, services.dumped("study"), services.dumped("mlflow")]]
    for secret in SECRETS.values():
        assert not [text for text in written if secret.encode() in text]
