"""The sentences of a study, embedded before its workers start: each of them has a core or two, this process has all."""

from collections.abc import Iterator
from typing import Any

import torch

from qlit.commands.series import resolved
from qlit.commands.study_setup import options_of
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of
from qlit.training.datamodule import SentenceDataModule

_CHANGE_WHAT_IS_EMBEDDED = ("config", "data.source", "data.body", "data.text_column", "data.max_test", "data.cache_dir")


def embed_sentences(study: Study, config: dict[str, Any], num_threads: int) -> None:
    """Compute the embeddings that the trainings of a study need and that are not kept yet.

    What is left out, such as the levels that a search will draw, its workers embed when they come to it.

    Args:
        study: The study.
        config: The resolved config of its first cell.
        num_threads: To compute with; the process has as many as before afterwards.

    Raises:
        ValueError, FileNotFoundError, ConnectionError, OSError: As `SentenceDataModule`, and if the cache of embeddings
            cannot be written.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        for data in _data_configs(study, config):
            # Without a limit the split with any seed has all sentences, among its three parts.
            splits = {each.split for each in study.replicates} if data["max_test"] is not None else {0}
            for split in sorted(splits):
                SentenceDataModule(**{**data, "seed": split}).prepare_data()
    finally:
        torch.set_num_threads(before)


def _data_configs(study: Study, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of cells that differ in what is embedded, the part of the config that says so."""
    deciding = [factor.name for factor in study.factors if any(key in _CHANGE_WHAT_IS_EMBEDDED for key in factor.keys)]
    configs = [config]
    if deciding and not study.design.is_search:
        distinct: dict[tuple[Any, ...], Cell] = {
            tuple(cell.get(name) for name in deciding): cell for cell in cells_of(study)
        }
        configs = [resolved(options_of(study, cell)) for cell in distinct.values()]
    for each in configs:
        if not each["data"]["trainable_body"]:
            yield each["data"]
