"""Create the Optuna samplers and pruners of a study."""

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
    """Suppress Optuna's warnings about experimental interfaces, which tests cover at the pinned versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def sampler_of(study: Study, number: int = 0) -> BaseSampler:
    """Sampler that draws one trial of a search; for a design, a sampler that is never used.

    Args:
        study: The study, whose design has the seed.
        number: Number of the trial. The point depends on the seed, this number and the earlier trials, but not on the
            worker. Workers therefore cannot draw equal points, and a search with one worker is reproducible.
    """
    design = study.design.sampling
    seed = int(np.random.SeedSequence((design.seed, number)).generate_state(1)[0])
    has_conditions = any(factor.when for factor in study.factors)
    with experiments_accepted():
        match design.kind:
            case "tpe":
                # Conditions give nested search spaces, and every space needs its own model.
                return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=has_conditions)
            case "gp":
                return optuna.samplers.GPSampler(seed=seed)
            case "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed)
            case _:
                return optuna.samplers.RandomSampler(seed=seed)


def pruner_of(study: Study) -> BasePruner:
    """Pruner of a study."""
    match study.pruner.kind:
        case "median":
            return optuna.pruners.MedianPruner(n_warmup_steps=study.pruner.warmup_epochs)
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=study.pruner.warmup_epochs, reduction_factor=3)
        case _:
            return optuna.pruners.NopPruner()
