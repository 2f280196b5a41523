"""Heads: torch modules from embedding to logits."""

from qlit.heads.base import Head
from qlit.heads.classical import LinearHead, MLPHead
from qlit.heads.encoders import Encoder, ParallelEncoders, SimulatedQuantumEncoder
from qlit.heads.gate_noise import GateNoise
from qlit.heads.hybrid import HybridHead
from qlit.heads.learned_encoders import NeuralEncoder, ProjectedEncoder
from qlit.heads.pqc import ReuploadingPQC

__all__ = [
    "Encoder",
    "GateNoise",
    "Head",
    "HybridHead",
    "LinearHead",
    "MLPHead",
    "NeuralEncoder",
    "ParallelEncoders",
    "ProjectedEncoder",
    "ReuploadingPQC",
    "SimulatedQuantumEncoder",
]
