"""The order of steps: windows of basis bits that fit shared memory, and groups of three bits that fit registers.

A step may run before earlier ones if it commutes with them: their targets differ, and neither's target is the other's
control. Bits are chosen greedily: the first step that may run brings its target, and all steps that may run on the bits
chosen so far follow.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qlit.engines.cuda.steps import Step

GROUP_BITS = 3
GROUP_STEPS = 32  # at most; as kGroupSteps of the kernels
_LOW_BITS = 4  # in every window, so that neighbouring threads read neighbouring amplitudes


class Group(NamedTuple):
    """Steps that run on three basis bits, ascending, in order."""

    bits: tuple[int, ...]
    steps: tuple[Step, ...]


class Window(NamedTuple):
    """Groups that run on the same basis bits, ascending, in order."""

    bits: tuple[int, ...]
    groups: tuple[Group, ...]


def windows_of(steps: Sequence[Step], num_bits: int, window_bits: int) -> list[Window]:
    """Windows of at most `window_bits` of `num_bits` basis bits; one of all bits, if they fit.

    Args:
        steps: Steps in the order of the circuit.
        num_bits: Basis bits, at least 3.
        window_bits: Bits of a window, at least 4 if they are fewer than all.
    """
    if num_bits <= window_bits:
        every = tuple(range(num_bits))
        return [Window(every, _groups(steps, every))] if steps else []
    low = range(min(_LOW_BITS, window_bits - GROUP_BITS))
    return [
        Window(bits, _groups(chosen, bits)) for bits, chosen in _packed(steps, range(num_bits), window_bits, always=low)
    ]


def _groups(steps: Sequence[Step], bits: Sequence[int]) -> tuple[Group, ...]:
    return tuple(Group(chosen, own) for chosen, own in _packed(steps, bits, GROUP_BITS, most_steps=GROUP_STEPS))


def _packed(
    steps: Sequence[Step],
    bits: Sequence[int],
    capacity: int,
    *,
    always: Iterable[int] = (),
    most_steps: int | None = None,
) -> list[tuple[tuple[int, ...], tuple[Step, ...]]]:
    """Steps in sets whose targets are at most `capacity` of `bits`; every set has `capacity` bits."""
    packed = []
    remaining = list(steps)
    while remaining:
        chosen = set(always)
        taken: list[Step] = []
        left: list[Step] = []
        left_targets: set[int] = set()
        left_controls: set[int | None] = set()
        for step in remaining:
            may_run = (
                step.target not in left_targets
                and step.target not in left_controls
                and step.control not in left_targets
                and (step.target in chosen or len(chosen) < capacity)
                and (most_steps is None or len(taken) < most_steps)
            )
            if may_run:
                taken.append(step)
                chosen.add(step.target)
            else:
                left.append(step)
                left_targets.add(step.target)
                left_controls.add(step.control)
        spare = [bit for bit in bits if bit not in chosen]
        packed.append((tuple(sorted([*chosen, *spare[: capacity - len(chosen)]])), tuple(taken)))
        remaining = left
    return packed
