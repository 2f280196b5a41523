"""The protocol of PQCs: what a torch module needs to take the PQC's place in a hybrid head.

Shapes: B batch, Q input angles, W outputs.
"""

from typing import Protocol, cast

import torch
from torch import Tensor, nn


class PQC(Protocol):
    """A torch module that maps angles (B, Q), radians, to expectation values (B, W) of the type of the angles.

    Any `nn.Module` with these two attributes and a `forward` fits. These methods are called if it has them:
    `seed_shots(seed, first_row, num_rows)` and `seed_rows(seeds)` fix its random numbers as in `Head`, `randomness`
    names them, `make_exact()` turns them off, and `measure_for(num_logits)` may choose the number of outputs.
    """

    num_qubits: int
    """Q, number of input angles of a sample."""
    num_outputs: int
    """W, number of expectation values of a sample."""

    def __call__(self, angles_BQ: Tensor, /) -> Tensor: ...


class OutputError(ValueError):
    """Outputs of a PQC that have another shape or type than its protocol says."""


def checked_pqc(module: nn.Module) -> PQC:
    """The module as a PQC.

    Raises:
        ValueError: If it lacks `num_qubits` or `num_outputs`.
    """
    for name in ("num_qubits", "num_outputs"):
        value = getattr(module, name, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            has = f"has {name}={value!r}" if hasattr(module, name) else f"has no `{name}`"
            raise ValueError(
                "A PQC is a torch module with the attributes `num_qubits` (input angles) and `num_outputs` "
                f"(expectation values), both at least 1, but {_name(module)} {has}."
            )
    return cast(PQC, module)


def check_outputs(pqc: PQC, angles_BQ: Tensor, outputs: object, *, name: str = "", way_out: str = "") -> Tensor:
    """The outputs of a PQC, if they have the shape and type that its protocol says.

    Args:
        pqc: The PQC.
        angles_BQ: Its angles.
        outputs: Its outputs.
        name: Its name in messages; by default its class.
        way_out: What to do about a wrong shape, appended to the message.

    Raises:
        OutputError: If they have another shape or type.
    """
    shape, name = (len(angles_BQ), pqc.num_outputs), name or _name(pqc)
    if not isinstance(outputs, Tensor):
        raise OutputError(f"{name} must return a tensor of shape {shape}, but returned a {type(outputs).__name__}.")
    if outputs.shape != shape:
        raise OutputError(
            f"{name} returned shape {tuple(outputs.shape)} for angles of shape {tuple(angles_BQ.shape)}, but has "
            f"num_outputs={pqc.num_outputs}, so the shape must be {shape}{way_out}."
        )
    if outputs.dtype != angles_BQ.dtype:
        raise OutputError(f"{name} returned {outputs.dtype} for angles of {angles_BQ.dtype}: return the same type.")
    return outputs


@torch.no_grad()
def try_pqc(pqc: PQC) -> None:
    """Run a PQC once on angles of zero, in evaluation, and check its outputs; random numbers continue as before.

    Raises:
        ValueError: If it fails, or its outputs have another shape or type than its protocol says.
    """
    module = cast(nn.Module, pqc)
    num_samples = 2 if pqc.num_qubits != 2 else 3  # unequal, so that a mix-up of the axes shows
    like = next(module.parameters(), torch.empty(0))
    angles_BQ = torch.zeros(num_samples, pqc.num_qubits, dtype=like.dtype, device=like.device)
    was_training = module.training
    module.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            outputs = pqc(angles_BQ)
    except OutputError:
        raise
    except Exception as error:  # a module of a user may raise anything
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{_name(pqc)} failed on angles of zero, shape {tuple(angles_BQ.shape)}: {type(error).__name__}: {reason}"
        ) from error
    finally:
        module.train(was_training)
    check_outputs(pqc, angles_BQ, outputs)


def _name(module: object) -> str:
    return type(module).__name__
