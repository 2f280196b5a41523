"""The torch engine: batched statevectors, fused gates, adjoint differentiation; runs wherever torch runs.

The forward pass keeps only the final state. The backward pass visits the circuit from its end: it undoes every
group of gates on the state (U is unitary, so its inverse is its conjugate transpose), propagates the cotangent with the
same matrix, and the outer product of the two is the gradient with respect to U. Memory is a handful of statevector
batches, whatever the depth. Statevectors are complex only in circuits with complex gates.
Source: adjoint differentiation, arXiv:2009.02823; the fused groups are in `fusion.py`.

Shapes: B batch, P parameters, A input angles, N = 2**num_qubits amplitudes; G groups of a chunk, K = 2**width of a
group; L matrices of a group: 1, or B where it reads input angles.
"""

from typing import Any, ClassVar, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines import fusion
from qlit.engines.fusion import Chunk, GroupSet, Move, Plan, Step
from qlit.engines.general_unitaries import GeneralUnitaries
from qlit.engines.group_unitaries import GroupUnitaries
from qlit.engines.memory import check_states
from qlit.engines.request import Capabilities, Request
from qlit.engines.statevector import StatevectorEngine


@final
class TorchEngine(StatevectorEngine):
    """Statevectors in float32 or float64 on any torch device; complex of that precision where gates are complex.

    In float32 on a GPU, keep torch's default matmul precision ("highest"): TF32 would round to 10 bits.
    """

    name: ClassVar[str] = "torch"
    # The peak is in the backward sweep; measured against real steps in tests/commands/test_cost.py.
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=24, dtypes=(torch.float32, torch.float64), states_at_peak=7, all_gates=True, replayable=True
    )

    def _prepare(self, circuit: Circuit) -> Plan:
        return fusion.plan(circuit)

    def _statevector(self, request: Request) -> Tensor:
        check_states(
            2 if request.circuit.is_real else 4, request.batch_size, request.circuit.num_qubits, request.parameters
        )  # memory of the forward pass alone
        final_BN: Tensor = _AdjointSweep.apply(  # type: ignore[no-untyped-call]
            request.compiled.prepared_by(self), request.parameters, request.angles, request.initial_state()
        )
        return final_BN


class _AdjointSweep(torch.autograd.Function):
    """Final statevectors of a planned circuit, with the adjoint sweep as its backward pass."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, parameters_P: Tensor, angles_BA: Tensor | None, initial_BN: Tensor) -> Tensor:
        batch_size = len(initial_BN)
        state = (initial_BN if plan.is_real else initial_BN.to(initial_BN.dtype.to_complex())).unsqueeze(0)
        for chunk in plan.chunks:
            matrices = _Matrices(plan, chunk, parameters_P, angles_BA)
            for step in chunk.steps:
                unitary_LKK = matrices.of(step)
                state = torch.bmm(unitary_LKK, _columns(_moved(state, 1, step.arrive, batch_size), unitary_LKK))
        final_BN = _moved(state, 1, plan.finish, batch_size).reshape(initial_BN.shape)
        ctx.plan = plan
        ctx.save_for_backward(parameters_P, angles_BA, final_BN)
        return final_BN

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent_BN: Tensor) -> tuple[None, Tensor, Tensor | None, Tensor]:
        plan: Plan = ctx.plan
        parameters_P, angles_BA, final_BN = ctx.saved_tensors
        batch_size = len(final_BN)
        by_parameter_P = torch.zeros_like(parameters_P)
        by_angle_BA = None if angles_BA is None else torch.zeros_like(angles_BA)

        # State and cotangent are one tensor with a leading axis of two, which halves the number of calls.
        pair = _moved(torch.stack((final_BN, cotangent_BN)), 2, plan.finish_back, batch_size)
        for chunk in reversed(plan.chunks):
            matrices = _Matrices(plan, chunk, parameters_P, angles_BA)
            for step in reversed(chunk.steps):
                undo_LKK = matrices.of(step).mH
                num_matrices = len(undo_LKK)
                after = _columns(pair, undo_LKK)
                twice = undo_LKK.repeat(2, 1, 1) if step.per_sample else undo_LKK.expand(2, -1, -1)
                before = torch.bmm(twice, after)
                matrices.accumulate(step, torch.bmm(after[num_matrices:], before[:num_matrices].mH))
                pair = _moved(before, 2, step.go_back, batch_size)
            matrices.add_gradients(by_parameter_P, by_angle_BA)
        by_initial_BN = pair[1].reshape(final_BN.shape)
        return None, by_parameter_P, by_angle_BA, by_initial_BN if plan.is_real else by_initial_BN.real


def _moved(states: Tensor, lead: int, move: Move, batch_size: int) -> Tensor:
    """`lead` states with their axes in the move's order; shape (lead, *axes), a view."""
    return states.reshape(lead, *move.shape(batch_size)).permute(0, *(1 + axis for axis in move.permutation))


def _columns(states: Tensor, unitaries_LKK: Tensor) -> Tensor:
    """`lead` states as columns for their group's matrices; shape (lead * L, K, rest), rest includes B if L is 1."""
    lead, (num_matrices, size) = states.shape[0], unitaries_LKK.shape[:2]
    rest = states[0].numel() // (max(1, num_matrices) * size)
    return states.reshape(lead * num_matrices, size, rest)


class _Matrices:
    """The matrices of a chunk's groups, and their gradients, which the backward pass accumulates."""

    def __init__(self, plan: Plan, chunk: Chunk, parameters_P: Tensor, angles_BA: Tensor | None) -> None:
        self._shared = _unitaries(plan, chunk.parameter_groups, parameters_P.unsqueeze(0))
        self._per_sample = None
        if chunk.angle_groups.groups:
            assert angles_BA is not None, "the interface checks that angles are given when the circuit reads them"
            self._per_sample = _unitaries(plan, chunk.angle_groups, angles_BA)

    def _of_kind(self, step: Step) -> GroupUnitaries | GeneralUnitaries:
        if not step.per_sample:
            return self._shared
        assert self._per_sample is not None
        return self._per_sample

    def of(self, step: Step) -> Tensor:
        """The step's matrix, shape (L, K, K)."""
        return self._of_kind(step).unitaries_LGKK[:, step.index]

    def accumulate(self, step: Step, by_unitary_LKK: Tensor) -> None:
        self._of_kind(step).by_unitary_LGKK[:, step.index] += by_unitary_LKK

    def add_gradients(self, by_parameter_P: Tensor, by_angle_BA: Tensor | None) -> None:
        self._shared.add_gradient(by_parameter_P.unsqueeze(0))
        if self._per_sample is not None and by_angle_BA is not None:
            self._per_sample.add_gradient(by_angle_BA)


def _unitaries(plan: Plan, groups: GroupSet, angles_LS: Tensor) -> GroupUnitaries | GeneralUnitaries:
    if plan.is_basic:
        return GroupUnitaries(groups, angles_LS)
    return GeneralUnitaries(groups, angles_LS, is_complex=not plan.is_real)
