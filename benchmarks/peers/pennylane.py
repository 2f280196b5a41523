"""PennyLane: `pennylane` is default.qubit with torch and backprop, `pennylane-lightning` lightning.qubit with adjoint.

Both take the batch by parameter broadcasting. The states go in as float64, which is renormalised: default.qubit's own
check of the norm would refuse float32's rounding; lightning computes in complex64.
"""

from importlib.metadata import version

import numpy as np
import pennylane as qml
import torch
from work import Contestant, Gate, Result, Work


def _apply(gates: list[Gate], parameters: torch.Tensor, angles: list[torch.Tensor] | None = None) -> None:
    for kind, wire, slot in gates:
        if kind == "cnot":
            qml.CNOT([wire, slot])
        else:
            qml.RY(parameters[slot] if kind == "ry" else angles[slot], wires=wire)


def build(work: Work, name: str, num_threads: int) -> Contestant:
    torch.set_num_threads(num_threads)
    num_qubits = work.num_qubits
    encoder_gates, pqc_gates = work.encoder_gates, work.pqc_gates
    encoder_parameters = torch.tensor(work.encoder_parameters).requires_grad_()
    pqc_parameters = torch.tensor(work.pqc_parameters).requires_grad_()
    states_BN = torch.tensor(work.states).double()
    states_BN = states_BN / states_BN.norm(dim=1, keepdim=True)
    if name == "pennylane-lightning":
        device, method = qml.device("lightning.qubit", wires=num_qubits, c_dtype=np.complex64), "adjoint"
        versions = f"pennylane-lightning {version('pennylane-lightning')}, "
    else:
        device, method, versions = qml.device("default.qubit", wires=num_qubits), "backprop", ""

    @qml.qnode(device, interface="torch", diff_method=method)
    def encoder(states, parameters):
        qml.StatePrep(states, wires=range(num_qubits), validate_norm=False)
        _apply(encoder_gates, parameters)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(num_qubits)]

    @qml.qnode(device, interface="torch", diff_method=method)
    def pqc(angles, parameters):
        _apply(pqc_gates, parameters, angles)
        return qml.expval(qml.PauliZ(0))

    def step() -> Result:
        encoder_parameters.grad = pqc_parameters.grad = None
        loss = pqc(encoder(states_BN, encoder_parameters), pqc_parameters).sum()
        loss.backward()
        return loss.item(), encoder_parameters.grad.numpy(), pqc_parameters.grad.numpy()

    return Contestant(f"{versions}pennylane {qml.__version__}, torch {torch.__version__}", step)
