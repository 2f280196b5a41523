"""Where heads that scikit-learn fits meet Lightning: one fit before the only epoch, which then just scores."""

import lightning.pytorch as pl

from qlit.heads import EstimatorHead
from qlit.training.datamodule import SentenceDataModule


def fit_estimator(head: EstimatorHead, data: SentenceDataModule, trainer: pl.Trainer) -> None:
    """Fit a head to the training split of a data module.

    Raises:
        ValueError: If the trainer would do more than fit once in one process, or the body is trainable.
    """
    if trainer.max_epochs != 1:
        raise ValueError(
            f"{type(head).__name__} is fitted once, so `trainer.max_epochs` must be 1, but is {trainer.max_epochs}."
        )
    if trainer.world_size > 1:
        raise ValueError(
            f"{type(head).__name__} is fitted in one process, but there are {trainer.world_size}: set "
            "`trainer.devices` to 1."
        )
    embeddings = data.train_embeddings
    if embeddings is None:
        raise ValueError(
            f"{type(head).__name__} is fitted once, but a trainable body moves its embeddings: set "
            "`trainable_body: false`."
        )
    head.fit(embeddings, data.train_labels)
