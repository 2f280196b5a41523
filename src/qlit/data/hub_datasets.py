"""Read data sets of the Hugging Face hub."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qlit.data.hub import require_hub
from qlit.data.local_paths import source_in_words
from qlit.data.quoting import error_text, quoted, quoted_list
from qlit.data.rows import Columns, Found, Part, Row, Unlabelled, role_of

_WAYS_OUT = (
    "give a local file or folder, or 'sample', or owner/name:config if one of its configurations is cached, "
    "or set HF_HOME to a copy of the Hugging Face cache of a machine that has it"
)
_SPLIT_ORDER = ("train", "dev", "validation", "valid", "test")


def read_hub(source: str, wanted: Columns) -> Found:
    """Read all rows of a hub data set by split, and the names of its classes if it has them.

    Args:
        source: `owner/name` or `owner/name:config`.
        wanted: Columns of the sentences and the labels.
    Raises:
        ConnectionError: If it is not cached and the hub does not answer, or the network is forbidden.
        ValueError: If there is no such data set, configuration or column, or it cannot be read.
    """
    from datasets import ClassLabel

    name, _, config = source.partition(":")
    splits = _load(name, config or None)
    ranks = {split: rank for rank, split in enumerate(_SPLIT_ORDER)}
    order = sorted(splits, key=lambda split: (ranks.get(split, len(ranks)), split))
    is_labelled_somewhere = any({*wanted.names} <= {*table.column_names} for table in splits.values())
    parts: list[Part] = []
    unlabelled: list[Unlabelled] = []
    class_names: Sequence[str] | None = None
    for split in order:
        table = splits[split]
        columns = table.column_names
        if is_labelled_somewhere and {*wanted.texts} <= {*columns} and wanted.label not in columns:
            unlabelled.append(Unlabelled(f"split {split!r}", len(table), f"no column {wanted.label!r}"))
            continue
        for column, option in wanted.options:
            if column not in columns:
                raise ValueError(
                    f"Split {split!r} of {source} has no column {quoted(column)}; it has {quoted_list(columns)}. "
                    f"Set `{option}`."
                )
        if isinstance(feature := table.features[wanted.label], ClassLabel):
            class_names = feature.names
        try:
            values = list(zip(*(table[name] for name in wanted.names), strict=True))
        except UnicodeDecodeError as error:
            raise ValueError(f"A text in split {split!r} of {source} is not UTF-8 ({error.reason}).") from error
        place = f"of split {split!r} of {source}"
        rows = [Row(tuple(texts), label, f"row {n} {place}") for n, (*texts, label) in enumerate(values, start=1)]
        parts.append(Part(f"split {split!r}", rows, role_of(split)))
    return Found(parts, unlabelled, class_names=class_names)


def _load(name: str, config: str | None) -> Any:
    """Load the splits, by name, from the cache or else from the hub."""
    import datasets
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    cached = _load_cached(name, config)
    if cached is not None:
        return cached
    # The user may have meant a name like my/data as a path.
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
        raise ValueError(f"{no_path}{what} cannot be read: {error_text(error)}") from error


def _load_cached(name: str, config: str | None) -> Any | None:
    import datasets

    try:
        with _only_cached():
            splits = datasets.load_dataset(name, config)
    except (ConnectionError, FileNotFoundError, ValueError):  # `datasets` raises any of these if it is not cached
        return None
    # Without a configuration, the cache returns the one used last, which may not be the hub's default.
    used = next(iter(splits.values())).info.config_name
    return splits if used in (config, "default") else None


@contextmanager
def _only_cached() -> Iterator[None]:
    """Use `datasets` without the network and without its warnings about that."""
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
