"""Numbers of a circuit with random parameters, from exact simulations.

Shapes: S samples, P parameters, A input angles.
"""

import numpy as np
import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.circuits.entanglement import meyer_wallach
from qlit.circuits.expressibility import NUM_BINS, Bins
from qlit.circuits.random_parameters import Diagnosis, diagnosis_of
from qlit.engines import AutoEngine
from qlit.engines.ensembles import bloch_vectors, fidelities, z_gradients
from qlit.engines.memory import check_states

_STATES_AT_ONCE = 8  # of one sample: what an engine holds at the peak of a gradient
MAX_SAMPLES = 100_000
"""Largest number of samples: the bootstrap keeps 1,000 weights for every one."""


def check_size(circuit: Circuit, num_samples: int) -> None:
    """Raise a ValueError if the number of samples is out of range, or the circuit is too wide to be simulated."""
    if not 2 <= num_samples <= MAX_SAMPLES:
        raise ValueError(
            f"`2 <= samples <= {MAX_SAMPLES:,}` must hold, but got {num_samples:,}: a variance needs two samples."
        )
    AutoEngine().check_width(circuit)
    check_states(_STATES_AT_ONCE, 1, circuit.num_qubits, torch.zeros(0, dtype=torch.float64))


def diagnose(
    circuit: Circuit,
    *,
    wire: int,
    num_samples: int,
    seed: tuple[int, ...],
    num_bins: int = NUM_BINS,
    bins: Bins = "width",
) -> Diagnosis:
    """Estimate variance of gradients, expressibility and entangling capability.

    Parameters and input angles are uniform in [0, 2 pi), the initial state is |0..0>, and simulations are exact, in
    float64. S vectors of parameters give gradients; they and S others give S pairs for fidelities, and 2 S states for
    the entanglement.

    Args:
        circuit: The circuit.
        wire: Wire whose <Z> is differentiated.
        num_samples: S, at least 2.
        seed: Words of the seed of parameters and bootstrap, none negative.
        num_bins: Number of bins of the fidelities.
        bins: Kind of bins.

    Raises:
        ValueError: As `check_size`; or if bins are out of range.
    """
    check_size(circuit, num_samples)
    rng = np.random.default_rng(seed)

    def drawn(number: int) -> Tensor:
        return torch.from_numpy(rng.uniform(0, 2 * np.pi, (num_samples, number)))

    ones, others = drawn(circuit.num_parameters), drawn(circuit.num_parameters)
    angles = [drawn(circuit.num_angles) if circuit.num_angles else None for _ in range(2)]
    gradients_SP = z_gradients(circuit, ones, wire, angles_SA=angles[0])
    fidelities_S = fidelities(circuit, ones, others, angles_SA=angles[0], other_angles_SA=angles[1])
    entanglement = [
        meyer_wallach(bloch_vectors(circuit, parameters, angles_SA=of_them).numpy())
        for parameters, of_them in ((ones, angles[0]), (others, angles[1]))
    ]
    return diagnosis_of(
        circuit,
        gradients_SP.numpy(),
        fidelities_S.numpy(),
        (entanglement[0] + entanglement[1]) / 2,
        rng,
        num_bins=num_bins,
        bins=bins,
    )
