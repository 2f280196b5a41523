"""Rows of a data set on the Hugging Face hub, all splits pooled."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qlit.data.hub import require_hub
from qlit.data.local_paths import source_in_words
from qlit.data.quoting import error_text, quoted, quoted_list
from qlit.data.rows import Found, Part, Row, Unlabelled

_WAYS_OUT = (
    "give a local file or folder, or 'sample', or owner/name:config if a configuration of it is cached, "
    "or set HF_HOME to a copy of the Hugging Face cache of a machine that has it"
)
_SPLIT_ORDER = ("train", "dev", "validation", "valid", "test")


def read_hub(source: str, *, text_column: str, label_column: str) -> Found:
    """All rows of a hub data set by split, and the names of its classes if it has them.

    Args:
        source: `owner/name` or `owner/name:config`.
        text_column: Column of the sentences.
        label_column: Column of the labels.
    Raises:
        ConnectionError: If it is not cached and the hub does not answer, or the network is forbidden.
        ValueError: If there is no such data set, configuration or column, or it can not be read.
    """
    from datasets import ClassLabel

    name, _, config = source.partition(":")
    splits = _load(name, config or None)
    ranks = {split: rank for rank, split in enumerate(_SPLIT_ORDER)}
    order = sorted(splits, key=lambda split: (ranks.get(split, len(ranks)), split))
    is_labelled_somewhere = any({text_column, label_column} <= {*table.column_names} for table in splits.values())
    parts: list[Part] = []
    unlabelled: list[Unlabelled] = []
    class_names: Sequence[str] | None = None
    for split in order:
        table = splits[split]
        columns = table.column_names
        if is_labelled_somewhere and text_column in columns and label_column not in columns:
            unlabelled.append(Unlabelled(f"split {split!r}", len(table), f"no column {label_column!r}"))
            continue
        for column, option in ((text_column, "text_column"), (label_column, "label_column")):
            if column not in columns:
                raise ValueError(
                    f"Split {split!r} of {source} has no column {quoted(column)}; it has {quoted_list(columns)}. "
                    f"Set `{option}`."
                )
        if isinstance(feature := table.features[label_column], ClassLabel):
            class_names = feature.names
        try:
            pairs = list(zip(table[text_column], table[label_column], strict=True))
        except UnicodeDecodeError as error:
            raise ValueError(f"A text in split {split!r} of {source} is not UTF-8 ({error.reason}).") from error
        place = f"of split {split!r} of {source}"
        rows = [Row(text, label, f"row {number} {place}") for number, (text, label) in enumerate(pairs, start=1)]
        parts.append(Part(f"split {split!r}", rows))
    return Found(parts, unlabelled, class_names=class_names)


def _load(name: str, config: str | None) -> Any:
    """The splits by name: from the cache if they are there, else from the hub."""
    import datasets
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    cached = _load_cached(name, config)
    if cached is not None:
        return cached
    # A name like my/data may be meant as a path, whatever is wrong with the hub.
    path = source_in_words(f"{name}:{config}" if config else name)
    no_path = f"There is no file or folder {path}. As a Hugging Face data set: "
    what = f"the data set {name}" + (f" ({config})" if config else "")
    try:
        require_hub(what, _WAYS_OUT, offline=datasets.config.HF_HUB_OFFLINE)
        return datasets.load_dataset(name, config)
    except ConnectionError as error:
        raise ConnectionError(f"{no_path}{error_text(error, limit=1000)}") from error
    except DatasetNotFoundError as error:
        raise ValueError(
            f"{no_path}{what} is not at {datasets.config.HF_ENDPOINT}, or is private: check the name, "
            "set HF_TOKEN, or give a local file or folder."
        ) from error
    except (DatasetsError, ValueError, OSError, RuntimeError) as error:
        raise ValueError(f"{no_path}{what} can not be read: {error_text(error)}") from error


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
