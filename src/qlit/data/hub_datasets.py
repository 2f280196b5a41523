"""Rows of a data set on the Hugging Face hub, all splits pooled."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qlit.data.files import Row
from qlit.data.hub import require_hub

_WAYS_OUT = (
    "give a local file or folder, or 'sample', or owner/name:config if a configuration of it is cached, "
    "or set HF_HOME to a copy of the Hugging Face cache of a machine that has it"
)
_SPLIT_ORDER = ("train", "dev", "validation", "valid", "test")


def read_hub(source: str, *, text_column: str, label_column: str) -> tuple[list[Row], Sequence[str] | None]:
    """All labelled rows of a hub data set, and the names of its classes if it has them.

    A split whose labels are all -1, a test set with hidden labels, is left out with a warning.

    Args:
        source: `owner/name` or `owner/name:config`.
        text_column: Column of the sentences.
        label_column: Column of the labels.
    Raises:
        ConnectionError: If it is not cached and the hub does not answer, or the network is forbidden.
        ValueError: If there is no such data set, configuration or column.
    """
    from datasets import ClassLabel

    name, _, config = source.partition(":")
    splits = _load(name, config or None)
    rows: list[Row] = []
    hidden: list[str] = []
    class_names: Sequence[str] | None = None
    ranks = {split: rank for rank, split in enumerate(_SPLIT_ORDER)}
    for split in sorted(splits, key=lambda split: (ranks.get(split, len(ranks)), split)):
        table = splits[split]
        for column, option in ((text_column, "text_column"), (label_column, "label_column")):
            if column not in table.column_names:
                raise ValueError(
                    f"Split {split!r} of {source} has no column {column!r}; it has {table.column_names}. "
                    f"Set `{option}`."
                )
        labels = list(table[label_column])
        if labels and all(label == -1 for label in labels):
            hidden.append(split)
            continue
        if isinstance(feature := table.features[label_column], ClassLabel):
            class_names = feature.names
            labels = [None if label == -1 else label for label in labels]
        for number, (text, label) in enumerate(zip(table[text_column], labels, strict=True), start=1):
            rows.append(Row(text, label, f"row {number} of split {split!r} of {source}"))
    if hidden:
        warnings.warn(f"{source}: left out {', '.join(hidden)}, whose labels are all -1 (hidden).", stacklevel=3)
    return rows, class_names


def _load(name: str, config: str | None) -> Any:
    """The splits by name: from the cache if they are there, else from the hub."""
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    cached = _load_cached(name, config)
    if cached is not None:
        return cached
    source = f"the data set {name}" + (f" ({config})" if config else "")
    require_hub(source, _WAYS_OUT, offline=datasets.config.HF_HUB_OFFLINE)
    try:
        return datasets.load_dataset(name, config)
    except DatasetNotFoundError as error:
        raise ValueError(
            f"{source[0].upper()}{source[1:]} is not at {datasets.config.HF_ENDPOINT}, or is private: check the name, "
            "set HF_TOKEN, or give a local file or folder."
        ) from error


def _load_cached(name: str, config: str | None) -> Any | None:
    import datasets

    try:
        with _only_cached():
            splits = datasets.load_dataset(name, config)
    except (ConnectionError, FileNotFoundError, ValueError):  # how datasets says that it is not cached
        return None
    # With no configuration asked for, the cache gives the one that was used last, whatever the hub's default is.
    used = next(iter(splits.values())).info.config_name
    return splits if used in (config, "default") else None


@contextmanager
def _only_cached() -> Iterator[None]:
    """Keep `datasets` from the network, and from warning that it was kept from it."""
    import datasets

    logger = logging.getLogger("datasets")
    before, level = datasets.config.HF_HUB_OFFLINE, logger.level
    datasets.config.HF_HUB_OFFLINE = True
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before
        logger.setLevel(level)
