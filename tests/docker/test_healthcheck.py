"""docker/healthcheck.py outside of a container: a folder, the native engine and a service."""

import subprocess
import sys
from pathlib import Path

import pytest
from servers import free_port

import qlit
from qlit.engines.native_engine import is_built

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "healthcheck.py"


def check(folder, **environment):
    done = subprocess.run([sys.executable, SCRIPT], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_folder_for_runs_and_the_native_engine_are_healthy(tmp_path):
    if not is_built():
        pytest.skip("the native engine is not built")
    (tmp_path / "mlruns").mkdir()
    assert check(tmp_path, PYTHONPATH=str(Path(qlit.__file__).parents[1])) == (0, "")


def test_an_engine_that_cannot_be_loaded_is_named(tmp_path):
    broken = tmp_path / "qlit" / "engines" / "_native.so"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no library")
    status, said = check(tmp_path, PYTHONPATH=str(tmp_path))
    assert (status, said.startswith("the native engine cannot be loaded: "), said.count("\n")) == (1, True, 1)


def test_a_service_that_does_not_answer_is_named(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/health"
    status, said = check(tmp_path, QLIT_HEALTH_URL=url)
    assert (status, said.startswith(f"{url} does not answer: ")) == (1, True)
