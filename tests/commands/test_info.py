"""`qlit info`."""

import json

import torch

from qlit.cli import main
from qlit.engines import native_engine


def test_the_report_names_versions_engines_hardware_and_places(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["torch"] == torch.__version__
    assert found["engines"]["torch"] == "available"
    assert found["engines"]["native"].startswith("available" if native_engine.is_built() else "not available: ")
    assert found["hardware"]["threads"].startswith(f"{torch.get_num_threads()} ")
    assert found["places"]["runs"] == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert found["places"]["embeddings"] == str(tmp_path / "cache")
    assert not (tmp_path / "mlruns").exists()
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if not line.startswith(" ")] == list(found)
    assert all(name in out and value in out for values in found.values() for name, value in values.items())


def test_passwords_of_a_server_are_not_printed(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:geheim@mlflow.example.org")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "mlflow.example.org" in out
    assert "geheim" not in out


def test_kernels_are_those_of_the_engine():
    kernels = native_engine.available_kernels()
    assert bool(kernels) == native_engine.is_built()
    assert set(kernels) <= {"avx512_amd", "avx512", "avx2", "plain"}
