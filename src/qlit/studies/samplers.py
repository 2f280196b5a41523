"""Optuna's samplers and pruners, as a study names them."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from qlit.studies.definition import Study


@contextmanager
def experiments_accepted() -> Iterator[None]:
    """Without Optuna's warning that an interface may change: its version is pinned, and tests look at what is used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def sampler_of(study: Study) -> BaseSampler:
    """The sampler of a search; for a design one that is never asked.

    Every worker draws from its own numbers: with equal ones, workers would choose equal points.
    """
    design = study.design.sampling
    seed = (design.seed * 1_000_003 + os.getpid()) % 2**32
    has_conditions = any(factor.when for factor in study.factors)
    with experiments_accepted():
        match design.kind:
            case "tpe":
                # Conditions make spaces that are parts of each other: each is then modelled for itself.
                return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=has_conditions)
            case "gp":
                return optuna.samplers.GPSampler(seed=seed)
            case "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed)
            case _:
                return optuna.samplers.RandomSampler(seed=seed)


def pruner_of(study: Study) -> BasePruner:
    """The pruner of a study."""
    match study.pruner.kind:
        case "median":
            return optuna.pruners.MedianPruner(n_warmup_steps=study.pruner.warmup_epochs)
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=study.pruner.warmup_epochs, reduction_factor=3)
        case _:
            return optuna.pruners.NopPruner()
