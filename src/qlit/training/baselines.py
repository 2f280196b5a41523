"""Fit scikit-learn heads within Lightning: one fit before the only epoch, which then only computes scores."""

import lightning.pytorch as pl

from qlit.heads import EstimatorHead
from qlit.training.checks import check_fitted_once
from qlit.training.datamodule import SentenceDataModule


def fit_estimator(head: EstimatorHead, data: SentenceDataModule, trainer: pl.Trainer) -> None:
    """Fit a head to the training split of a data module.

    Raises:
        ValueError: As in `check_fitted_once`.
    """
    check_fitted_once(head, max_epochs=trainer.max_epochs, num_processes=trainer.world_size)
    embeddings = data.train_embeddings
    assert embeddings is not None, "`check_head` refuses a trainable body"
    head.fit(embeddings, data.train_labels)
