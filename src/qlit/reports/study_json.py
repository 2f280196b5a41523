"""What `qlit study status` and `best` print with `--json`, as plain values."""

import math
from collections.abc import Iterable
from typing import Any

from qlit.studies.cell_results import CellResult, diverged_trainings, ranked, results_of
from qlit.studies.fit_options import fit_options
from qlit.studies.trials.trials import Trials


def status_of(trials: Trials) -> dict[str, Any]:
    """State of a study.

    Returns:
        `study`, `storage`, `is_finished`, `num_left`, `trials` by state, `running` (with host and process), `failed`
        and `diverged` (with reasons), and `best`, as of `best_of`.
    """
    every = trials.all()
    return {
        "study": trials.definition.name,
        "storage": trials.location.dashboard_argument,
        "is_finished": trials.is_finished,
        "num_left": trials.num_left,
        "trials": trials.counts(),
        "running": [
            {
                "trial": trial.number,
                "cell": trial.params,
                "host": trial.user_attrs.get("qlit.host"),
                "pid": trial.user_attrs.get("qlit.pid"),
            }
            for trial in every
            if trial.state.name == "RUNNING"
        ],
        "failed": [
            {
                "trial": trial.number,
                "cell": trial.params,
                "reason": str(trial.user_attrs.get("error", "unknown reason")),
            }
            for trial in every
            if trial.state.name == "FAIL"
        ],
        "diverged": [
            {"trial": each.trial, "cell": each.cell, "reason": each.reason} for each in diverged_trainings(every)
        ],
        "best": best_of(trials),
    }


def best_of(trials: Trials) -> dict[str, Any] | None:
    """The best cell by validation scores; None before the first finished trial.

    Returns:
        `cell` (levels by factor), `run_ids`, `options` of the `qlit fit` that trains it again, and for every objective
        and the test accuracy its `mean` and its 95 % interval `low`, `high`, None where they are not known.
    """
    study, results = trials.definition, results_of(trials.all())
    if not results:
        return None
    chosen = ranked(results, study.objectives[0])[0]
    metrics = dict.fromkeys([*(each.metric for each in study.objectives), "test/accuracy"])
    return {
        "cell": dict(chosen.cell),
        "run_ids": [each.run_id for each in chosen.trainings],
        "options": fit_options(study, chosen.cell),
        "scores": _scores(chosen, metrics),
    }


def _scores(result: CellResult, metrics: Iterable[str]) -> dict[str, dict[str, float | None]]:
    found = {}
    for metric in metrics:
        mean, ends = result.mean(metric), result.interval(metric)
        low, high = ends or (None, None)
        found[metric] = {"mean": mean if math.isfinite(mean) else None, "low": low, "high": high}
    return found
