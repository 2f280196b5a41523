"""Command lines, config files and the configs in checkpoints: read, checked, and refused in one sentence."""

__all__ = [
    "arguments",
    "checkpoint_classes",
    "checkpoint_config",
    "checkpoints",
    "classes",
    "models",
    "nulls",
    "options",
]
