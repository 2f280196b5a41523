"""Open a study in its storage: create it, or load it and compare it with its file."""

from dataclasses import replace
from typing import Any

import optuna
from optuna.storages import BaseStorage

from qlit.studies.definition import Study
from qlit.studies.overrides import restored, stored
from qlit.studies.trials.samplers import experiments_accepted, pruner_of, sampler_of
from qlit.studies.trials.storage import Location, this_host


def check_is_there(definition: Study, location: Location) -> None:
    """Raise a ValueError if a study's storage is a missing file, because opening it would create the file."""
    if location.path is not None and not location.path.exists():
        raise ValueError(_missing(definition, location))


def loaded(definition: Study, location: Location, storage: BaseStorage, *, create: bool) -> tuple[Study, optuna.Study]:
    """Load a study from its storage, or create it. The caller holds the setup lock, so only one process creates it.

    Args:
        definition: The study in the file.
        location: Location of the storage.
        storage: The open storage.
        create: Whether to create a missing study. Otherwise the study is opened with the overrides with which it was
            started.

    Returns:
        The definition with the valid overrides, and Optuna's study.

    Raises:
        ValueError: If the storage contains a study of this name with other factors, design, replicates or base; or
            contains none, and `create` is false; or is a file that belongs to another machine.
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
    """Second Optuna object for a study, with the sampler that draws one trial.

    Args:
        definition: The study.
        found: Optuna's study.
        number: Number of the trial, as in `sampler_of`.
    """
    # Shares the storage, because Optuna wraps a database in a cache, which another storage object would fill again.
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
    """Whether a process was killed while it created this study, before `_made` finished and a trial was queued."""
    marks = found.user_attrs
    if marks.get("host", this_host()) != this_host() or not set(marks) <= {"fingerprint", "overrides", "host"}:
        return False
    with experiments_accepted():
        is_whole = "host" in marks and found.metric_names is not None
    return not is_whole and not found.get_trials(deepcopy=False)


def _check(definition: Study, location: Location, found: optuna.Study) -> None:
    """Raise a ValueError if a study differs from its file, or this machine must not work on it."""
    kept = found.user_attrs
    if kept.get("fingerprint") not in definition.fingerprints:
        raise ValueError(
            f"The storage contains a study {definition.name!r} with other factors, design, replicates, objectives, "
            "base config or overrides (options with a dot); give this one another `name`, or another `storage`."
        )
    if location.is_one_machines and kept.get("host") != this_host():
        raise ValueError(
            f"The storage of study {definition.name!r} is a file of {kept.get('host')}, but this is {this_host()}, and "
            "workers on several machines would corrupt the file. Use PostgreSQL: "
            "storage: postgresql://USER@HOST/DATABASE."
        )


def _missing(definition: Study, location: Location) -> str:
    place = location.path or "the database"
    return f"There is no study {definition.name!r} in {place} yet; start it with `qlit study run`."
