"""Heads as scikit-learn estimators over arrays of embeddings."""

from qlit.sklearn.classifier import HeadClassifier

__all__ = ["HeadClassifier"]
