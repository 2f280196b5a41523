"""The commands of `qlit`, one module per command."""

__all__ = [
    "compare",
    "describe",
    "export",
    "finetune",
    "predict",
    "study",
    "sync",
    "table",
    "train",
]
