"""The services of docker/compose.yaml, with their own commands and settings, as processes on loopback."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml
from servers import PostgresServer, free_port

FOLDER = Path(__file__).resolve().parents[1] / "docker"
ADMIN = "Secret-of-the-administrator"
SECRETS = {
    "POSTGRES_PASSWORD": "Secret-of-postgres",
    "MLFLOW_DATABASE_PASSWORD": "secret'of\"mlflow's database",
    "STUDY_DATABASE_PASSWORD": "Secret-of-studies%2F@",
    "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN,
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "Secret-of-the-web-forms",
    "MLFLOW_TRACKING_PASSWORD": ADMIN,
}
_ENTRY = "import sys; from importlib.metadata import entry_points as e; sys.argv[0] = {0!r}; " \
    "sys.exit(next(iter(e(group='console_scripts', name={0!r}))).load()())"  # fmt: skip
SEARCH = "/api/2.0/mlflow/experiments/search"
_START_S = 120.0
_STOP_S = 15.0


def missing() -> str:
    """Why the services cannot be started here; empty if they can."""
    if reason := PostgresServer.missing():
        return reason
    if which("psql") is None:
        return "no psql on this machine"
    for module, extra in (("flask_wtf", "server"), ("optuna_dashboard", "dashboard")):
        if find_spec(module) is None:
            return f"no {module} (extra `{extra}`)"
    return ""


class Services:
    """PostgreSQL with the databases of docker/postgres/databases.sh, and services that are started by name.

    Args:
        folder: For their files.
        inside: Makes of a service's command and variables the command that runs it in a container with this host's
            network; None runs it in the environment of the tests.
    """

    def __init__(self, folder: Path, inside: Callable[[list[str], dict[str, str]], list[str]] | None = None) -> None:
        self.folder, self._inside = folder, inside
        self.ports = {"mlflow": free_port(), "dashboard": free_port()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.postgres = PostgresServer()
        self._compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
        self._values = {**SECRETS, "MLFLOW_TRACKING_USERNAME": "admin"}
        superuser = {"PGUSER": "qlit", "PGPASSWORD": "secret", "POSTGRES_USER": "qlit"}
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(self.postgres.port)}
        secrets = self._filled(self._compose["postgres"]["environment"])
        script = FOLDER / "postgres" / "databases.sh"
        subprocess.run([script], env={**os.environ, **secrets, **superuser, **place}, check=True, timeout=60)
        users = (FOLDER / "mlflow" / "basic_auth.ini").read_text()
        (folder / "basic_auth.ini").write_text(self._on_loopback(users))

    def _on_loopback(self, text: str) -> str:
        text = text.replace("@postgres/", f"@127.0.0.1:{self.postgres.port}/").replace("0.0.0.0", "127.0.0.1")
        text = text.replace("/qlit/mlruns", str(self.folder)).replace("/etc/mlflow", str(self.folder))
        text = text.replace("--port=5000", f"--port={self.ports['mlflow']}")
        text = text.replace("--port=8080", f"--port={self.ports['dashboard']}")
        text = text.replace("//mlflow:5000", f"//127.0.0.1:{self.ports['mlflow']}")
        for name, port in (("mlflow", 5000), ("dashboard", 8080)):
            text = text.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{self.ports[name]}/")
        return text

    def _filled(self, texts: dict[str, str]) -> dict[str, str]:
        def value(match: re.Match[str]) -> str:
            name, _, default = match[1].partition(":-")
            return self._values.get(name.partition(":?")[0], default)

        return {name: re.sub(r"\$\{([^}]+)\}", value, text) for name, text in texts.items()}

    def own_environment(self, name: str) -> dict[str, str]:
        """Variables of a service."""
        return {key: self._on_loopback(text) for key, text in self._filled(self._compose[name]["environment"]).items()}

    def environment(self, name: str) -> dict[str, str]:
        """Variables of a service, beside those of this process."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PG"))}
        return {**kept, **self.own_environment(name)}

    def command(self, name: str, **values: str) -> list[str]:
        """Command line of a service; `values` are settings, such as STUDY."""
        self._values |= values
        command = self._compose[name]["command"]
        words = shlex.split(command) if isinstance(command, str) else command
        filled = [word for part in words for word in shlex.split(self._filled({"": part})[""])]
        program, *rest = [self._on_loopback(word) for word in filled]
        if self._inside is not None:
            return self._inside([program, *rest], self.own_environment(name))
        return [sys.executable, "-c", _ENTRY.format(program), *rest]

    def start(self, name: str) -> None:
        """Start a service and wait until its own health check is content."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        check = [sys.executable, str(FOLDER / "healthcheck.py")]
        deadline = time.monotonic() + _START_S
        while subprocess.run(check, env=self.environment(name), capture_output=True).returncode:
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                pytest.fail((self.folder / f"{name}.log").read_text())
            time.sleep(0.2)

    def run(self, name: str) -> None:
        """Run a service that ends by itself, with success."""
        done = subprocess.run(
            self.command(name), env=self.environment(name), cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self, name: str) -> None:
        """Kill a service and all processes that it started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End everything; a client of a container engine passes the signal on to its container."""
        for process in self.processes.values():
            process.terminate()
        for name, process in list(self.processes.items()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            self.kill(name)
        self.postgres.remove()

    def ask(
        self,
        path: str,
        password: str | None = None,
        host: str | None = None,
        posted: object = None,
        user: str = "admin",
    ) -> tuple[int, str]:
        """Status and text of the MLflow server's answer to a user with this password."""
        headers = {} if host is None else {"Host": host}
        if password is not None:
            headers["Authorization"] = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        if posted is not None:
            headers["Content-Type"] = "application/json"
        address = f"http://127.0.0.1:{self.ports['mlflow']}{path}"
        data = None if posted is None else json.dumps(posted).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def runs(self, experiment: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """An experiment of the MLflow server, and its runs."""
        _, text = self.ask(SEARCH, ADMIN, posted={"max_results": 99})
        (found,) = [each for each in json.loads(text)["experiments"] if each["name"] == experiment]
        wanted = {"experiment_ids": [found["experiment_id"]], "max_results": 99}
        _, text = self.ask("/api/2.0/mlflow/runs/search", ADMIN, posted=wanted)
        return found, json.loads(text).get("runs", [])

    def dumped(self, database: str) -> str:
        """All rows of a database as text."""
        place = ["--host=127.0.0.1", f"--port={self.postgres.port}", "--username=qlit", "--data-only"]
        done = subprocess.run(
            ["pg_dump", *place, database], env={**os.environ, "PGPASSWORD": "secret"}, capture_output=True, text=True,
            check=True, timeout=60,
        )  # fmt: skip
        return done.stdout
