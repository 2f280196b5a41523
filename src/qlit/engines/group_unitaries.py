"""Matrices of fused groups, computed together, and the gradients of their angles.

A group's matrix is a product of factors RY(theta) CNOT, X or Z on K = 2**width rows. A factor acts on whole rows, so a
product of many small sparse matrices becomes a few row lookups for all groups at once:

    row i of CNOT(c, t) M  is  row same(i) of M, that is i with bit t flipped where bit c is set
    row i of X(t) M        is  row same(i) of M, that is i with bit t flipped
    row i of Z(t) M        is  M[i], with its sign changed where bit t is set
    row i of RY(theta) M   is  cos(theta / 2) M[i] + sign(i) sin(theta / 2) M[i with bit t flipped]

X and Z are factors with a fixed angle of 0; the sign of Z is part of the cosine.

Backwards, with D = dL/dM behind a factor and M its result: dL/dtheta = <D, J M> / 2 since dRY/dtheta = J RY / 2, where
J M has rows sign(i) M[i with bit t flipped]; and D in front of the factor is its transpose times D.

Shapes: L matrices of a group (1, or one per sample), S slots (parameters or angles), G groups, F factors of the longest
group, K rows of a matrix, R = G * K rows of all.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from qlit.engines.fusion import Factor, GroupSet


class GroupUnitaries:
    """The matrices of a set of groups for given angles.

    Args:
        group_set: Groups of one width.
        angles_LS: Radians, shape (L, S).
    """

    def __init__(self, group_set: GroupSet, angles_LS: Tensor) -> None:
        self._tables = tables = _tables_of(group_set, angles_LS)
        half_LGF = torch.nn.functional.pad(angles_LS / 2, (0, 1))[:, tables.slots]
        self._cos_FLR1 = _by_row(half_LGF.cos(), tables.size) * tables.z_signs
        self._sin_FLR1 = _by_row(half_LGF.sin(), tables.size)
        identity = torch.eye(tables.size, dtype=angles_LS.dtype, device=angles_LS.device)
        self._products = [identity.repeat(len(angles_LS), len(group_set.groups), 1)]  # (L, R, K), growing by factors
        for f, factor in enumerate(tables.factors):
            rows = self._products[-1]
            self._products.append(
                self._cos_FLR1[f] * rows.index_select(1, factor.same)
                + (self._sin_FLR1[f] * factor.sign) * rows.index_select(1, factor.other)
            )
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
        by_factor: list[Tensor] = []  # (L, G) each, last factor first
        for f in reversed(range(len(tables.factors))):
            factor = tables.factors[f]
            generated = self._products[f + 1].index_select(1, factor.flip) * factor.sign
            by_factor.append((rows * generated).reshape(num_matrices, num_groups, tables.size**2).sum(dim=2) / 2)
            rows = self._cos_FLR1[f] * rows.index_select(1, factor.same) - (
                self._sin_FLR1[f] * factor.sign_of_same
            ) * rows.index_select(1, factor.other)
        by_slot = torch.zeros(
            num_matrices, by_angle_LS.shape[1] + 1, dtype=by_angle_LS.dtype, device=by_angle_LS.device
        )
        by_factor_LGF = torch.stack(by_factor[::-1], dim=2)
        by_slot.index_add_(1, tables.slots.flatten(), by_factor_LGF.flatten(1))
        by_angle_LS += by_slot[:, :-1]


@dataclass(frozen=True)
class _FactorTables:
    """Rows that one factor of every group reads, over the stacked rows of all groups; shape (R,), signs (R, 1)."""

    same: Tensor
    other: Tensor
    flip: Tensor
    sign: Tensor
    sign_of_same: Tensor


@dataclass(frozen=True)
class _Tables:
    size: int  # K
    slots: Tensor  # (G, F); S where a factor has no slot: an angle of zero
    z_signs: Tensor  # (F, 1, R, 1): -1 in the rows whose sign a factor's Z changes, 1 elsewhere
    factors: list[_FactorTables]


def _tables_of(group_set: GroupSet, angles_LS: Tensor) -> _Tables:
    """Tables of a set of groups, kept with it: of one number of slots, type and device each."""
    key = (angles_LS.shape[1], angles_LS.dtype, angles_LS.device)
    tables: _Tables | None = group_set.tables.get(key)
    if tables is None:
        tables = group_set.tables[key] = _make_tables(group_set, *key)
    return tables


@torch.inference_mode(False)  # an evaluation may ask first, and a training needs tables that autograd can save
def _make_tables(group_set: GroupSet, num_slots: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    groups = group_set.groups
    size = 2 ** len(groups[0].wires) if groups else 1
    num_factors = max((len(group.factors) for group in groups), default=0)
    row = torch.arange(size)
    first_row = size * torch.arange(len(groups))[:, None]
    slot_GF = torch.full((len(groups), num_factors), num_slots)
    z_signs_FGK = torch.ones(num_factors, len(groups), size)
    factors: list[_FactorTables] = []
    for f in range(num_factors):
        same, flip = row.repeat(len(groups), 1), row.repeat(len(groups), 1)
        sign = torch.zeros(len(groups), size)
        for g, group in enumerate(groups):
            if f >= len(group.factors):
                continue  # shorter groups end with identities: equal rows, sign 0
            factor = group.factors[f]
            bit = {wire: 1 << (len(group.wires) - 1 - k) for k, wire in enumerate(group.wires)}
            same[g] = _same(row, factor, bit)
            flip[g] = row ^ bit[factor.target]
            if factor.pauli == "z":
                z_signs_FGK[f, g, (row & bit[factor.target]) != 0] = -1.0
            sign[g] = torch.where((row & bit[factor.target]) == 0, -1.0, 1.0)
            if factor.slot is not None:
                slot_GF[g, f] = factor.slot
        factors.append(
            _FactorTables(
                same=(same + first_row).flatten().to(device),
                other=(same.gather(1, flip) + first_row).flatten().to(device),
                flip=(flip + first_row).flatten().to(device),
                sign=sign.flatten()[:, None].to(dtype=dtype, device=device),
                sign_of_same=sign.gather(1, same).flatten()[:, None].to(dtype=dtype, device=device),
            )
        )
    z_signs = z_signs_FGK.flatten(1)[:, None, :, None].to(dtype=dtype, device=device)
    return _Tables(size, slot_GF.to(device), z_signs, factors)


def _same(row_K: Tensor, factor: Factor, bit: dict[int, int]) -> Tensor:
    """For every row, the row that a factor's CNOT or X moves to it; the row itself without either."""
    if factor.pauli == "x":
        return row_K ^ bit[factor.target]
    if factor.control is None:
        return row_K
    return torch.where((row_K & bit[factor.control]) == 0, row_K, row_K ^ bit[factor.target])


def _by_row(values_LGF: Tensor, size: int) -> Tensor:
    """A value per group and factor, spread over the group's rows; shape (F, L, R, 1)."""
    return values_LGF.repeat_interleave(size, dim=1).permute(2, 0, 1).unsqueeze(3).contiguous()
