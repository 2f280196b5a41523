"""Training with Lightning: data module, classifier, loop, scores, checkpoints, figures."""

__all__ = [
    "arrays",
    "averaging",
    "checkpoints",
    "checks",
    "datamodule",
    "diagnostic_figures",
    "epoch_loop",
    "evaluation",
    "figures",
    "finders",
    "fit_notices",
    "logits",
    "module",
    "positions",
    "progress",
    "scores",
    "sentence_model",
    "signals",
    "turns",
]
