"""Embed the sentences of a study before its workers start, because this process may use all cores."""

from typing import Any

import torch

from qlit.jobs.study.setup import job_of
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of
from qlit.training.datamodule import SentenceDataModule

_EMBEDDING_KEYS = (
    "config",
    "data.source",
    "data.splits",
    "data.validation_source",
    "data.test_source",
    "data.embeddings",
    "data.labels",
    "data.num_per_label",
    "data.body",
    "data.trust_remote_code",
    "data.text_column",
    "data.second_text_column",
    "data.max_test",
    "data.unseen_only",
    "data.cache_dir",
)


def data_modules_of(study: Study, config: dict[str, Any]) -> list[SentenceDataModule]:
    """One data module for all trainings of a study that embed the same sentences; checks that data and bodies exist.

    Levels that a search draws are not included; its workers embed them.

    Args:
        study: The study.
        config: The resolved config of its first cell.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: As `SentenceDataModule.load_split`.
    """
    modules = []
    for data in _data_configs(study, config):
        splits = sorted({each.split for each in study.replicates})
        if _contain_all(data):
            splits = splits[:1]
        modules += [SentenceDataModule(**{**data, "seed": split}) for split in splits]
        modules[-1].load_split()
    return modules


def embed(modules: list[SentenceDataModule], num_threads: int) -> None:
    """Compute the embeddings that are not in the cache yet.

    Args:
        modules: Data modules.
        num_threads: Number of threads during the call.
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


def _contain_all(data: dict[str, Any]) -> bool:
    """Whether every split of a config contains all sentences."""
    drawing_key = "num_per_label" if data["splits"] == "given" else "test_source"
    return data[drawing_key] is None and data["max_test"] is None and not data["unseen_only"]


def _data_configs(study: Study, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Sections `data` of the configs of cells that embed different sentences."""
    deciding = [factor.name for factor in study.factors if any(key in _EMBEDDING_KEYS for key in factor.keys)]
    configs = [config]
    if deciding and not study.design.is_search:
        distinct: dict[tuple[Any, ...], Cell] = {
            tuple(cell.get(name) for name in deciding): cell for cell in cells_of(study)
        }
        configs = [job_of(study, cell).config for cell in distinct.values()]
    return [each["data"] for each in configs]
