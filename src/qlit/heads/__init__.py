"""Heads: torch modules from embedding to logits."""

from qlit.heads.ansatz_pqc import AnsatzPQC
from qlit.heads.base import Head
from qlit.heads.circuit_pqc import CircuitPQC
from qlit.heads.classical import LinearHead, MLPHead
from qlit.heads.encoders import AmplitudeEncoder, Encoder, ParallelEncoders, SimulatedQuantumEncoder
from qlit.heads.estimators import EstimatorHead, LogisticRegressionHead, SVCHead
from qlit.heads.gate_noise import GateNoise
from qlit.heads.hybrid import HybridHead
from qlit.heads.learned_encoders import NeuralEncoder, ProjectedEncoder
from qlit.heads.pair_encoder import PairEncoder
from qlit.heads.pair_features import PairCosine, PairFeatures
from qlit.heads.pqc import ReuploadingPQC
from qlit.heads.preprocessing import Centering, Preprocessing, PrincipalComponents
from qlit.heads.qnode_pqc import QNodePQC

__all__ = [
    "AmplitudeEncoder",
    "AnsatzPQC",
    "Centering",
    "CircuitPQC",
    "Encoder",
    "EstimatorHead",
    "GateNoise",
    "Head",
    "HybridHead",
    "LinearHead",
    "LogisticRegressionHead",
    "MLPHead",
    "NeuralEncoder",
    "PairCosine",
    "PairEncoder",
    "PairFeatures",
    "ParallelEncoders",
    "Preprocessing",
    "PrincipalComponents",
    "ProjectedEncoder",
    "QNodePQC",
    "ReuploadingPQC",
    "SVCHead",
    "SimulatedQuantumEncoder",
]

MODULES = ["base", "encoders", "preprocessing", "programs"]
"""Modules that other rooms may import; `__all__` is the list of classes that configs and checkpoints may name."""
