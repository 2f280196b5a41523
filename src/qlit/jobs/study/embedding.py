"""The sentences of a study, embedded before its workers start: each of them has a core or two, this process has all."""

from typing import Any

import torch

from qlit.jobs.study.setup import job_of
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of
from qlit.training.datamodule import SentenceDataModule

_CHANGE_WHAT_IS_EMBEDDED = (
    "config",
    "data.source",
    "data.body",
    "data.trust_remote_code",
    "data.text_column",
    "data.max_test",
    "data.unseen_only",
    "data.cache_dir",
)


def data_modules_of(study: Study, config: dict[str, Any]) -> list[SentenceDataModule]:
    """The data of a study's trainings, one module for all that embed the same; bodies and sentences were found.

    Levels that a search will draw are left out: its workers come to them.

    Args:
        study: The study.
        config: The resolved config of its first cell.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: As `SentenceDataModule.load_split`.
    """
    modules = []
    for data in _data_configs(study, config):
        splits = sorted({each.split for each in study.replicates})
        if data["max_test"] is None and not data["unseen_only"]:  # the three parts of any split are all sentences
            splits = splits[:1]
        modules += [SentenceDataModule(**{**data, "seed": split}) for split in splits]
        modules[-1].load_split()
    return modules


def embed(modules: list[SentenceDataModule], num_threads: int) -> None:
    """Compute the embeddings that are not kept yet, with so many threads; the process has as many as before afterwards.

    Raises:
        ValueError, OSError: As `EmbeddingCache.embed`.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        for module in modules:
            if not module.is_body_trainable:
                module.prepare_data()
    finally:
        torch.set_num_threads(before)


def _data_configs(study: Study, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Of cells that differ in what is embedded, the part of the config that says so."""
    deciding = [factor.name for factor in study.factors if any(key in _CHANGE_WHAT_IS_EMBEDDED for key in factor.keys)]
    configs = [config]
    if deciding and not study.design.is_search:
        distinct: dict[tuple[Any, ...], Cell] = {
            tuple(cell.get(name) for name in deciding): cell for cell in cells_of(study)
        }
        configs = [job_of(study, cell).config for cell in distinct.values()]
    return [each["data"] for each in configs]
