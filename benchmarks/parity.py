"""How far qlit's engines and the paper's simulator are from one another: values and all gradients.

Prints the page that is kept as docs/parity.md. The exit status is 1 if a difference is above its bound.
"""

import argparse
import datetime
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
import work

from qlit import __version__
from qlit.circuits import Circuit, encoder_circuit, reuploading_circuit
from qlit.engines import Engine, engine_by_name

ENGINES = ["reference", "native", "torch", "torchquantum", "pennylane:default.qubit"]
BOUNDS = {torch.float64: 1e-10, torch.float32: 5e-6}

Found = dict[str, np.ndarray]  # what is compared, by its name

_PART = {"encoder": "encoder", "pqc": "PQC"}

_PAGE = """\
# Parity

This page lists the largest absolute difference between every engine and an independent calculation in float64. That
calculation shares no code with qlit or any simulator: it applies one gate at a time to real statevectors in NumPy and
differentiates with an adjoint sweep (`benchmarks/work.py`). Two engines therefore differ by at most the sum of their
entries. `reference`, the dense twin, accepts at most 8 qubits; at 6 qubits it agrees with that calculation as well.

`make parity` creates `.venv-torchquantum` and prints this page. It fails if a difference exceeds its bound.
`tests/test_parity.py` checks the same bounds; `make conformance` runs it with the real TorchQuantum.

The circuits are those of the paper: the encoder of 550 gates on 10 qubits (sQE; C = 9, 2 layers), the PQC with R = 4,
M = 2, N = 1, C = 1, and the head, which is the encoder followed by the PQC. A batch has {batch_size} samples with
random angles and parameters in [-pi, pi] and random normalised states of 768 features; all engines get the same
float32 numbers. Values are <Z> of all wires, and for the head <Z> of wire 0. Gradients are those of the sum of the
values with random signs, averaged over the batch as in training. "Largest" is the largest absolute value among the
compared numbers.
"""


@dataclass(frozen=True)
class Case:
    """A circuit, or the encoder and the PQC one behind the other, whose <Z> are the angles of the next."""

    name: str
    num_qubits: int
    parts: tuple[str, ...]


CASES = [
    Case("sQE, 10 qubits", 10, ("encoder",)),
    Case("PQC, 6 qubits", 6, ("pqc",)),
    Case("PQC, 10 qubits", 10, ("pqc",)),
    Case("head, 10 qubits", 10, ("encoder", "pqc")),
]


@dataclass(frozen=True)
class Inputs:
    """float32 numbers: parameters of each part (P,), states (B, N) or angles (B, Q) of the first, signs (B, W)."""

    parameters: list[np.ndarray]
    states: np.ndarray | None
    angles: np.ndarray | None
    signs: np.ndarray


def inputs_of(case: Case) -> Inputs:
    made = work.make_work(case.num_qubits)
    random = np.random.default_rng(case.num_qubits)
    of_batch = (work.BATCH_SIZE, case.num_qubits)
    encodes = case.parts[0] == "encoder"
    angles = random.uniform(-np.pi, np.pi, of_batch).astype(np.float32)
    signs = random.choice(np.array([-1.0, 1.0], np.float32), of_batch)
    return Inputs(
        [{"encoder": made.encoder_parameters, "pqc": made.pqc_parameters}[part] for part in case.parts],
        made.states if encodes else None,
        None if encodes else angles,
        signs[:, :1] if len(case.parts) > 1 else signs,
    )


def found_by(engine: Engine, case: Case, dtype: torch.dtype) -> Found:
    """Values and gradients by an engine and torch's autograd."""
    inputs = inputs_of(case)
    parameters = [torch.tensor(each, dtype=dtype).requires_grad_() for each in inputs.parameters]
    state, angles = (
        None if each is None else torch.tensor(each, dtype=dtype).requires_grad_()
        for each in (inputs.states, inputs.angles)
    )
    leaves = {f"{_PART[part]} parameters": each for part, each in zip(case.parts, parameters, strict=True)}
    if state is not None:
        leaves["initial states"] = state
    values = state
    for part, own in zip(case.parts, parameters, strict=True):
        if angles is not None:
            leaves["angles"] = angles
        values = engine.expectation(_circuit(part, case.num_qubits), own, angles=angles, state=state)
        state, angles = None, values
    assert values is not None
    values = values[:, : inputs.signs.shape[1]]
    loss = (values * torch.from_numpy(inputs.signs)).sum(dim=1).mean()
    found = torch.autograd.grad(loss, list(leaves.values()))
    gradients = {f"gradients by {name}": each for name, each in zip(leaves, found, strict=True)}
    return {name: each.detach().double().numpy() for name, each in ({"values": values} | gradients).items()}


@lru_cache(maxsize=len(CASES))
def expected(case: Case) -> Found:
    """The same in float64, by NumPy alone."""
    inputs = inputs_of(case)
    gates = [getattr(work.Work(case.num_qubits, *[np.empty(0)] * 3), f"{part}_gates") for part in case.parts]
    parameters = [each.astype(np.float64) for each in inputs.parameters]
    angles = [None if inputs.angles is None else inputs.angles.astype(np.float64)]
    states = []
    for number, own in enumerate(parameters):
        first = work.zero_states(work.BATCH_SIZE, case.num_qubits)
        if number == 0 and inputs.states is not None:
            first = inputs.states.astype(np.float64)
        states.append(work.final_states(first, gates[number], own, angles[number]))
        angles.append(work.expectations(states[-1]))

    num_measured = inputs.signs.shape[1]
    found = {"values": angles[-1][:, :num_measured]}
    by_values = np.zeros_like(angles[-1])
    by_values[:, :num_measured] = inputs.signs / work.BATCH_SIZE
    for number in reversed(range(len(parameters))):
        by_parameters, by_angles, by_states = work.gradients(
            states[number], by_values, gates[number], parameters[number], angles[number]
        )
        found[f"gradients by {_PART[case.parts[number]]} parameters"] = by_parameters
        if by_angles is not None:
            found["gradients by angles"] = by_values = by_angles
    if inputs.states is not None:
        found["gradients by initial states"] = by_states
    return found


def differences(engine: Engine, case: Case, dtype: torch.dtype) -> dict[str, float] | None:
    """The largest absolute differences of an engine by what differs; None if the case is too wide for it."""
    if case.num_qubits > engine.capabilities.max_qubits:
        return None
    ours, theirs = found_by(engine, case, dtype), expected(case)
    assert ours.keys() == theirs.keys()
    return {name: float(np.abs(ours[name] - theirs[name]).max()) for name in ours}


def _circuit(part: str, num_qubits: int) -> Circuit:
    return encoder_circuit(num_qubits) if part == "encoder" else reuploading_circuit(num_qubits, 4, 2, 1, 1)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", default=ENGINES, help=f"default: {' '.join(ENGINES)}")
    names = parser.parse_args(arguments).engine
    try:
        engines = {name: engine_by_name(name) for name in names}
    except ValueError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2

    print(_PAGE.format(batch_size=work.BATCH_SIZE))
    print(f"{datetime.date.today()}: {', '.join(_versions())}.")
    above = []
    for dtype, bound in BOUNDS.items():
        kind = str(dtype).removeprefix("torch.")
        print(f"\n## {kind}: at most {bound:.0e}\n")
        print(f"| circuit | of | largest | {' | '.join(engines)} |")
        print("| --- " * (3 + len(engines)) + "|")
        for case in CASES:
            columns = {name: differences(engine, case, dtype) for name, engine in engines.items()}
            for quantity, numbers in expected(case).items():
                cells = {name: each and each[quantity] for name, each in columns.items()}
                largest = f"{np.abs(numbers).max():.2g}"
                print(
                    f"| {case.name} | {quantity} | {largest} | {' | '.join(map(_cell, cells.values()))} |", flush=True
                )
                for name, each in cells.items():
                    if each is not None and not each <= bound:  # NaN is above every bound
                        above.append(f"{name} ({kind}, {case.name})")
    if above:
        print(f"parity: above the bound: {', '.join(dict.fromkeys(above))}.", file=sys.stderr)
    return 1 if above else 0


def _cell(difference: float | None) -> str:
    return "too wide" if difference is None else f"{difference:.1e}"


def _versions() -> list[str]:
    found = [f"qlit {__version__}"]
    for package in ("torch", "numpy", "torchquantum", "pennylane"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
