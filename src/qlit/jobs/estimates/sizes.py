"""Numbers of training and validation sentences of a config, read from the data only if they depend on it."""

from qlit.data.cuts import train_and_validation_sizes
from qlit.heads import Head
from qlit.training.datamodule import SentenceDataModule


def sizes_before_reading(head: Head, data: SentenceDataModule) -> tuple[int, int]:
    """Numbers of training and validation sentences; few-shot splits need only the head's number of classes.

    Raises:
        ValueError: If a number of the data module is out of range.
        ValueError, FileNotFoundError, ConnectionError: With given splits, as `Sources.load` and `given_split`.
    """
    if data.sources.splits == "few_shot":
        assert data.num_per_label is not None
        return train_and_validation_sizes(
            head.num_classes, num_per_label=data.num_per_label, train_fraction=data.train_fraction
        )
    split = data.split_of(data.sources.load())
    return len(split.train), len(split.validation)
