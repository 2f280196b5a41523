"""Engines compute the same: the bounds of docs/parity.md, and the command that prints it."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from qlit.engines import ReferenceEngine, engine_by_name, native_engine, torchquantum_copy

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = [
    "torch",
    "pennylane:default.qubit",
    *(["native"] if native_engine.is_built() else []),
    *(["torchquantum"] if torchquantum_copy.is_installed() else []),  # as `make conformance` has it
]


def module_of_benchmarks(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for those that import it, and dataclasses
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def parity():
    names = ("work", "parity")
    yield [module_of_benchmarks(name) for name in names][-1]
    for name in names:
        del sys.modules[name]


# The dense twin computes in complex128 either way, and takes its time.
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("reference", torch.float64), *((name, dtype) for name in INSTALLED for dtype in (torch.float64, torch.float32))],
    ids=str,
)
def test_engines_keep_the_bounds(parity, name, dtype):
    engine = engine_by_name(name)
    bound = {torch.float64: 1e-10, torch.float32: 5e-6}[dtype]
    compared = 0
    for case in parity.CASES:
        differences = parity.differences(engine, case, dtype)
        if case.num_qubits > engine.capabilities.max_qubits:
            assert differences is None
            continue
        assert {"values"} < differences.keys()
        assert differences == {name: pytest.approx(0, abs=bound) for name in differences}
        compared += len(differences)
    assert compared == (3 if name == "reference" else 14)


def test_a_wrong_engine_is_told(parity, monkeypatch, capsys):
    class Wrong(ReferenceEngine.__base__):
        name, capabilities = "wrong", ReferenceEngine.capabilities

        def _statevector(self, run):
            return ReferenceEngine()._statevector(run) * (1 + 1e-9)

    monkeypatch.setattr(parity, "engine_by_name", lambda _: Wrong())
    monkeypatch.setattr(parity, "CASES", [parity.Case("small", 3, ("pqc",)), parity.Case("wide", 9, ("pqc",))])
    assert parity.main(["--engine", "wrong"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "parity: above the bound: wrong (float64, small).\n"
    assert re.search(r"\| small \| values \| [\d.]+ \| \d\.\de-(09|10) \|", printed.out)
    assert re.search(r"\| wide \| values \| [\d.]+ \| too wide \|", printed.out)


def test_an_engine_that_is_not_there_is_told(parity, monkeypatch, capsys):
    monkeypatch.setattr(torchquantum_copy, "_found", lambda: None)
    assert parity.main([]) == 2
    assert capsys.readouterr().err.startswith(
        "parity: Engine 'torchquantum' needs TorchQuantum, which is not installed"
    )


def test_the_page_kept_in_docs_keeps_the_bounds(parity):
    text = (ROOT / "docs" / "parity.md").read_text()
    for bound, part in zip(parity.BOUNDS.values(), text.split("\n## ")[1:], strict=True):
        assert f"at most {bound:.0e}" in part
        header, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")
        ]
        assert set(parity.ENGINES) <= set(header)
        assert {row[0] for row in rows} == {case.name for case in parity.CASES}
        numbers = [float(cell) for row in rows for cell in row[3:] if cell != "too wide"]
        assert len(numbers) > 40
        assert max(numbers) <= bound
