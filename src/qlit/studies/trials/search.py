"""Select the trials of the search from a two-stage study, for the importances of its factors."""

import optuna
from optuna import Study as OptunaStudy
from optuna.trial import TrialState

from qlit.studies.trials.queue import SEARCH
from qlit.studies.trials.trials import Trials

__all__ = ["OptunaStudy", "study_of_search"]


def study_of_search(trials: Trials) -> OptunaStudy:
    """Copy the finished trials of the search to a study in memory, because the screening varied other factors too."""
    found = optuna.create_study(directions=trials.study.directions)
    complete = [trial for trial in trials.all() if trial.state == TrialState.COMPLETE]
    found.add_trials([trial for trial in complete if trial.user_attrs.get("stage") == SEARCH])
    return found
