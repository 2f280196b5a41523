"""TorchQuantum, the simulator of the paper, behind the engine interface: for parity, not for speed.

TorchQuantum's gates, device, measurement and shots run, and torch's autograd differentiates them. qlit only chooses the
precision (`torchquantum_copy.py`).

Shapes: B batch, P parameters, A input angles, W measured wires, N = 2**num_qubits amplitudes.
"""

from typing import Any, ClassVar, final

import torch
from torch import Tensor

from qlit.engines.base import Engine
from qlit.engines.memory import check_states
from qlit.engines.request import Capabilities, Request
from qlit.engines.statevector import expectation_of, marginal_of
from qlit.engines.torchquantum_copy import check_installed, torchquantum_in

# TorchQuantum lists all outcomes of a sample before it counts them. Its generator continues from call to call.
_SHOTS_AT_ONCE = 2**22
# TorchQuantum's names of gates, where they differ from ours.
_NAMES = {"x": "paulix", "z": "pauliz", "h": "hadamard"}


@final
class TorchQuantumEngine(Engine):
    """TorchQuantum 0.1.8, or its fork torchquantum-ng 0.2: complex statevectors in single or double precision.

    It is hundreds of times slower than `native`. The backward pass keeps the statevectors after every gate.
    TorchQuantum is imported, in some seconds, when the first circuit runs. With `shots` the outcomes of all wires are
    drawn by TorchQuantum's `measure`, from the generator of Python's `random`, and have no gradient.

    Raises:
        ValueError: If TorchQuantum is not installed; the message says how to install it.
    Source: https://github.com/mit-han-lab/torchquantum, version 0.1.8; arXiv:2107.10845.
        Fork: https://github.com/Agony5757/torchquantum, version 0.2.0.
    """

    name: ClassVar[str] = "torchquantum"
    # Memory of a step grows with the number of gates, so `states_at_peak` stays None.
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=20, dtypes=(torch.float32, torch.float64), samples=True, all_gates=True
    )

    def __init__(self) -> None:
        check_installed()

    def _expectation(self, request: Request) -> Tensor:
        if request.shots is not None:
            return expectation_of(_frequencies(request), request)
        tq = torchquantum_in(request.parameters.dtype)
        device = _device_behind(tq, request)
        values_BW: Tensor = tq.expval(device, list(request.wires), [tq.PauliZ()] * len(request.wires))
        return values_BW[: request.batch_size]

    def _probabilities(self, request: Request) -> Tensor:
        if request.shots is not None:
            return marginal_of(_frequencies(request), request)
        device = _device_behind(torchquantum_in(request.parameters.dtype), request)
        return marginal_of(device.get_states_1d()[: request.batch_size].abs().square(), request)


def _frequencies(request: Request) -> Tensor:
    """Relative frequencies of the joint outcomes of all wires among the shots, shape (B, N)."""
    assert request.shots is not None, "only requests with shots are counted"
    if request.wants_gradients:
        raise ValueError(
            "Engine 'torchquantum' counts outcomes, which have no gradient. Ask for shots under torch.no_grad(), or "
            "train with `sampler: gaussian`, which draws from exact probabilities."
        )
    tq = torchquantum_in(request.parameters.dtype)
    device = _device_behind(tq, request)
    counts_BN = torch.zeros((), dtype=torch.float64)
    for first in range(0, request.shots, _SHOTS_AT_ONCE):
        measured = tq.measure(device, n_shots=min(_SHOTS_AT_ONCE, request.shots - first))
        counts_BN = counts_BN + torch.tensor(
            [list(by_outcome.values()) for by_outcome in measured], dtype=torch.float64
        )
    return (counts_BN[: request.batch_size] / request.shots).to(request.parameters)


def _device_behind(tq: Any, request: Request) -> Any:
    """TorchQuantum's device with the final statevectors; for an empty batch one state, of zero angles from |0..0>."""
    circuit, parameters = request.circuit, request.parameters
    batch_size = max(1, request.batch_size)  # TorchQuantum runs no empty batch
    # Two numbers per amplitude; while a gate runs, its input, a permuted copy and its output are in memory.
    kept = len(circuit) if torch.is_grad_enabled() else 0
    check_states(2 * (kept + 3), batch_size, circuit.num_qubits, parameters)

    device = tq.QuantumDevice(n_wires=circuit.num_qubits, bsz=batch_size, device=parameters.device)
    initial_BN, angles_BA = device.get_states_1d(), request.angles
    if request.state is not None:
        initial_BN = torch.cat((request.state.to(initial_BN.dtype), initial_BN[request.batch_size :]))
    if angles_BA is not None:
        angles_BA = torch.cat((angles_BA, angles_BA.new_zeros(batch_size - request.batch_size, circuit.num_angles)))
    # An empty sum of parameters: a circuit without parameters has zero gradients, as on every engine.
    device.set_states(initial_BN + parameters[:0].sum())

    gates = tq.functional
    for gate in circuit:
        wires = list(gate.wires)
        apply = getattr(gates, _NAMES.get(gate.kind, gate.kind))
        if gate.parameter is not None:
            apply(device, wires, params=parameters[gate.parameter].reshape(1, 1))
        elif gate.angle is not None:
            assert angles_BA is not None, "the interface checks that angles are given when the circuit reads them"
            apply(device, wires, params=angles_BA[:, gate.angle : gate.angle + 1])
        elif gate.value is not None:
            apply(device, wires, params=parameters.new_tensor([[gate.value]]))
        else:
            apply(device, wires)
    return device
