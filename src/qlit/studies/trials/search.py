"""Optuna's study of the search alone, for importances of its factors."""

import optuna
from optuna import Study as OptunaStudy
from optuna.trial import TrialState

from qlit.studies.trials.queue import SEARCH
from qlit.studies.trials.trials import Trials

__all__ = ["OptunaStudy", "study_of_search"]


def study_of_search(trials: Trials) -> OptunaStudy:
    """A study in memory with the complete trials of the search; the screening varied other factors as well."""
    found = optuna.create_study(directions=trials.study.directions)
    complete = [trial for trial in trials.all() if trial.state == TrialState.COMPLETE]
    found.add_trials([trial for trial in complete if trial.user_attrs.get("stage") == SEARCH])
    return found
