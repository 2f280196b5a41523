"""A study in its storage: made where there is none, or found again and compared with its file."""

from dataclasses import replace
from typing import Any

import optuna
from optuna.storages import BaseStorage

from qlit.studies.definition import Study
from qlit.studies.overrides import restored, stored
from qlit.studies.trials.samplers import experiments_accepted, pruner_of, sampler_of
from qlit.studies.trials.storage import Location, this_host


def check_is_there(definition: Study, location: Location) -> None:
    """Raise a ValueError if a study's storage is a file that does not exist: to look at it would make it."""
    if location.path is not None and not location.path.exists():
        raise ValueError(_missing(definition, location))


def loaded(definition: Study, location: Location, storage: BaseStorage, *, create: bool) -> tuple[Study, optuna.Study]:
    """A study as it is kept. Under the lock of its setup: of two that find none, one makes it.

    Args:
        definition: The study of the file.
        location: Where it is kept.
        storage: The same, open.
        create: Whether to make the study there if there is none. If not, the study is looked at with the overrides that
            it was begun with.

    Returns:
        The definition with the overrides that hold, and Optuna's study.

    Raises:
        ValueError: If the storage holds a study of this name with other factors, design, replicates or base, or none
            and `create` is False; or it is a file that belongs to another machine.
    """
    found = None
    if definition.name in optuna.get_all_study_names(storage):
        found = optuna.load_study(**_options(definition, storage))
        if _is_half_made(found):
            found = None
            if create:
                optuna.delete_study(study_name=definition.name, storage=storage)
    if found is None:
        if not create:
            raise ValueError(_missing(definition, location))
        return definition, _made(definition, storage)
    if not create:
        definition = replace(definition, overrides=restored(found.user_attrs.get("overrides"), definition.overrides))
    _check(definition, location, found)
    return definition, found


def drawing_study(definition: Study, found: optuna.Study, number: int) -> optuna.Study:
    """A second object of Optuna's for a study, with the sampler that draws one trial.

    Args:
        definition: The study.
        found: Optuna's study.
        number: Of the trial, as of `sampler_of`.
    """
    # The first one's storage: for a database Optuna wraps it in a cache, which a second one would have to fill again.
    return optuna.load_study(**{**_options(definition, found._storage), "sampler": sampler_of(definition, number)})


def _options(definition: Study, storage: BaseStorage) -> dict[str, Any]:
    return {
        "study_name": definition.name,
        "storage": storage,
        "sampler": sampler_of(definition),
        "pruner": pruner_of(definition),
    }


def _made(definition: Study, storage: BaseStorage) -> optuna.Study:
    directions = [each.direction for each in definition.objectives]
    made = optuna.create_study(**_options(definition, storage), directions=directions)
    made.set_user_attr("fingerprint", definition.fingerprint)
    made.set_user_attr("overrides", stored(definition.overrides))
    made.set_user_attr("host", this_host())
    with experiments_accepted():
        made.set_metric_names([each.metric for each in definition.objectives])
    return made


def _is_half_made(found: optuna.Study) -> bool:
    """Whether a process was killed while it made this study, before `_made` came to its end and a trial was queued."""
    marks = found.user_attrs
    if marks.get("host", this_host()) != this_host() or not set(marks) <= {"fingerprint", "overrides", "host"}:
        return False
    with experiments_accepted():
        is_whole = "host" in marks and found.metric_names is not None
    return not is_whole and not found.get_trials(deepcopy=False)


def _check(definition: Study, location: Location, found: optuna.Study) -> None:
    """Raise a ValueError if a study is not the file's, or may not be worked on from here."""
    kept = found.user_attrs
    if kept.get("fingerprint") not in definition.fingerprints:
        raise ValueError(
            f"The storage holds a study {definition.name!r} with other factors, design, replicates, objectives, base "
            "config or overrides (options with a dot); give this one another `name`, or another `storage`."
        )
    if location.is_one_machines and kept.get("host") != this_host():
        raise ValueError(
            f"The storage of study {definition.name!r} is a file of {kept.get('host')}, and workers on several "
            f"machines would corrupt it, but this is {this_host()}. Use PostgreSQL: "
            "storage: postgresql://USER@HOST/DATABASE."
        )


def _missing(definition: Study, location: Location) -> str:
    place = location.path or "the database"
    return f"There is no study {definition.name!r} in {place} yet; begin it with `qlit study run`."
