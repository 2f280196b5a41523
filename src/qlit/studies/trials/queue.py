"""What a study has yet to train, as trials to queue: the cells of its design, or as many trials as its search has.

In one stage a trial is one replicate of a cell. In two stages it is a cell with all of its replicates, as a trial of a
search is: what the sampler sees of both are means over the same replicates.
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
"""The two stages, as the mark `stage` of a trial names them."""

_Place = tuple[str, tuple[int, ...]]


def to_queue(
    study: Study, trials: Sequence[FrozenTrial], screened: Screened | None
) -> list[tuple[Cell, dict[str, Any]]]:
    """The levels and the marks of trials that are neither queued, nor running, nor done.

    Args:
        study: The study.
        trials: Those that there are.
        screened: What the screening of a two-stage study found; None before.
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
    """How many trials are chosen one after the other, as far as that is known."""
    if study.design.is_search:
        return study.design.size
    return study.design.sampling.size if screened is not None and screened.kept else 0


def num_to_come(study: Study, screened: Screened | None) -> int:
    """How many more trials the search may have than can be queued yet: those of a study that is being screened."""
    return study.design.sampling.size if study.design.screen is not None and screened is None else 0


def num_given_up(study: Study, trials: Sequence[FrozenTrial], screened: Screened | None) -> int:
    """Trials that failed and are not queued again."""
    alive = [trial for trial in trials if trial.state != TrialState.FAIL]
    searched = num_searched(study, screened) - sum(is_searched(study, trial) for trial in alive)
    places = [{_place(trial) for trial in some if not is_searched(study, trial)} for some in (trials, alive)]
    return searched + len(places[0] - places[1])


def is_searched(study: Study, trial: FrozenTrial) -> bool:
    """Whether a trial is one of a search."""
    return study.design.is_search or trial.user_attrs.get("stage") == SEARCH


def is_screened(study: Study, trials: Sequence[FrozenTrial]) -> bool:
    """Whether all cells of the first of two stages are trained, or their training diverged."""
    settled = [trial for trial in trials if trial.state == TrialState.COMPLETE or is_diverged(trial)]
    done = {_place(trial) for trial in settled if not is_searched(study, trial)}
    return all(place in done for place, _, _ in _listed(study))


def _listed(study: Study) -> list[tuple[_Place, Cell, dict[str, Any]]]:
    """The trials of the cells that are known before the first of them: place, levels and marks."""
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
    """What a trial of a known cell trains."""
    return str(trial.user_attrs["cell"]), tuple(trial.user_attrs.get("replicate", ()))
