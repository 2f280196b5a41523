"""A run of circuits, forward and backward, as launches of kernels. Knows devices by `Kernels` alone.

Shapes: B batch, P parameters, A input angles, W measured wires, S steps, G gates, N = 2**num_qubits amplitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from qlit.engines.cuda.kernels_of_device import Kernels
from qlit.engines.cuda.layout import Launch, Layout, Tables, group_threads
from qlit.engines.cuda.sources import Build
from qlit.engines.cuda.work import CircuitWork, Work

_CHUNK_BITS = 12  # amplitudes of which a block measures <Z>
_OUTCOME_BITS = 10  # amplitudes that 32 threads add up for a joint outcome, if there are as many
_THREADS = 256  # of kernels that go through arrays


class Part(NamedTuple):
    """A circuit of a run, with its inputs.

    Args:
        tables: The circuit.
        wires: Measured wires.
        joint: Whether probabilities of their joint outcomes are measured.
        parameters: Radians, shape (P,).
        state: Initial statevectors, shape (B, N), or None.
        scale: Of an encoder: radians at <Z> = 1, shape ().
    """

    tables: Tables
    wires: tuple[int, ...]
    joint: bool
    parameters: Tensor
    state: Tensor | None
    scale: Tensor | None

    @property
    def num_results(self) -> int:
        """W, or 2**W of joint outcomes."""
        return 2 ** len(self.wires) if self.joint else len(self.wires)


@dataclass
class Run:
    """Encoders and the circuit that reads their results, for a batch.

    Args:
        kernels: The device.
        layout: Where states live; windows for one circuit alone.
        parts: Encoders in the order of the angles, and then the circuit.
        batch_size: B, at least 1.
        angles: Input angles of the circuit, shape (B, A), or None.
        errors: Pauli errors of the circuit, uint8, on the CPU, shape (B, G), or None.
    """

    kernels: Kernels
    layout: Layout
    parts: tuple[Part, ...]
    batch_size: int
    angles: Tensor | None
    errors: Tensor | None
    # What forward leaves for backward.
    states: list[Tensor] = field(default_factory=list)
    values: Tensor | None = None
    _tables: list[Tensor] = field(default_factory=list)
    _angle_table: Tensor | None = None
    _signs: Tensor | None = None
    _flips: Tensor | None = None
    _swept_back: bool = False

    def forward(self, *, keep: bool) -> Tensor:
        """Results, shape (B, W) or (B, 2**W); with `keep` final states stay for `backward`."""
        main, encoders, like = self.parts[-1], self.parts[:-1], self.parts[-1].parameters
        num_angles = main.tables.circuit.num_angles
        self._tables = [like.new_empty(2 * part.parameters.numel()) for part in self.parts]
        self._angle_table = like.new_empty(2 * self.batch_size * num_angles)
        if encoders:
            self.values = like.new_empty(self.batch_size, num_angles)
        if self.errors is not None:
            self._signs = like.new_empty(self.batch_size, max(1, main.tables.num_steps), dtype=torch.int8)
            self._flips = like.new_empty(self.batch_size, dtype=torch.int32)
        if self.layout.part == "windows":
            return self._forward_windows(keep=keep)
        results = like.new_empty(self.batch_size, main.num_results)
        if keep:
            self.states = [like.new_empty(self.batch_size, 2**part.tables.circuit.num_qubits) for part in self.parts]
        work = self._work()
        for k, part in enumerate(self.parts):
            circuit = work.circuits[k]
            circuit.initial = _address(part.state)
            circuit.state = _address(self.states[k]) if keep else 0
        self._set_results(work, results, self.values)
        self._prepare(work)
        self._launch_whole("forward", work)
        return results

    def backward(
        self,
        by_results: Tensor,
        by_parameters: Sequence[Tensor],
        by_scales: Sequence[Tensor],
        by_states: Sequence[Tensor | None],
        by_angles: Tensor | None,
    ) -> None:
        """Write gradients, each overwritten completely.

        Args:
            by_results: Gradients with respect to the results.
            by_parameters: Of every part, shape (P,).
            by_scales: Of every encoder, shape ().
            by_states: Of every part, shape (B, N), or None.
            by_angles: Shape (B, A), or None.
        """
        if self.parts[:-1] and by_angles is None:  # what the encoders' results get
            by_angles = by_results.new_empty(self.batch_size, self.parts[-1].tables.circuit.num_angles)
        work = self._work()
        num_parts = self._num_parts
        derivatives = [
            by_results.new_empty(self.batch_size * max(1, part.tables.num_steps) * num_parts) for part in self.parts
        ]
        self._set_results(work, None, self.values)
        for k, part in enumerate(self.parts):
            circuit = work.circuits[k]
            circuit.state = _address(self.states[k])
            circuit.cotangent = _address(by_states[k])
            circuit.parts, circuit.num_parts = _address(derivatives[k]), num_parts
            circuit.by_parameters = _address(by_parameters[k])
            if k < len(by_scales):
                circuit.by_scale = _address(by_scales[k])
                circuit.by_results = _address(by_angles) + self._first_angle(k) * part.parameters.itemsize
        last = work.circuits[len(self.parts) - 1]
        last.by_results, last.by_angles = _address(by_results), _address(by_angles)
        if self.layout.part == "windows":
            self._backward_windows(work, by_states[-1], by_angles)
        else:
            self._launch_whole("backward", work)
        most_parameters = max(part.parameters.numel() for part in self.parts)
        self._launch(self._of_tables, "gradients", (most_parameters + 1, len(self.parts)), _THREADS, 0, work)

    @property
    def _num_parts(self) -> int:
        if self.layout.part == "registers":
            return 1 << self.layout.build.warp_bits
        if self.layout.part == "shared":
            return 1
        return 1 << (self.parts[0].tables.circuit.num_qubits - self.layout.window_bits)

    @property
    def _of_tables(self) -> Build:
        return Build("tables", self.layout.build.dtype)

    def _first_angle(self, encoder: int) -> int:
        return sum(part.num_results for part in self.parts[:encoder])

    def _work(self) -> Work:
        """Everything but states, results and gradients."""
        work = Work(batch_size=self.batch_size, num_circuits=len(self.parts))
        for k, part in enumerate(self.parts):
            _describe(work.circuits[k], part, self._tables[k])
        assert self._angle_table is not None, "forward comes first"
        last = work.circuits[len(self.parts) - 1]
        last.angles, last.angle_table = _address(self.angles), _address(self._angle_table)
        last.signs, last.flips = _address(self._signs), _address(self._flips)
        for k in range(len(self.parts) - 1):
            circuit, itemsize = work.circuits[k], self._angle_table.itemsize
            circuit.scaled_table = _address(self._angle_table) + 2 * self._first_angle(k) * itemsize
            circuit.table_stride = 2 * last.num_angles
        return work

    def _set_results(self, work: Work, results: Tensor | None, values: Tensor | None) -> None:
        last = work.circuits[len(self.parts) - 1]
        last.results, last.result_stride = _address(results), self.parts[-1].num_results
        if values is not None:
            for k in range(len(self.parts) - 1):
                work.circuits[k].results = _address(values) + self._first_angle(k) * values.itemsize
                work.circuits[k].result_stride = values.shape[1]

    def _prepare(self, work: Work) -> None:
        """Half angles of all parameters and given angles, and errors as signs."""
        numbers = max(part.parameters.numel() for part in self.parts) + (
            0 if self.angles is None else self.angles.numel()
        )
        if numbers:
            self._launch(self._of_tables, "half_angles", (_blocks(numbers), len(self.parts)), _THREADS, 0, work)
        if self.errors is not None:
            errors = self.errors.to(self.kernels.device)
            work.circuits[len(self.parts) - 1].errors = _address(errors)
            blocks = -(-self.batch_size // _THREADS)
            self._launch(self._of_tables, "frames", (blocks, 1), _THREADS, 0, work)

    def _launch_whole(self, direction: str, work: Work) -> None:
        """Run all circuits, one block a sample."""
        build, width = self.layout.build, max(part.tables.circuit.num_qubits for part in self.parts)
        if self.layout.part == "registers":
            threads, shared = 32 << build.warp_bits, 0
        else:
            num_bits = max(3, width)
            threads = group_threads(num_bits)
            shared = (2 if direction == "backward" else 1) * 2**num_bits * build.dtype.itemsize
        self._launch(build, f"{direction}_{self.layout.part}", (self.batch_size, 1), threads, shared, work)

    # --- windows ---

    def _forward_windows(self, *, keep: bool) -> Tensor:
        (part,) = self.parts
        num_qubits = part.tables.circuit.num_qubits
        if part.state is None:
            state = part.parameters.new_zeros(self.batch_size, 2**num_qubits)
            state[:, 0].fill_(1)
        else:
            state = part.state.detach().clone()
        work = self._work()
        work.circuits[0].state = _address(state)
        self._prepare(work)
        self._sweep("forward", work, part.tables.launches)
        results = self._measured(work, part)
        if keep:
            self.states = [state]
        return results

    def _measured(self, work: Work, part: Part) -> Tensor:
        num_qubits, num_wires = part.tables.circuit.num_qubits, len(part.wires)
        if part.joint:
            work.chunk_bits = max(0, num_qubits - num_wires - _OUTCOME_BITS)
            kernel, lanes = "outcome_sums", 2 ** min(5, num_qubits - num_wires - work.chunk_bits)
            units = (self.batch_size * part.num_results) << work.chunk_bits
            blocks = -(-units * lanes // _THREADS)
        else:
            work.chunk_bits = max(0, num_qubits - _CHUNK_BITS)
            kernel, blocks = "z_sums", self.batch_size << work.chunk_bits
        sums = part.parameters.new_empty(self.batch_size, 1 << work.chunk_bits, part.num_results)
        work.circuits[0].results = _address(sums)
        self._launch(self.layout.build, kernel, (blocks, 1), _THREADS, 0, work)
        return sums.sum(dim=1)

    def _backward_windows(self, work: Work, by_state: Tensor | None, by_angles: Tensor | None) -> None:
        (part,) = self.parts
        (state,) = self.states
        if self._swept_back:  # a retained graph: the last backward pass left the initial states
            self._sweep("forward", work, part.tables.launches)
        self._swept_back = True
        cotangent = torch.empty_like(state) if by_state is None else by_state
        work.circuits[0].cotangent = _address(cotangent)
        self._launch(self.layout.build, "seeds", (_blocks(state.numel()), 1), _THREADS, 0, work)
        self._sweep("backward", work, part.tables.launches[::-1])
        if by_angles is not None:
            self._launch(
                self.layout.build, "angle_gradients", (-(-by_angles.numel() // _THREADS), 1), _THREADS, 0, work
            )

    def _sweep(self, direction: str, work: Work, launches: Sequence[Launch]) -> None:
        window_bits, build = self.layout.window_bits, self.layout.build
        num_blocks = self.batch_size << (self.parts[0].tables.circuit.num_qubits - window_bits)
        threads = group_threads(window_bits)
        shared = (2 if direction == "backward" else 1) * 2**window_bits * build.dtype.itemsize
        for launch in launches:
            work.window, work.first_group, work.num_groups = launch
            self._launch(build, f"{direction}_window", (num_blocks, 1), threads, shared, work)

    def _launch(
        self, build: Build, kernel: str, blocks: tuple[int, int], threads: int, shared: int, work: Work
    ) -> None:
        self.kernels.launch(build, kernel, blocks, threads, shared, work)


def _describe(circuit: CircuitWork, part: Part, parameter_table: Tensor) -> None:
    tables = part.tables
    circuit.steps, circuit.groups, circuit.gates = map(_address, (tables.steps, tables.groups, tables.gates))
    circuit.slots, circuit.readers = _address(tables.slots), _address(tables.readers)
    circuit.parameters, circuit.parameter_table = _address(part.parameters), _address(parameter_table)
    circuit.scale = _address(part.scale)
    circuit.num_qubits = tables.circuit.num_qubits
    circuit.num_steps, circuit.num_groups = tables.num_steps, tables.num_groups
    circuit.num_gates, circuit.num_parameters = len(tables.circuit), tables.circuit.num_parameters
    circuit.num_angles = tables.circuit.num_angles
    circuit.num_measured, circuit.joint, circuit.flipped = len(part.wires), part.joint, tables.flipped
    for k, wire in enumerate(part.wires):
        circuit.bits[k] = tables.circuit.num_qubits - 1 - wire


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _blocks(num_threads: int) -> int:
    """Blocks of a kernel whose threads go through an array."""
    return min(1024, -(-num_threads // _THREADS))
