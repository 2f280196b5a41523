"""Trials that a study must still queue: cells of its design, or trials of its search.

In a design with one stage, a trial is one replicate of a cell. In a search and in both stages of a two-stage design, a
trial is a cell with all of its replicates, so that the sampler always sees means over the same replicates.
"""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from qlit.runtime.digest import digest
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of
from qlit.studies.screened import Screened
from qlit.studies.trials.diverged import is_diverged
from qlit.studies.trials.recovery import RESTARTS

SCREENING, SEARCH = "screening", "search"
"""Values of a trial's attribute `stage` in a two-stage study."""

_Place = tuple[str, tuple[int, ...]]


def to_queue(
    study: Study, trials: Sequence[FrozenTrial], screened: Screened | None
) -> list[tuple[Cell, dict[str, Any]]]:
    """Levels and attributes of the trials that are neither queued, nor running, nor finished.

    Args:
        study: The study.
        trials: Existing trials.
        screened: Result of a two-stage study's screening; None before its end.
    """
    alive = [trial for trial in trials if trial.state != TrialState.FAIL]
    found: list[tuple[Cell, dict[str, Any]]] = []
    if not study.design.is_search:
        there = {_place(trial) for trial in alive if not is_searched(study, trial)}
        found += [(cell, marks) for place, cell, marks in _listed(study) if place not in there]
    left = num_searched(study, screened) - sum(is_searched(study, trial) for trial in alive)
    marks: dict[str, Any] = {"cell": None, RESTARTS: 0}
    starts: list[Cell] = []
    if screened is not None:
        marks |= {"stage": SEARCH, "fixed": screened.fixed}
        starts = [] if any(is_searched(study, trial) for trial in trials) else list(screened.starts)
    found += [(cell, marks) for cell in [*starts, *[{}] * left][: max(left, 0)]]
    return found


def num_searched(study: Study, screened: Screened | None) -> int:
    """Number of trials of the search, as far as it is known."""
    if study.design.is_search:
        return study.design.size
    return study.design.sampling.size if screened is not None and screened.kept else 0


def num_to_come(study: Study, screened: Screened | None) -> int:
    """Number of search trials that cannot be queued before the screening ends."""
    return study.design.sampling.size if study.design.screen is not None and screened is None else 0


def num_given_up(study: Study, trials: Sequence[FrozenTrial], screened: Screened | None) -> int:
    """Number of failed trials that are not queued again."""
    alive = [trial for trial in trials if trial.state != TrialState.FAIL]
    searched = num_searched(study, screened) - sum(is_searched(study, trial) for trial in alive)
    places = [{_place(trial) for trial in some if not is_searched(study, trial)} for some in (trials, alive)]
    return searched + len(places[0] - places[1])


def is_searched(study: Study, trial: FrozenTrial) -> bool:
    """Whether a trial belongs to a search."""
    return study.design.is_search or trial.user_attrs.get("stage") == SEARCH


def is_screened(study: Study, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the trainings of all cells of the screening are finished or diverged."""
    settled = [trial for trial in trials if trial.state == TrialState.COMPLETE or is_diverged(trial)]
    done = {_place(trial) for trial in settled if not is_searched(study, trial)}
    return all(place in done for place, _, _ in _listed(study))


def _listed(study: Study) -> list[tuple[_Place, Cell, dict[str, Any]]]:
    """Trials that are known before the study starts: place, levels and attributes."""
    found: list[tuple[_Place, Cell, dict[str, Any]]] = []
    for cell in cells_of(study):
        key = digest(cell)
        marks: dict[str, Any] = {"cell": key, RESTARTS: 0}
        if study.design.screen is not None:
            found.append(((key, ()), cell, {**marks, "stage": SCREENING}))
            continue
        for replicate in study.replicates:
            place = (replicate.seed, replicate.split)
            found.append(((key, place), cell, {**marks, "replicate": list(place)}))
    return found


def _place(trial: FrozenTrial) -> _Place:
    """Cell and replicate of a trial that is known before the study starts."""
    return str(trial.user_attrs["cell"]), tuple(trial.user_attrs.get("replicate", ()))
