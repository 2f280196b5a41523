"""Heads: torch modules from embedding to logits."""

from qlit.heads.encoders import Encoder, ParallelEncoders, SimulatedQuantumEncoder
from qlit.heads.hybrid import HybridHead
from qlit.heads.pqc import ReuploadingPQC

__all__ = ["Encoder", "HybridHead", "ParallelEncoders", "ReuploadingPQC", "SimulatedQuantumEncoder"]
