"""Plans for the torch engine: gates fused into small matrices on a few wires, and the axis moves between them.

One gate does too little arithmetic to justify a pass over the state. Gates that together act on few wires are therefore
multiplied into one matrix first, and the state is multiplied by one matrix per group. Gates that share no wire commute,
so a group may also collect later gates, as long as no gate in between shares a wire with them.

Plans hold neither tensors nor angles. The axes of a state are its wires and the batch, in an order that the plan
tracks, so that no axis moves back before a group needs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from qlit.circuits import Circuit, Gate

BATCH = -1  # the batch axis, among wires numbered from 0

# Wires of a fused group. Five give about four gates per matrix product in ring-shaped circuits. A step of the paper's
# head (batch 16, 2 CPU cores) at 10 / 14 qubits took 73 / 552 ms with width 4, 76 / 361 with 5, 102 / 344 with 6.
# Groups of input angles have one matrix per sample, which must stay small compared with that sample's state.
PARAMETER_WIDTH = 5
ANGLE_WIDTH = 3
GROUPS_PER_CHUNK = 64  # bounds the memory of the fused matrices, whatever the depth of the circuit


@dataclass(frozen=True)
class Factor:
    """A CNOT from `control` to `target`, if there is one; then RY on `target`, if there is a slot; or a Pauli alone.

    In circuits of other gates every factor is one gate, which it names.

    Args:
        control: Control of the CNOT; None for none.
        target: Wire of the RY or the Pauli, and target of the CNOT.
        slot: Slot of the RY's angle; None for no RY.
        is_angle: Whether that slot is of an input angle rather than a parameter.
        pauli: "x" or "z" on `target`, with neither control nor slot; None for none.
        gate: The gate on `control`, if there is one, and `target` by the angle of `slot`, if there is one; None in
            circuits of RY, CNOT, X and Z.
    """

    control: int | None
    target: int
    slot: int | None = None
    is_angle: bool = False
    pauli: Literal["x", "z"] | None = None
    gate: Gate | None = None

    @property
    def wires(self) -> frozenset[int]:
        return frozenset({self.target} if self.control is None else {self.control, self.target})

    @property
    def is_bare_cnot(self) -> bool:
        return self.control is not None and self.slot is None


@dataclass(frozen=True)
class Group:
    """Factors that act on few wires, first to last, and those wires (first one the most significant bit)."""

    wires: tuple[int, ...]
    factors: tuple[Factor, ...]
    per_sample: bool


@dataclass(frozen=True)
class Move:
    """How to bring a state's axes into another order: sizes of merged runs of axes (BATCH: the batch), permutation."""

    runs: tuple[int, ...]
    permutation: tuple[int, ...]

    def shape(self, batch_size: int) -> tuple[int, ...]:
        """The shape to view the state in before the permutation."""
        return tuple(batch_size if size == BATCH else size for size in self.runs)


@dataclass(frozen=True)
class Step:
    """One use of a group's matrix, with the moves of axes before it: forward from the previous step, and back to it.

    Args:
        per_sample: Whether the matrix belongs to the chunk's `angle_groups` (one per sample) or `parameter_groups`.
        index: Index of the group there.
        arrive: Move from the order the previous step leaves behind.
        go_back: The inverse of it.
    """

    per_sample: bool
    index: int
    arrive: Move
    go_back: Move


@dataclass(frozen=True, eq=False)
class GroupSet:
    """Distinct groups of one kind, all equally wide, whose matrices are computed together.

    Args:
        groups: The groups.
        tables: Index tables of the groups, filled by `group_unitaries.py`.
    """

    groups: tuple[Group, ...]
    tables: dict[Any, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Chunk:
    """Consecutive steps and their distinct groups; the matrices of a repeated block are computed once."""

    steps: tuple[Step, ...]
    parameter_groups: GroupSet
    angle_groups: GroupSet


@dataclass(frozen=True)
class Plan:
    """A fused circuit: its chunks, and the move of axes from the last step to wire order and back.

    A state starts and ends as (batch, wire 0, wire 1, ..). `is_basic` and `is_real` are the circuit's.
    """

    chunks: tuple[Chunk, ...]
    finish: Move
    finish_back: Move
    is_basic: bool
    is_real: bool


def plan(circuit: Circuit) -> Plan:
    """Fuse a circuit."""
    factors = _factors(circuit) if circuit.is_basic else [_of_gate(gate) for gate in circuit]
    groups = _groups(factors, circuit.num_qubits)
    natural = (BATCH, *range(circuit.num_qubits))
    order = natural
    chunks: list[Chunk] = []
    for start in range(0, len(groups), GROUPS_PER_CHUNK):
        distinct: dict[bool, list[Group]] = {False: [], True: []}
        steps: list[Step] = []
        for group in groups[start : start + GROUPS_PER_CHUNK]:
            known = distinct[group.per_sample]
            if group not in known:
                known.append(group)
            rest = tuple(wire for wire in order if wire not in group.wires and wire != BATCH)
            # One matrix per sample: batched product over the leading axis. One for all samples: the batch adds columns.
            wanted = (BATCH, *group.wires, *rest) if group.per_sample else (*group.wires, *rest, BATCH)
            steps.append(Step(group.per_sample, known.index(group), _move(order, wanted), _move(wanted, order)))
            order = wanted
        chunks.append(Chunk(tuple(steps), GroupSet(tuple(distinct[False])), GroupSet(tuple(distinct[True]))))
    moves = _move(order, natural), _move(natural, order)
    return Plan(tuple(chunks), *moves, is_basic=circuit.is_basic, is_real=circuit.is_real)


def _factors(circuit: Circuit) -> list[Factor]:
    """Gates as factors; a CNOT directly followed by an RY of a parameter on its target makes one."""
    factors: list[Factor] = []
    for gate in circuit:
        target = gate.wires[-1]
        if gate.kind == "cnot":
            factors.append(Factor(gate.wires[0], target))
        elif gate.kind == "ry":
            before = factors[-1] if factors else None
            if gate.angle is not None:
                factors.append(Factor(None, target, gate.angle, is_angle=True))
            elif before is not None and before.is_bare_cnot and before.target == target:
                factors[-1] = Factor(before.control, target, gate.parameter)
            else:
                factors.append(Factor(None, target, gate.parameter))
        elif gate.kind in ("x", "z"):
            factors.append(Factor(None, target, pauli="x" if gate.kind == "x" else "z"))
        else:
            raise AssertionError(f"a circuit of RY, CNOT, X and Z has no {gate.name}")
    return factors


def _of_gate(gate: Gate) -> Factor:
    """A gate of a circuit with other gates than RY, CNOT, X and Z, as a factor alone."""
    control = gate.wires[0] if len(gate.wires) == 2 else None
    is_angle = gate.angle is not None
    return Factor(control, gate.wires[-1], gate.angle if is_angle else gate.parameter, is_angle, gate=gate)


def _groups(factors: list[Factor], num_qubits: int) -> list[Group]:
    remaining = list(factors)
    groups: list[Group] = []
    while remaining:
        per_sample = remaining[0].is_angle
        width = min(num_qubits, ANGLE_WIDTH if per_sample else PARAMETER_WIDTH)
        chosen = _choose(remaining[: 4 * num_qubits], width, num_qubits)
        wires = sorted({wire for k in chosen for wire in remaining[k].wires})
        # All matrices of a chunk are computed together, so idle wires widen narrow groups to the common width.
        wires += [wire for wire in range(num_qubits) if wire not in wires][: width - len(wires)]
        groups.append(Group(tuple(wires), tuple(remaining[k] for k in chosen), per_sample))
        taken = set(chosen)
        remaining = [factor for k, factor in enumerate(remaining) if k not in taken]
    return groups


def _choose(remaining: list[Factor], width: int, num_qubits: int) -> list[int]:
    """Positions of the factors of the next group; prefers factors that add few wires, then early ones."""
    chosen = [0]
    wires = set(remaining[0].wires)
    while True:
        blocked: set[int] = set()  # wires of factors left out: later factors on them are left out too
        best: tuple[int, int] | None = None  # (new wires, position)
        for k, factor in enumerate(remaining):
            if k in chosen:
                continue
            new = len(factor.wires - wires)
            fits = factor.is_angle == remaining[0].is_angle and len(wires) + new <= width
            if fits and not factor.wires & blocked and (best is None or new < best[0]):
                best = (new, k)
                if new == 0:
                    break
            blocked |= factor.wires
            if len(blocked) == num_qubits:
                break
        if best is None:
            return sorted(chosen)
        chosen.append(best[1])
        wires |= remaining[best[1]].wires


def _move(source: Sequence[int], target: Sequence[int]) -> Move:
    """The move from one order of axes to another, with axes that stay adjacent merged."""
    runs: list[list[int]] = []
    position = {axis: k for k, axis in enumerate(target)}
    for axis in source:
        follows = runs and BATCH not in (axis, runs[-1][-1]) and position[axis] == position[runs[-1][-1]] + 1
        if follows:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    sizes = tuple(BATCH if run == [BATCH] else 2 ** len(run) for run in runs)
    permutation = sorted(range(len(runs)), key=lambda k: position[runs[k][0]])
    return Move(sizes, tuple(permutation))
