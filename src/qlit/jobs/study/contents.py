"""Check that data, body, settings and numerics of a study are the same as when it started."""

import sys
from collections.abc import Mapping
from typing import Any

from qlit.data.contents import Contents
from qlit.jobs.study.setup import extreme_cells, job_of
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of
from qlit.studies.trials.contents import changes, contents_key, known_contents
from qlit.studies.trials.trials import Trials
from qlit.tracking.config_hash import HASH_WITHOUT_SEEDS, RULES, contents_tags


def check_study(trials: Trials) -> None:
    """Refuse to continue a study whose data, body or settings have changed since it started; record those of a new one.

    Levels that a search draws are checked when they are trained.

    Raises:
        ChangedError: If something has changed.
        ValueError, FileNotFoundError, ConnectionError: If data or body cannot be found.
    """
    for key, cell in _representatives(trials.definition).items():
        trials.check_contents(key, _recorded(trials.definition, cell))
    trials.note_overrides()


def recorded_contents(contents: Contents) -> dict[str, str]:
    """Contents of a training as a study records them: hashes by name."""
    return {"data": contents.data, "body": contents.body, "numerics": contents_tags(contents)[RULES]}


def warn_of_changes(trials: Trials) -> None:
    """Print a note on standard error if data or body have changed since the study started.

    Data and bodies that cannot be found or read any more are skipped, because the results remain valid.
    """
    study, known = trials.definition, known_contents(trials.study)
    if not known:
        return
    for key, cell in _representatives(study).items():
        try:
            changed = changes(known.get(key, {}), _recorded(study, cell))
        except (ValueError, OSError):
            continue
        if changed:
            verb = "have" if " and " in changed else "has"
            print(
                f"qlit study: note: {changed} of study {study.name!r} {verb} changed since it started; its results "
                "are those of the earlier state.",
                file=sys.stderr,
                flush=True,
            )
            return


def _representatives(study: Study) -> dict[str, Cell]:
    """One cell per data set, body and config file that is known before a search draws levels, by `contents_key`."""
    cells = [extreme_cells(study)[0]] if study.design.is_search else cells_of(study)
    found: dict[str, Cell] = {}
    for cell in cells:
        found.setdefault(contents_key(study, cell), cell)
    return found


def _recorded(study: Study, cell: Mapping[str, Any]) -> dict[str, str]:
    job = job_of(study, cell)
    return {**recorded_contents(job.contents), "settings": job.identity[HASH_WITHOUT_SEEDS]}
