"""What compose.yaml promises, read from it; tests/docker/test_services.py runs its commands."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("mlflow", "tables", "dashboard", "worker")
SECRET = re.compile(r"(PASSWORD|SECRET_KEY|TOKEN)$")
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def settings(path=FOLDER / ".env.example"):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_there_are_these_services():
    assert set(SERVICES) == {"postgres", *OURS}
    assert SERVICES["worker"]["profiles"] == ["study"]
    assert "container_name" not in SERVICES["worker"]  # it could not be scaled
    assert "ports" not in SERVICES["worker"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_alone(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert "network_mode" not in SERVICES[name]
    assert not SERVICES[name].get("privileged")


def test_the_database_is_reached_by_the_services_alone():
    assert "ports" not in SERVICES["postgres"]
    assert SERVICES["postgres"]["networks"] == ["databases"]
    assert COMPOSE["networks"]["databases"] == {"internal": True}


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_the_rights_of_an_ordinary_user(name):
    service = SERVICES[name]
    assert "user" not in service  # the image's own, who is not root
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"]


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_the_environment_and_must_be_set(name):
    for variable, value in SERVICES[name]["environment"].items():
        if SECRET.search(variable):
            assert REQUIRED.fullmatch(value), variable
    for word in yaml.safe_dump({**SERVICES[name], "environment": {}}).split():
        assert not SECRET.search(word)
        assert not re.search(r"//[^/@\s]*:[^/@\s]*@", word)  # no password in a URL


def test_the_example_has_every_setting_and_no_secret():
    used = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))
    assert used == settings().keys()
    assert not [value for name, value in settings().items() if SECRET.search(name) and value]


def test_git_ignores_the_settings():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    ignored = subprocess.run(
        ["git", "check-ignore", "docker/.env", "docker/qlit-cpu.tar"], cwd=ROOT, capture_output=True
    )
    assert ignored.stdout.split() == [b"docker/.env", b"docker/qlit-cpu.tar"]


def test_services_wait_for_what_they_need():
    needed = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert {name: set(other) for name, other in needed.items()} == {
        "postgres": set(), "mlflow": {"postgres"}, "tables": {"postgres"}, "dashboard": {"tables"},
        "worker": {"mlflow", "tables"},
    }  # fmt: skip
    conditions = {other: set(each.values()) for others in needed.values() for other, each in others.items()}
    for name, (condition,) in conditions.items():
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[name]
        else:
            assert (name, condition) == ("tables", "service_completed_successfully")


def test_the_mlflow_server_is_a_careful_one():
    service = SERVICES["mlflow"]
    options = dict(word.removeprefix("--").split("=", 1) for word in service["command"] if "=" in word)
    assert service["command"][:2] == ["mlflow", "server"]
    assert options["app-name"] == "basic-auth"
    assert {"mlflow", "mlflow:5000", "localhost:*", "127.0.0.1:*"} <= set(options["allowed-hosts"].split(","))
    assert "--serve-artifacts" in service["command"]
    assert options["artifacts-destination"].startswith("/qlit/mlruns/")  # a volume
    assert service["environment"]["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert service["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_mounted_files_exist():
    mounted = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [source for source, *_ in mounted if source.startswith(".")]
    assert len(files) == 2
    assert all((FOLDER / file).is_file() for file in files)
    assert all(access == ["ro"] for source, _, *access in mounted if source.startswith("."))
    assert {source for source, *_ in mounted if not source.startswith(".")} == COMPOSE["volumes"].keys()


def test_compose_accepts_it_and_asks_for_a_missing_secret():
    command = compose_command()
    given = {name: value or "a secret" for name, value in settings().items()}
    base = {key: value for key, value in os.environ.items() if key not in given}
    arguments = [*command, "--file", str(FOLDER / "compose.yaml"), "--profile", "study", "config"]
    done = subprocess.run(arguments, env={**base, **given}, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == SERVICES.keys()
    for secret in (name for name in given if SECRET.search(name)):
        done = subprocess.run(arguments, env={**base, **given, secret: ""}, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode != 0
        assert "set it in docker/.env" in done.stderr
        assert secret in done.stderr


def compose_command():
    if (FOLDER / ".env").exists():
        pytest.skip("docker/.env exists, and would fill in what this test leaves out")
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            return command
    pytest.skip("neither `docker compose` nor docker-compose is installed")
