"""The benchmark driver: small, on our engines and on two peers that must be caught."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from qlit.circuits import Gate, encoder_circuit, reuploading_circuit
from qlit.engines import native_engine

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

LIAR = """
import numpy as np
from work import Contestant, reference

def build(work, name, num_threads):
    loss, by_encoder, by_pqc = reference(work)
    return Contestant("liar 1", lambda: (loss, by_encoder, by_pqc + (np.arange(len(by_pqc)) == 3)))
"""
BROKEN = """
def build(work, name, num_threads):
    raise SystemExit(7)
"""


@pytest.fixture(scope="module")
def work():
    spec = importlib.util.spec_from_file_location("work", BENCHMARKS / "work.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["work"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["work"]


def run(*arguments):
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--qubits", "4", "--repeat", "2", "--threads", "1"]
    environment = os.environ | {"QLIT_BENCH_PEERS": ""}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, timeout=300)


def test_a_run_prints_a_table_and_keeps_it(tmp_path):
    done = run("--no_peers", "--limits_s", "0.2", "--batches", "32", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (page,), (data,) = tmp_path.glob("*.md"), tmp_path.glob("*.json")
    assert page.stem == data.stem
    report = json.loads(data.read_text())
    assert report["machine"]["threads"] == 1
    assert page.stem.startswith(report["date"][:10])
    assert page.stem.endswith(report["machine"]["commit"])

    (size,) = report["sizes"]
    assert size["qubits"] == 4
    assert size["reference_gap"] < 1e-9
    # RY gates: encoder 4 * (3 + 1 + 2 * 3), PQC 4 * (4 + 4 * 3) + 4 * 4; 8 multiply-adds on 8 pairs, batch 16
    assert size["flop"] == 2 * 8 * (40 + 80) * 8 * 16
    rows = {row["name"]: row for row in size["steps"]}
    assert "torch" in rows
    assert next(iter(rows.values()))["ratio"] == 1
    for row in rows.values():
        assert 0 < row["min_ms"] <= row["median_ms"]
        assert not row["wrong"]
        assert f"| {row['name']} |" in page.read_text()
        if sys.platform == "linux":
            assert row["peak"] > row["step"] > 0
    assert {(row["batch"], row["mode"]) for row in size["forward"]} == {(16, "train"), (32, "infer")}
    assert report["versions"]["torch"].startswith("qlit ")
    if report["limits"] is None:
        assert "limits were not measured" in page.read_text()
    else:
        assert report["limits"]["fma_flops"] > 1e8
        assert "FMA peak" in page.read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_engines_that_need_a_gpu_are_left_out_without_one(tmp_path):
    done = run("--no_peers", "--device", "cuda", "--batches", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (data,) = tmp_path.glob("*.json")
    report = json.loads(data.read_text())
    assert [row["name"] for row in report["sizes"][0]["steps"]] == ["native"]
    cuda, torch_engine = report["left_out"]
    assert cuda.startswith("cuda: Engine 'cuda' needs")
    assert torch_engine == "torch: torch finds no GPU here."
    assert report["limits"] is None


def test_wrong_gradients_and_failures_are_told(tmp_path):
    for name, text in (("liar", LIAR), ("broken", BROKEN)):
        (tmp_path / f"{name}.py").write_text(text)
    peers = [f"--peer={name}={sys.executable}:{tmp_path / name}.py" for name in ("liar", "broken")]
    done = run("--engine", "torch", "--batches", "--limits_s", "0", "--no_output", *peers)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("| liar |") and "1.0e+00 **wrong**" in line for line in lines)
    assert any(line.startswith("| broken | failed: ended with status 7 |") for line in lines)
    assert "Wrong loss or gradients: liar." in done.stderr
    assert not any(path.suffix == ".md" for path in tmp_path.iterdir())


def test_torchquantum_takes_part_from_the_environment_of_make_which_lacks_torchvision(tmp_path):
    package = tmp_path / "torchquantum"
    package.mkdir()
    (package / "__init__.py").write_text("from .dataset import *")
    (package / "dataset.py").write_text("import no_torchvision_here")
    (package / "functional.py").write_text("")
    peer = BENCHMARKS / "peers" / "torchquantum.py"
    load = (
        f"import runpy, sys; sys.path[:0] = {[str(tmp_path), str(BENCHMARKS)]}; runpy.run_path({str(peer)!r})['build']"
    )
    done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-1000:]


def test_the_interpreter_of_make_is_taken_where_it_was_made(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("bench", BENCHMARKS / "bench.py")
    bench = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench", bench)
    spec.loader.exec_module(bench)
    monkeypatch.setattr(bench, "HERE", tmp_path / "benchmarks")
    assert bench._of_make("torchquantum") is None
    (tmp_path / ".venv-torchquantum").mkdir()
    assert bench._of_make("torchquantum") is None  # half made
    (tmp_path / ".venv-torchquantum" / "installed").touch()
    assert bench._of_make("torchquantum") == str(tmp_path / ".venv-torchquantum" / "bin" / "python")


def test_the_work_is_that_of_our_circuits(work):
    def rewritten(gates):
        kinds = {
            "cnot": lambda wire, slot: Gate("cnot", (wire, slot)),
            "ry": lambda wire, slot: Gate("ry", (wire,), parameter=slot),
            "angle": lambda wire, slot: Gate("ry", (wire,), angle=slot),
        }
        return tuple(kinds[kind](wire, slot) for kind, wire, slot in gates)

    inputs = work.make_work(10)
    assert rewritten(inputs.encoder_gates) == encoder_circuit(10).gates
    assert rewritten(inputs.pqc_gates) == reuploading_circuit(10, 4, 2, 1, 1).gates
    assert (len(inputs.encoder_parameters), len(inputs.pqc_parameters), inputs.num_rotations) == (280, 70, 480)


def test_the_reference_agrees_with_central_differences(work):
    inputs = work.make_work(3)
    _, by_encoder, by_pqc = work.reference(inputs)

    def loss(which, slot, shift):
        values = {"encoder_parameters": inputs.encoder_parameters, "pqc_parameters": inputs.pqc_parameters}
        values = {name: value.astype(np.float64) for name, value in values.items()}
        values[which][slot] += shift
        return work.reference(work.Work(3, **values, states=inputs.states))[0]

    step = 1e-5
    for which, found in (("encoder_parameters", by_encoder), ("pqc_parameters", by_pqc)):
        for slot in range(len(found)):
            difference = (loss(which, slot, step) - loss(which, slot, -step)) / (2 * step)
            assert abs(difference - found[slot]) < 1e-7  # gradients reach 10, not 1: rounding 1e-10, truncation 1e-9


@pytest.mark.skipif(not native_engine.is_built(), reason="needs the compiled extension")
def test_the_kernels_alone_have_a_share_of_the_peak():
    command = [sys.executable, str(BENCHMARKS / "kernels.py"), "--qubits", "6", "--turns", "1", "--seconds", "0.05"]
    kernels = native_engine.available_kernels()[-2:]
    done = subprocess.run([*command, "--kernels", *kernels], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["6", name] for name in kernels]
    for row in rows:
        forward, backward, both = (float(row[k]) for k in (2, 4, 6))
        assert both == pytest.approx(forward + backward, abs=2e-4)
        shares = [float(row[k].removesuffix("%")) for k in (3, 5, 7)]
        # 2, 6 and 8 multiply-adds a pair of amplitudes and rotation, at one peak; printed to 0.1 us and 0.1 %
        work = [share * ms / fma for share, ms, fma in zip(shares, (forward, backward, both), (2, 6, 8), strict=True)]
        assert min(work) > 0
        assert max(work) < 1.1 * min(work)


def test_a_kernel_that_is_not_there_ends_the_benchmark():
    command = [sys.executable, str(BENCHMARKS / "kernels.py"), "--qubits", "6", "--kernels", "sse9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("This machine has the kernels ")
    assert len(done.stderr.strip().splitlines()) == 1
