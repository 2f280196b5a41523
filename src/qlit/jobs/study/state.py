"""State of a study in its storage, in words."""

from collections.abc import Collection

from qlit.studies.cell_results import all_results
from qlit.studies.definition import Study
from qlit.studies.trials.storage import location_of, quieten_optuna
from qlit.studies.trials.trials import Trials


def state_text(study: Study, known_runs: Collection[str]) -> str:
    """Trials by state, and how many finished trainings have runs that are not known; "" without a storage.

    A missing file is not created; a database server that the study or QLIT_STUDY_STORAGE names is asked.

    Args:
        study: The study as its file has it; the overrides with which it was started do not matter.
        known_runs: Ids of runs that were found.
    Raises:
        ConnectionError: If a server does not answer.
    """
    location = location_of(study.storage, study.name)
    if location.path is not None and not location.path.exists():
        return ""
    quieten_optuna()
    try:
        trials = Trials(study, location, create=False)
    except ValueError as error:
        return str(error)
    try:
        counts = [f"{count} {state}" for state, count in trials.counts().items() if count]
        runs = {training.run_id for each in all_results(trials.all()) for training in each.trainings}
    finally:
        trials.close()
    text = f"Study {study.name}: {', '.join(counts) or 'no trials yet'}."
    if left_over := len(runs - set(known_runs)):
        text += f" Runs that are not in MLflow here: those of {left_over} of its {len(runs)} finished trainings."
    return text
