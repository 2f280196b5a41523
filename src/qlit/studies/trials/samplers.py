"""Optuna's samplers and pruners, as a study names them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
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


def sampler_of(study: Study, number: int = 0) -> BaseSampler:
    """The sampler that draws one trial of a search; for a design one that is never asked.

    Args:
        study: The study, whose design has the seed.
        number: Of the trial. What is drawn depends on the seed, this number and the earlier trials, not on the worker
            that asks: workers cannot draw equal points, and one worker repeats a search anywhere.
    """
    design = study.design.sampling
    seed = int(np.random.SeedSequence((design.seed, number)).generate_state(1)[0])
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
