"""Provenance names the code and the machine, and no secret."""

import shutil
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from qlit.tracking import provenance


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "src" / "pkg"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("a = 1\n")
    return folder


@pytest.fixture
def commit(package, tmp_path):
    assert package.is_dir()
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return git(tmp_path, "rev-parse", "HEAD")


def test_collect_is_complete_flat_and_quick(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    started = time.perf_counter()
    tags = provenance.collect()
    assert time.perf_counter() - started < 1.0  # 0.02 s when the machine is idle
    assert all(isinstance(key, str) and isinstance(value, str) and value for key, value in tags.items())
    assert tags["numpy.version"] == version("numpy")
    assert tags["slurm.job_id"] == "4711"
    assert {"qlit.version", "python.version", "platform", "host", "cpu.model", "cpu.cores", "memory.gib"} <= set(tags)


def test_collect_imports_nothing():
    code = "import sys; from qlit.tracking import provenance; provenance.collect(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_the_command_holds_no_secret(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse")
    words = ["qlit", "fit", "--uri", "http://me:pa@ss@host/x", "--hub_token=abc123", "--password", "xyz789"]
    monkeypatch.setattr(sys, "argv", [*words, "correct-horse", "hf_abcdefghijklmnopqrst", "--tokenizer", "words"])
    command = provenance.collect()["command"]
    for secret in ("pa@ss", "abc123", "xyz789", "correct-horse", "hf_abc"):
        assert secret not in command
    assert command.startswith("qlit fit --uri 'http://***@host/x'")
    assert command.endswith("--tokenizer words")


def test_git_commit_and_dirty_flag(package, commit):
    assert provenance._git_tags(package) == {
        "git.commit": commit,
        "git.dirty": "false",
        "mlflow.source.git.commit": commit,
    }
    (package / "b.py").write_text("")  # a new module counts: it may have run
    assert provenance._git_tags(package)["git.dirty"] == "true"


@pytest.mark.usefixtures("commit")
def test_a_package_inside_a_foreign_checkout_is_not_its_commit(tmp_path):
    installed = tmp_path / "venv" / "pkg"
    installed.mkdir(parents=True)
    (installed / "a.py").write_text("")
    assert provenance._git_tags(installed) == {}


def test_without_a_checkout_or_git(package, commit, tmp_path, monkeypatch):
    assert len(commit) == 40
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert provenance._git_tags(package) == {"git.commit": "unknown", "git.dirty": "unknown"}
    shutil.rmtree(tmp_path / ".git")
    assert provenance._git_tags(package) == {}
