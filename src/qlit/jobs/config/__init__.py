"""Read and check command lines, config files and configs in checkpoints; every error is one sentence."""

__all__ = [
    "arguments",
    "checkpoint_classes",
    "checkpoint_config",
    "checkpoints",
    "classes",
    "head_sizes",
    "models",
    "nulls",
    "options",
    "schema",
    "trained_models",
]
