"""Circuits and inputs that every engine is asked to run."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qlit.circuits import (
    Circuit,
    Gate,
    ansatz,
    cnot,
    crx,
    cry,
    crz,
    cz,
    encoder_circuit,
    h,
    reuploading_circuit,
    rx,
    ry,
    rz,
    x,
    z,
)


def with_errors(circuit: Circuit) -> Circuit:
    """X, Z and Y (as X, then Z) in turn behind every third gate, on the wire it acts on."""
    errors = [(x,), (z,), (x, z)]
    gates: list[Gate] = []
    for k, gate in enumerate(circuit):
        gates.append(gate)
        if k % 3 == 0:
            gates += [pauli(gate.wires[-1]) for pauli in errors[k // 3 % 3]]
    return Circuit(circuit.num_qubits, tuple(gates))


CIRCUITS = {
    "one RY": Circuit(1, (ry(0, parameter=0),)),
    "one CNOT": Circuit(2, (cnot(0, 1),)),
    "no gate": Circuit(2, ()),
    "figure 3": ansatz(4, 2, 3),
    "two qubits": ansatz(2, 1, 2),
    "all distances": ansatz(6, 5, 1),
    "encoder": encoder_circuit(5, connectivity=4, num_layers=2),
    "re-uploading": reuploading_circuit(5, 4, 2, 1, 1),
    "re-uploading, dense": reuploading_circuit(4, 2, 1, 2, 3),
    "data into a CNOT's target": Circuit(
        3, (ry(0, parameter=0), cnot(0, 2), ry(2, angle=0), cnot(2, 1), cnot(1, 2), ry(1, angle=1), ry(1, angle=0))
    ),
    "CNOTs alone": Circuit(4, (cnot(3, 0), cnot(0, 1), cnot(1, 0), cnot(2, 3), ry(3, parameter=0), cnot(3, 2))),
    "angles alone": Circuit(2, (ry(0, angle=0), ry(1, angle=1))),
    "one X": Circuit(1, (x(0),)),
    "one Z": Circuit(2, (z(1),)),
    "Y as X and Z between RY": Circuit(2, (ry(0, parameter=0), x(0), z(0), ry(0, parameter=1), cnot(0, 1))),
    "an X or Z between a CNOT and its RY": Circuit(
        3, (cnot(0, 1), x(1), ry(1, parameter=0), cnot(1, 2), z(2), ry(2, angle=0), z(0), cnot(2, 0), x(0))
    ),
    "ansatz with errors": with_errors(ansatz(5, 2, 1)),
    "re-uploading with errors": with_errors(reuploading_circuit(5, 2, 1, 1, 1)),
    "one parameter, many gates": Circuit(3, (*(ry(w, parameter=0) for w in (0, 1, 2, 1)), cnot(2, 0))),
}


def strongly_entangling(num_qubits: int, num_layers: int) -> Circuit:
    """Input angles by RX, then layers of RZ RY RZ on every wire and a ring of CNOTs (arXiv:1804.00633)."""
    gates = [rx(wire, angle=wire) for wire in range(num_qubits)]
    for layer in range(num_layers):
        for wire in range(num_qubits):
            first = 3 * (layer * num_qubits + wire)
            gates += [rz(wire, parameter=first), ry(wire, parameter=first + 1), rz(wire, parameter=first + 2)]
        gates += [cnot(wire, (wire + 1 + layer) % num_qubits) for wire in range(num_qubits)]
    return Circuit(num_qubits, tuple(gates))


# Gates that not every engine runs.
GENERAL_CIRCUITS = {
    "one H": Circuit(1, (h(0),)),
    "one RX": Circuit(1, (rx(0, parameter=0),)),
    "RZ between H": Circuit(1, (h(0), rz(0, angle=0), h(0))),
    "fixed angles": Circuit(2, (rx(0, value=0.3), ry(1, value=-1.2), crz(0, 1, value=2.0), rx(1, value=0.7))),
    "fixed and other angles": Circuit(2, (rx(0, value=0.3), rx(1, parameter=0), crx(1, 0, value=0.4), ry(0, angle=0))),
    "controlled rotations": Circuit(
        3,
        (
            *(h(wire) for wire in range(3)),
            *(crx(0, 1, parameter=0), cry(2, 0, parameter=1), crz(1, 2, parameter=2)),
            *(crx(2, 1, angle=0), cry(1, 0, angle=1), crz(0, 2, angle=0)),
            *(rx(wire, value=0.8) for wire in range(3)),
        ),
    ),
    "CZ between RX": Circuit(
        3, (rx(0, parameter=0), rx(1, angle=0), cz(0, 1), cz(2, 1), rx(0, angle=1), rx(1, angle=0))
    ),
    "real": Circuit(3, (h(0), cry(0, 1, parameter=0), cz(1, 2), ry(2, angle=0), cry(2, 0, angle=1), h(2), cz(0, 2))),
    "strongly entangling": strongly_entangling(4, 2),
    "one parameter, several kinds": Circuit(2, (rx(0, parameter=0), cry(0, 1, parameter=0), rz(1, parameter=0), h(1))),
}


def random_general_circuit(seed: int) -> Circuit:
    """2 to 5 qubits, up to 40 gates of every kind, rotations by parameters, input angles and fixed angles."""
    generator = torch.Generator().manual_seed(seed)

    def below(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    num_qubits = 2 + below(4)
    gates: list[Gate] = []
    used = {"parameter": 0, "angle": 0}
    for _ in range(10 + below(30)):
        kind = ("rx", "ry", "rz", "crx", "cry", "crz", "cnot", "cz", "h", "x", "z")[below(11)]
        first = below(num_qubits)
        two = kind in ("crx", "cry", "crz", "cnot", "cz")
        wires = (first, (first + 1 + below(num_qubits - 1)) % num_qubits) if two else (first,)
        source = ("parameter", "parameter", "angle", "value")[below(4)]
        if "r" not in kind:
            gates.append(Gate(kind, wires))
        elif source == "value":
            gates.append(Gate(kind, wires, value=float(below(100)) / 10 - 5))
        else:
            slot = below(used[source] + 1)
            used[source] = max(used[source], slot + 1)
            gates.append(Gate(kind, wires, **{source: slot}))
    return Circuit(num_qubits, tuple(gates))


def random_circuit(seed: int) -> Circuit:
    """2 to 7 qubits, up to 60 gates of every kind, with slots in random order."""
    generator = torch.Generator().manual_seed(seed)

    def below(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    num_qubits = 2 + below(6)
    num_slots = {"parameter": 1 + below(12), "angle": 1 + below(6)}
    gates = [ry(below(num_qubits), **{kind: slot}) for kind, n in num_slots.items() for slot in range(n)]
    for _ in range(10 + below(50)):
        kind = ("cnot", "cnot", "parameter", "parameter", "angle", "x", "z")[below(7)]
        if kind == "cnot":
            control = below(num_qubits)
            gates.append(cnot(control, (control + 1 + below(num_qubits - 1)) % num_qubits))
        elif kind in ("x", "z"):
            gates.append(Gate(kind, (below(num_qubits),)))
        else:
            gates.append(ry(below(num_qubits), **{kind: below(num_slots[kind])}))
    order = torch.randperm(len(gates), generator=generator)
    return Circuit(num_qubits, tuple(gates[int(k)] for k in order))


@dataclass
class Inputs:
    """Leaves that want gradients: parameters (P,), angles (B, A) or None, state (B, N) or None."""

    parameters: Tensor
    angles: Tensor | None
    state: Tensor | None

    @property
    def leaves(self) -> list[Tensor]:
        return [leaf for leaf in (self.parameters, self.angles, self.state) if leaf is not None]


def random_inputs(circuit: Circuit, batch_size: int, *, dtype: torch.dtype, with_state: bool, seed: int = 0) -> Inputs:
    """Parameters and angles between -2 pi and 2 pi, normalised random states."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        values = (torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5) * 4 * torch.pi
        return values.to(dtype).requires_grad_()

    angles = uniform(batch_size, circuit.num_angles) if circuit.num_angles else None
    state = None
    if with_state:
        state = torch.randn(batch_size, 2**circuit.num_qubits, generator=generator, dtype=torch.float64)
        state = (state / state.norm(dim=1, keepdim=True)).to(dtype).requires_grad_()
    return Inputs(uniform(circuit.num_parameters), angles, state)
