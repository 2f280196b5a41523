"""Check all configs of a series or study before the first training: models, engines, data, limits."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from qlit.jobs.checks.engines import check_engines, check_precision
from qlit.jobs.config.models import model_of
from qlit.runtime.errors import UsageError
from qlit.training.checks import check_head, check_limits, check_training
from qlit.training.datamodule import SentenceDataModule


class Planned(NamedTuple):
    """A config that will be trained.

    Args:
        name: Name for messages.
        config: Resolved config, as of `Job.config`.
        splits: Seeds of its splits.
        num_processes: Number of processes of one training.
    """

    name: str
    config: Mapping[str, Any]
    splits: Sequence[int]
    num_processes: int = 1


def check_all(planned: Iterable[Planned]) -> None:
    """Check that configs can be trained, without loading a body, embedding a sentence or running a circuit.

    Raises:
        ValueError, UsageError, FileNotFoundError, ConnectionError: The error of the first impossible training, with the
            name of its config.
    """
    loaded: dict[tuple[str, int], tuple[SentenceDataModule, int | None]] = {}
    for each in planned:
        try:
            _check(each, loaded)
        except UsageError as error:
            raise UsageError(f"{each.name}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{each.name}: {error}") from error


def _check(planned: Planned, loaded: dict[tuple[str, int], tuple[SentenceDataModule, int | None]]) -> None:
    trainer = planned.config["trainer"]
    model, _ = model_of(planned.config, reads_data=True)
    check_engines(model.head)
    check_precision(model.head, str(trainer.get("precision")))
    check_training(model.head, max_epochs=trainer.get("max_epochs"), num_processes=planned.num_processes)
    settings = planned.config["data"]
    for split in planned.splits:
        key = json.dumps(settings, sort_keys=True, default=str), split
        if key not in loaded:
            data = SentenceDataModule(**{**settings, "seed": split})
            data.load_split()
            loaded[key] = data, data.known_dim
        data, dim = loaded[key]
        check_head(model.head, data, dim, is_trained=True)
        check_limits(trainer, data, "fit")
