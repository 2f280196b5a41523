"""Provenance names the code and the machine, and no secret."""

import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from qlit.runtime.checkout import Checkout
from qlit.tracking import provenance


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


@pytest.mark.parametrize(
    ("checkout", "tags"),
    [
        (None, {"qlit.version": "0.1.dev7+g0123456"}),
        (
            Checkout("a" * 40, "true"),
            {
                "qlit.version": "0.1.dev7",
                "git.commit": "a" * 40,
                "git.dirty": "true",
                "mlflow.source.git.commit": "a" * 40,
            },
        ),
        (
            Checkout("unknown", "unknown"),
            {"qlit.version": "0.1.dev7", "git.commit": "unknown", "git.dirty": "unknown"},
        ),
    ],
    ids=["installed", "checkout", "checkout without git"],
)
def test_one_commit_is_named_that_of_the_code_that_runs(checkout, tags):
    assert provenance._code_tags("0.1.dev7+g0123456", checkout) == tags
