"""Circuits of RY, CNOT, X and Z on NVIDIA's GPUs, a whole circuit forward or backward in one launch.

`cuda.md` derives the mathematics; `kernels/` holds the CUDA C++ sources, which are compiled when they are first needed.
"""

from qlit.engines.cuda.engine import CudaEngine

__all__ = ["CudaEngine"]
