"""Floating-point operations of the inference of one sentence by a head on a simulator."""

import torch
from torch import nn

from qlit.heads import CircuitPQC, EstimatorHead, Head, LogisticRegressionHead, PrincipalComponents
from qlit.jobs.estimates.circuits import circuits_of
from qlit.jobs.estimates.energy import FLOP_ONE_QUBIT, FLOP_TWO_QUBIT

_LINEAR = (nn.Linear, nn.BatchNorm1d)


def operations_of(head: Head, num_features: int | None = None) -> int | None:
    """Estimate the floating-point operations of the inference of one sentence, without its embedding.

    A circuit of Q qubits with SQ one-qubit and TQ two-qubit gates takes 2^Q (4 SQ + 8 TQ), and as many again for every
    run of its noise; a density matrix has 4^Q entries. A linear layer takes 2 per parameter.

    Args:
        head: The head.
        num_features: D of the embeddings; None if only the head may tell.
    Returns:
        The number; None if a part is of an unknown kind, or its size is not known (an SVC before its fit, components of
        embeddings of unknown D).
    Source: arXiv:2504.08732, sec. VII.B.
    """
    if isinstance(head, EstimatorHead) and not isinstance(head, LogisticRegressionHead):
        return None
    num_features = num_features if head.num_features is None else head.num_features
    circuits = circuits_of(head, torch.device("cpu"))
    count = 2 * head.num_parameters if isinstance(head, LogisticRegressionHead) else 0
    for name, module in head.named_modules():
        if name in circuits:
            circuit, entries, runs = circuits[name].circuit, 2 ** circuits[name].circuit.num_qubits, 1
            if isinstance(module, CircuitPQC):
                runs = module.noise.runs(training=False)
                entries = entries**2 if module.noise.method(training=False) == "density_matrix" else entries
            gates = FLOP_ONE_QUBIT * circuit.num_one_qubit_gates + FLOP_TWO_QUBIT * circuit.num_two_qubit_gates
            count += entries * gates * runs
        elif isinstance(module, _LINEAR):
            count += 2 * sum(parameter.numel() for parameter in module.parameters())
        elif isinstance(module, PrincipalComponents):
            if num_features is None:
                return None
            count += 2 * module.num_components * num_features
        elif any(True for _ in module.parameters(recurse=False)):
            return None
    return count
