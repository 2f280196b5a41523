"""Where the states of a circuit live, and the tables that the kernels read: chosen by width and by the device."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.cuda.kernels_of_device import Kernels
from qlit.engines.cuda.schedule import GROUP_BITS, GROUP_STEPS, Window, windows_of
from qlit.engines.cuda.sources import Build, registers_build
from qlit.engines.cuda.steps import INPUT_ANGLE, PARAMETER, Step, program_of

_GROUP_THREADS = 512  # as kGroupThreads of the kernels
_WARP = 32
DEFAULT_SHARED_BYTES = 48 * 1024  # of a block, unless a kernel asks for more
_NO_CONTROL = 31
_WINDOW_BITS = 12


class Layout(NamedTuple):
    """Where states live, and so which kernels run.

    Args:
        part: registers, shared or windows, as of `Build`.
        build: The kernels.
        window_bits: Basis bits that a block of `windows` holds.
    """

    part: str
    build: Build
    window_bits: int = 0


def layout_for(num_qubits: int, dtype: torch.dtype, kernels: Kernels) -> Layout:
    """The layout of circuits of at most `num_qubits`: registers, shared memory of a block, or windows."""
    if num_qubits <= kernels.register_qubits:
        return Layout("registers", registers_build(num_qubits, dtype))
    if shared_bytes_of(num_qubits, dtype) <= kernels.shared_bytes:
        return Layout("shared", Build("shared", dtype))
    limit = min(kernels.shared_bytes, DEFAULT_SHARED_BYTES)
    window_bits = max(bits for bits in range(GROUP_BITS + 1, _WINDOW_BITS + 1) if shared_bytes_of(bits, dtype) <= limit)
    return Layout("windows", Build("windows", dtype), window_bits)


def shared_bytes_of(num_bits: int, dtype: torch.dtype) -> int:
    """Shared memory of a block that runs backward on 2**num_bits amplitudes: state, cotangent and sums of the warps."""
    return (2 << num_bits) * dtype.itemsize + sums_bytes(dtype)


def sums_bytes(dtype: torch.dtype) -> int:
    """Shared memory that the kernels of groups have beside their dynamic one: `Sums` of groups.cu."""
    return 2 * GROUP_STEPS * _GROUP_THREADS // _WARP * dtype.itemsize


def group_threads(num_bits: int) -> int:
    """Threads of a block that runs groups on 2**num_bits amplitudes."""
    return max(_WARP, min(_GROUP_THREADS, (1 << num_bits) >> GROUP_BITS))


class Launch(NamedTuple):
    """A launch of the layout `windows`: basis bits of the window as a mask, its first group and their number."""

    window: int
    first_group: int
    num_groups: int


@dataclass(frozen=True)
class Tables:
    """A circuit as the kernels of a layout read it, on a device.

    Args:
        circuit: The circuit.
        steps: int32, shape (S, 4).
        groups: int32, shape (number of groups, 4); empty for `registers`.
        gates: int32, shape (G, 4).
        slots: int32, shape (P + A + 1).
        readers: int32; see types.cuh.
        launches: Of `windows`: one a window, in order.
        flipped: Basis bits that X gates flip at the end, as a mask.
        num_steps: S.
        num_groups: Number of groups.
    """

    circuit: Circuit
    steps: Tensor
    groups: Tensor
    gates: Tensor
    slots: Tensor
    readers: Tensor
    launches: tuple[Launch, ...]
    flipped: int
    num_steps: int
    num_groups: int


def tables_of(circuit: Circuit, layout: Layout, device: torch.device) -> Tables:
    """The tables of a circuit for a layout."""
    program = program_of(circuit)
    steps: list[tuple[int, int, int, int]] = []
    groups: list[tuple[int, int, int, int]] = []
    launches: list[Launch] = []
    if layout.part == "registers":
        steps = [
            _row(step, step.target, _NO_CONTROL if step.control is None else step.control) for step in program.steps
        ]
    else:
        num_bits = max(GROUP_BITS, circuit.num_qubits)
        for window in windows_of(program.steps, num_bits, layout.window_bits or num_bits):
            mask = sum(1 << bit for bit in window.bits)
            launches.append(Launch(mask, len(groups), len(window.groups)))
            _append_window(window, num_bits, steps, groups)
    slots, readers = _readers(circuit, program.steps)
    return Tables(
        circuit=circuit,
        steps=_on(device, steps),
        groups=_on(device, groups),
        gates=_on(device, program.gates),
        slots=torch.tensor(slots, dtype=torch.int32).to(device),
        readers=torch.tensor(readers, dtype=torch.int32).to(device),
        launches=tuple(launches),
        flipped=program.flipped,
        num_steps=len(steps),
        num_groups=len(groups),
    )


def _append_window(
    window: Window,
    num_bits: int,
    steps: list[tuple[int, int, int, int]],
    groups: list[tuple[int, int, int, int]],
) -> None:
    """Append the rows of a window. Positions count its own bits first, then the bits that number the blocks."""
    others = [bit for bit in range(num_bits) if bit not in window.bits]
    position = {bit: k for k, bit in enumerate([*window.bits, *others])}
    for group in window.groups:
        first, second, third = (position[bit] for bit in group.bits)
        groups.append((first | second << 8 | third << 16, len(steps), len(group.steps), 0))
        for step in group.steps:
            control, register = _NO_CONTROL, 0
            if step.control in group.bits:
                register = 1 << group.bits.index(step.control)
            elif step.control is not None:
                control = position[step.control]
            steps.append(_row(step, group.bits.index(step.target), control, register))


def _row(step: Step, target: int, control: int, register: int = 0) -> tuple[int, int, int, int]:
    return (target | control << 8 | register << 16 | step.negated << 24, step.slot, step.source, step.number)


def _readers(circuit: Circuit, steps: tuple[Step, ...]) -> tuple[list[int], list[int]]:
    """Where the steps of every parameter and every input angle begin in the second list, and their numbers."""
    by_slot: list[list[int]] = [[] for _ in range(circuit.num_parameters + circuit.num_angles)]
    for step in steps:
        if step.source in (PARAMETER, INPUT_ANGLE):
            by_slot[step.slot + (circuit.num_parameters if step.source == INPUT_ANGLE else 0)].append(step.number)
    slots = [0]
    for numbers in by_slot:
        slots.append(slots[-1] + len(numbers))
    return slots, [number for numbers in by_slot for number in numbers]


def _on(device: torch.device, rows: object) -> Tensor:
    table: NDArray[np.int32] = np.array(rows, dtype=np.int32).reshape(-1, 4)
    return torch.from_numpy(table).to(device)
