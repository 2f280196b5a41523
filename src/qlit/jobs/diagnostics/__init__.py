"""Diagnostics of circuits: with random parameters at several widths, and after a training."""

__all__ = [
    "families",
    "sampling",
    "trained_states",
]
