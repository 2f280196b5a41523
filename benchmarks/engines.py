"""qlit's own engines as contestants: through the public interface, with torch's autograd as in training."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from work import (
    BATCH_SIZE,
    CONNECTIVITY,
    NUM_ENCODER_LAYERS,
    NUM_MAIN_LAYERS,
    NUM_REUPLOAD_LAYERS,
    NUM_REUPLOADS,
    Contestant,
    Result,
    Work,
)

from qlit import __version__
from qlit.circuits import encoder_circuit, reuploading_circuit
from qlit.engines import CircuitAngles, engine_by_name


def build(work: Work, name: str, num_threads: int, dtype: torch.dtype = torch.float32) -> Contestant:
    """An engine; behind its name may be @DEVICE, on which it gets its tensors: torch@cuda."""
    torch.set_num_threads(num_threads)
    name, _, device = name.partition("@")
    device = device or "cpu"
    engine = engine_by_name(name)
    num_qubits = work.num_qubits
    encoder = engine.compile(
        encoder_circuit(num_qubits, connectivity=min(CONNECTIVITY, num_qubits - 1), num_layers=NUM_ENCODER_LAYERS)
    )
    pqc = engine.compile(
        reuploading_circuit(num_qubits, NUM_REUPLOADS, NUM_MAIN_LAYERS, NUM_REUPLOAD_LAYERS, connectivity=1)
    )
    encoder_parameters = torch.tensor(work.encoder_parameters, dtype=dtype, device=device).requires_grad_()
    pqc_parameters = torch.tensor(work.pqc_parameters, dtype=dtype, device=device).requires_grad_()
    scale = torch.ones((), dtype=dtype, device=device)
    states_BN = torch.tensor(work.states, dtype=dtype, device=device)

    def forward(states: Tensor) -> Tensor:
        angles = [CircuitAngles(encoder, encoder_parameters, scale, states)]
        return pqc.expectation(pqc_parameters, angles=angles, wires=(0,))

    def step() -> Result:
        encoder_parameters.grad = pqc_parameters.grad = None
        loss = forward(states_BN).sum()
        loss.backward()
        assert encoder_parameters.grad is not None
        assert pqc_parameters.grad is not None
        return loss.item(), encoder_parameters.grad.cpu().numpy(), pqc_parameters.grad.cpu().numpy()

    def forward_of(batch_size: int, train: bool) -> Callable[[], Tensor]:
        states = states_BN[torch.from_numpy(np.arange(batch_size) % BATCH_SIZE).to(device)]

        def run() -> Tensor:
            with torch.set_grad_enabled(train):
                values = forward(states).detach()
            if device != "cpu":
                torch.cuda.synchronize()  # a forward pass has ended when its values are there
            return values

        return run

    return Contestant(f"qlit {__version__}, torch {torch.__version__}", step, forward_of)
