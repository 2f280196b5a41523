"""What a study reads, compared with what it read when it began: sentences, labels, body, settings, numerics."""

import sys
from collections.abc import Mapping
from typing import Any

from qlit.data.contents import Contents
from qlit.jobs.study.setup import extreme_cells, job_of
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of
from qlit.studies.trials.contents import changes, contents_key, known_contents
from qlit.studies.trials.trials import Trials
from qlit.tracking.config_hash import HASH_WITHOUT_SEEDS, RULES, contents_tags, identity_tags


def check_study(trials: Trials) -> None:
    """Refuse to go on with a study whose data, body or settings have changed since it began; note them if it begins.

    Levels that a search will draw are checked when they are trained.

    Raises:
        ChangedError: If something has changed.
        ValueError, FileNotFoundError, ConnectionError: If data or body cannot be found.
    """
    for key, cell in _representatives(trials.definition).items():
        trials.check_contents(key, _facts(trials.definition, cell))
    trials.note_overrides()


def facts_of(contents: Contents) -> dict[str, str]:
    """What is noted of a training's contents."""
    return {"data": contents.data, "body": contents.body, "numerics": contents_tags(contents)[RULES]}


def warn_of_changes(trials: Trials) -> None:
    """Say on standard error if the results of a study are of other data, or of another body, than lie there now.

    What cannot be found or read any more is passed over: the results stay what they are.
    """
    study, known = trials.definition, known_contents(trials.study)
    if not known:
        return
    for key, cell in _representatives(study).items():
        try:
            changed = changes(known.get(key, {}), _facts(study, cell))
        except (ValueError, OSError):
            continue
        if changed:
            verb = "have" if " and " in changed else "has"
            print(
                f"qlit study: note: {changed} of study {study.name!r} {verb} changed since it began; its results are "
                "of what it read then.",
                file=sys.stderr,
                flush=True,
            )
            return


def _representatives(study: Study) -> dict[str, Cell]:
    """A cell for each of the data sets, bodies and config files that are known before a search draws levels."""
    cells = [extreme_cells(study)[0]] if study.design.is_search else cells_of(study)
    found: dict[str, Cell] = {}
    for cell in cells:
        found.setdefault(contents_key(study, cell), cell)
    return found


def _facts(study: Study, cell: Mapping[str, Any]) -> dict[str, str]:
    job = job_of(study, cell)
    settings = identity_tags(job.config, job.contents)[HASH_WITHOUT_SEEDS]
    return {**facts_of(job.contents), "settings": settings}
