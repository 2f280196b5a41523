"""Real servers on free ports of this machine, which can be stopped, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class MlflowServer:
    """A real `mlflow server` that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        store += ["--artifacts-destination", str(self.folder / "server_artifacts")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *store],
                stdout=log, stderr=log, env=environment, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        for _ in range(1800):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail((self.folder / "server.log").read_text())

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # its own session: the workers go with it
        self.process.wait()


class PostgresServer:
    """A real PostgreSQL with a database `trials`, in a folder that its own user may enter."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgresql://qlit:secret@127.0.0.1:{self.port}/trials"
        self._folder = Path(tempfile.mkdtemp(prefix="qlit-postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None  # it does not run as root
        password = self._folder / "password"
        password.write_text("secret")
        if self._user is not None:
            for path in (self._folder, password):
                shutil.chown(path, self._user)
        self._run("initdb", "-U", "qlit", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-sync")
        self.start()
        import psycopg

        with psycopg.connect(self.url.replace("/trials", "/postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE trials")

    @staticmethod
    def missing() -> str:
        """Why there can be none here; empty if there can."""
        if _binaries() is None:
            return "no PostgreSQL server (initdb) on this machine"
        return "" if find_spec("psycopg") else "no psycopg"

    def _run(self, name: str, *arguments: str) -> None:
        folder = _binaries()
        assert folder is not None
        done = subprocess.run(
            [folder / name, "-D", self._folder / "data", *arguments],
            user=self._user, cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` closes all connections, `immediate` is a crash."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder)


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None
