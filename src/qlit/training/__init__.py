"""Everything that knows Lightning."""

__all__ = [
    "checkpoints",
    "checks",
    "datamodule",
    "epoch_loop",
    "evaluation",
    "figures",
    "finders",
    "fit_notices",
    "module",
    "positions",
    "progress",
    "scores",
]
