"""The commands behind `qlit`, one module each."""

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
