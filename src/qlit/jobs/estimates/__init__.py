"""Estimates before a training: memory, time, and circuits sent to a device."""

__all__ = ["circuits", "energy", "executions", "measurement", "operations", "sizes", "training"]
