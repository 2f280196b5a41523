from collections.abc import Sequence
from typing import Any

from torch import Tensor

def available_kernels() -> list[str]: ...
def measure_limits(num_threads: int, seconds: float) -> dict[str, Any]: ...
def allocate(num_bytes: int) -> Tensor: ...

class Measurement:
    def __init__(self, probabilities: bool, bits: list[int]) -> None: ...

# `_EncoderCall` in native_autograd.py
_Encoder = tuple["_Executable", Measurement, int, int, int, int, int, int]

class _Executable:
    def __init__(
        self, num_qubits: int, num_parameters: int, num_angles: int, instructions: list[list[int]], kernels: str
    ) -> None: ...
    @property
    def samples_per_tile(self) -> int: ...
    def state_bytes(self, batch_size: int) -> int: ...
    def forward(
        self,
        measurement: Measurement,
        parameters: int,
        angles: int,
        initial: int,
        errors: int,
        batch_size: int,
        encoders: Sequence[_Encoder],
        values: int,
        results: int,
        states: int,
        num_threads: int,
    ) -> None: ...
    def backward(
        self,
        measurement: Measurement,
        parameters: int,
        angles: int,
        errors: int,
        batch_size: int,
        encoders: Sequence[_Encoder],
        values: int,
        states: int,
        by_results: int,
        by_parameters: int,
        by_angles: int,
        by_initial: int,
        num_threads: int,
    ) -> None: ...
    def repeat(
        self,
        parameters: int,
        angles: int,
        errors: int,
        batch_size: int,
        encoders: Sequence[_Encoder],
        values: int,
        states: int,
        num_threads: int,
    ) -> None: ...

class ExecutableFloat32(_Executable): ...
class ExecutableFloat64(_Executable): ...
