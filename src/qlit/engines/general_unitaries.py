"""Matrices of fused groups of any gates, computed together, and the gradients of their angles.

`group_unitaries.py` does the same for RY, CNOT, X and Z in fewer steps. Every gate of `qlit.circuits` mixes a row of a
matrix with the row whose bit of the gate's target is flipped:

    row i of (gate M)  is  D_i M[i] + O_i M[i with the target's bit flipped]

    D_i = d0_i + dc_i cos(theta / 2) + ds_i sin(theta / 2), and O_i likewise

RX has D = cos, O = -i sin; RZ has D = cos -+ i sin; H has D = +-1 / sqrt(2), O = 1 / sqrt(2). Rows where a control is 0
have D = 1 and O = 0. Coefficients are complex, or real if all gates of the circuit are.

Backwards, with C = dL/dM in the sense dL = Re sum(conj(C) dM): dL/dtheta = Re sum(conj(C) (D' M + O' M[flipped])) with
the derivatives D' and O', and C in front of the gate is the gate's conjugate transpose times C.

Shapes: L matrices of a group (1, or one per sample), S slots (parameters or angles), G groups, F factors of the longest
group, K rows of a matrix, R = G * K rows of all.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qlit.circuits import Gate
from qlit.engines.fusion import GroupSet


class GeneralUnitaries:
    """The matrices of a set of groups for given angles.

    Args:
        group_set: Groups of one width, of factors that name their gates.
        angles_LS: Radians, shape (L, S).
        is_complex: Whether matrices are complex.
    """

    def __init__(self, group_set: GroupSet, angles_LS: Tensor, *, is_complex: bool) -> None:
        self._tables = tables = _tables_of(group_set, angles_LS, is_complex)
        half_LGF = torch.nn.functional.pad(angles_LS / 2, (0, 1))[:, tables.slots] + tables.fixed_halves
        self._cos_FLR1 = _by_row(half_LGF.cos(), tables.size)
        self._sin_FLR1 = _by_row(half_LGF.sin(), tables.size)
        # Factors that mix rows: D and O of all factors at once.
        self._diagonal_FLR1 = tables.diagonal.at(self._cos_FLR1, self._sin_FLR1)
        self._flipped_FLR1 = tables.flipped.at(self._cos_FLR1, self._sin_FLR1)
        identity = torch.eye(tables.size, dtype=tables.diagonal.constant.dtype, device=angles_LS.device)
        self._products = [identity.repeat(len(angles_LS), len(group_set.groups), 1)]  # (L, R, K), growing by factors
        for f, other in enumerate(tables.others):
            rows = self._products[-1]
            self._products.append(self._diagonal_FLR1[f] * rows + self._flipped_FLR1[f] * rows.index_select(1, other))
        shape = (len(angles_LS), len(group_set.groups), tables.size, tables.size)
        #: The matrices, shape (L, G, K, K).
        self.unitaries_LGKK = self._products[-1].reshape(shape)
        #: dL/d(matrix), shape (L, G, K, K), for the caller to add up.
        self.by_unitary_LGKK = torch.zeros_like(self.unitaries_LGKK)

    def add_gradient(self, by_angle_LS: Tensor) -> None:
        """Add the gradients of the angles, from `by_unitary_LGKK`, to `by_angle_LS`, shape (L, S), in place."""
        tables = self._tables
        num_matrices, num_groups = self.unitaries_LGKK.shape[:2]
        if not num_groups:
            return
        rows = self.by_unitary_LGKK.flatten(1, 2)
        diagonal_FLR1 = tables.diagonal.slope_at(self._cos_FLR1, self._sin_FLR1)
        flipped_FLR1 = tables.flipped.slope_at(self._cos_FLR1, self._sin_FLR1)
        by_factor: list[Tensor] = []  # (L, G) each, last factor first
        for f in reversed(range(len(tables.others))):
            other, before = tables.others[f], self._products[f]
            slope = diagonal_FLR1[f] * before + flipped_FLR1[f] * before.index_select(1, other)
            terms = (rows.conj() * slope).reshape(num_matrices, num_groups, tables.size**2).sum(dim=2)
            by_factor.append(terms.real if terms.is_complex() else terms)
            rows = self._diagonal_FLR1[f].conj() * rows + (self._flipped_FLR1[f].conj() * rows).index_select(1, other)
        by_slot = torch.zeros(
            num_matrices, by_angle_LS.shape[1] + 1, dtype=by_angle_LS.dtype, device=by_angle_LS.device
        )
        by_slot.index_add_(1, tables.slots.flatten(), torch.stack(by_factor[::-1], dim=2).flatten(1))
        by_angle_LS += by_slot[:, :-1]


@dataclass(frozen=True)
class _Coefficients:
    """constant + cosine * cos(theta / 2) + sine * sin(theta / 2) of every factor and row, shape (F, 1, R, 1) each."""

    constant: Tensor
    cosine: Tensor
    sine: Tensor

    def at(self, cos: Tensor, sin: Tensor) -> Tensor:
        """The values."""
        return self.constant + self.cosine * cos + self.sine * sin

    def slope_at(self, cos: Tensor, sin: Tensor) -> Tensor:
        """The derivatives by theta."""
        return (self.sine * cos - self.cosine * sin) / 2


@dataclass(frozen=True)
class _Tables:
    size: int  # K
    slots: Tensor  # (G, F); S where a factor has no slot: an angle of zero
    fixed_halves: Tensor  # (G, F), half of the fixed angles, 0 elsewhere
    others: list[Tensor]  # for every factor, the row whose bit of the target is flipped; shape (R,)
    diagonal: _Coefficients
    flipped: _Coefficients


def _tables_of(group_set: GroupSet, angles_LS: Tensor, is_complex: bool) -> _Tables:
    """Tables of a set of groups, kept with it: of one number of slots, type and device each."""
    dtype = angles_LS.dtype.to_complex() if is_complex else angles_LS.dtype
    key = (angles_LS.shape[1], dtype, angles_LS.device)
    tables: _Tables | None = group_set.tables.get(key)
    if tables is None:
        tables = group_set.tables[key] = _make_tables(group_set, angles_LS.dtype, *key)
    return tables


@torch.inference_mode(False)  # an evaluation may ask first, and a training needs tables that autograd can save
def _make_tables(
    group_set: GroupSet, angle_dtype: torch.dtype, num_slots: int, dtype: torch.dtype, device: torch.device
) -> _Tables:
    groups = group_set.groups
    size = 2 ** len(groups[0].wires) if groups else 1
    num_factors = max((len(group.factors) for group in groups), default=0)
    row = torch.arange(size)
    first_row = size * torch.arange(len(groups))[:, None]
    slots_GF = torch.full((len(groups), num_factors), num_slots)
    halves_GF = torch.zeros(len(groups), num_factors, dtype=torch.float64)
    coefficients = torch.zeros(6, num_factors, len(groups), size, dtype=torch.complex128)
    coefficients[0] = 1  # shorter groups end with identities
    others = []
    for f in range(num_factors):
        flip_GK = row.repeat(len(groups), 1)
        for g, group in enumerate(groups):
            if f >= len(group.factors):
                continue
            factor = group.factors[f]
            assert factor.gate is not None, "plans of general circuits keep their gates"
            bit = {wire: 1 << (len(group.wires) - 1 - k) for k, wire in enumerate(group.wires)}
            flip_GK[g] = row ^ bit[factor.target]
            coefficients[:, f, g] = _of_gate(factor.gate, row, bit)
            if factor.slot is not None:
                slots_GF[g, f] = factor.slot
            elif factor.gate.value is not None:
                halves_GF[g, f] = factor.gate.value / 2
        others.append((flip_GK + first_row).flatten().to(device))
    if not dtype.is_complex:
        assert not coefficients.imag.any(), "a circuit is real if all of its gates are"
        coefficients = coefficients.real
    d0, dc, ds, o0, oc, os = (each.flatten(1)[:, None, :, None].to(dtype=dtype, device=device) for each in coefficients)
    return _Tables(
        size,
        slots_GF.to(device),
        halves_GF.to(dtype=angle_dtype, device=device),
        others,
        _Coefficients(d0, dc, ds),
        _Coefficients(o0, oc, os),
    )


def _of_gate(gate: Gate, row_K: Tensor, bit: dict[int, int]) -> Tensor:
    """d0, dc, ds, o0, oc and os of every row, complex, shape (6, K)."""
    of_row = torch.zeros(6, len(row_K), dtype=torch.complex128)
    d0, dc, ds, o0, _, os = of_row.unbind()
    sign_K = torch.where((row_K & bit[gate.wires[-1]]) == 0, 1.0, -1.0).to(torch.complex128)
    match gate.kind:
        case "rx" | "crx":
            dc += 1
            os -= 1j
        case "ry" | "cry":
            dc += 1
            os -= sign_K
        case "rz" | "crz":
            dc += 1
            ds -= 1j * sign_K
        case "h":
            d0 += sign_K / math.sqrt(2)
            o0 += 1 / math.sqrt(2)
        case "x" | "cnot":
            o0 += 1
        case "z" | "cz":
            d0 += sign_K
    if len(gate.wires) == 2:
        idle_K = (row_K & bit[gate.wires[0]]) == 0
        of_row[:, idle_K] = 0
        d0[idle_K] = 1
    return of_row


def _by_row(values_LGF: Tensor, size: int) -> Tensor:
    """A value per group and factor, spread over the group's rows; shape (F, L, R, 1)."""
    return values_LGF.repeat_interleave(size, dim=1).permute(2, 0, 1).unsqueeze(3).contiguous()
