"""TorchQuantum, the paper's simulator: batched complex64 statevectors, autograd through one product a gate."""

import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import torch
from work import BATCH_SIZE, Contestant, Gate, Result, Work

# Its data sets alone need torchvision, which the environment of `make torchquantum` does not have.
sys.modules["torchquantum.dataset"] = ModuleType("torchquantum.dataset")
import torchquantum as tq  # noqa: E402
import torchquantum.functional as tqf  # noqa: E402


def build(work: Work, _name: str, num_threads: int) -> Contestant:
    torch.set_num_threads(num_threads)
    num_qubits = work.num_qubits
    encoder_gates, pqc_gates = work.encoder_gates, work.pqc_gates
    encoder_parameters = torch.tensor(work.encoder_parameters).requires_grad_()
    pqc_parameters = torch.tensor(work.pqc_parameters).requires_grad_()
    states_BN = torch.tensor(work.states).to(torch.complex64)

    def run(
        device: tq.QuantumDevice, gates: list[Gate], parameters: torch.Tensor, angles: torch.Tensor | None = None
    ) -> None:
        for kind, wire, slot in gates:
            if kind == "cnot":
                tqf.cnot(device, wires=[wire, slot])
            elif kind == "ry":
                tqf.ry(device, wires=wire, params=parameters[slot].view(1, 1).expand(BATCH_SIZE, 1))
            else:
                tqf.ry(device, wires=wire, params=angles[:, slot : slot + 1])

    def step() -> Result:
        encoder_parameters.grad = pqc_parameters.grad = None
        device = tq.QuantumDevice(n_wires=num_qubits, bsz=BATCH_SIZE)
        device.set_states(states_BN)
        run(device, encoder_gates, encoder_parameters)
        angles = tq.expval(device, list(range(num_qubits)), [tq.PauliZ()] * num_qubits)
        device = tq.QuantumDevice(n_wires=num_qubits, bsz=BATCH_SIZE)
        run(device, pqc_gates, pqc_parameters, angles)
        loss = tq.expval(device, [0], [tq.PauliZ()]).sum()
        loss.backward()
        return loss.item(), encoder_parameters.grad.numpy(), pqc_parameters.grad.numpy()

    try:
        name = f"torchquantum {version('torchquantum')}"
    except PackageNotFoundError:
        name = f"torchquantum-ng {version('torchquantum-ng')}"
    return Contestant(f"{name}, torch {torch.__version__}", step)
