"""qlit: quantum, quantum-inspired and classical heads on sentence embeddings (arXiv:2504.08732)."""

__version__ = "0.1.0"
