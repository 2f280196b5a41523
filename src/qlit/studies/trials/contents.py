"""Record what a study's trainings read, and refuse to continue a study if that has changed."""

import json
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from qlit.studies.definition import Cell, Study

_ATTRIBUTE = "contents"
_NAMED = (
    *("config", "data.source", "data.splits", "data.validation_source", "data.test_source", "data.text_column"),
    *("data.second_text_column", "data.label_column", "data.embeddings", "data.labels", "data.body"),
)
_WHAT = {"data": "the data", "body": "the body", "numerics": "the way in which qlit computes", "settings": "the config"}


class ChangedError(ValueError):
    """Data, body, numerics or settings have changed since the study started."""


def contents_key(study: Study, cell: Cell) -> str:
    """Key for what a cell reads, as JSON: the levels of the factors that choose data, body or a config file."""
    deciding = {factor.name for factor in study.factors if any(key in _NAMED for key in factor.keys)}
    return json.dumps({name: level for name, level in cell.items() if name in deciding}, sort_keys=True)


def known_contents(kept: optuna.Study) -> dict[str, dict[str, str]]:
    """Facts by `contents_key`, recorded at the first read; empty for a study started by an older qlit."""
    found: dict[str, dict[str, str]] = kept.user_attrs.get(_ATTRIBUTE, {})
    return found


def changes(known: Mapping[str, str], facts: Mapping[str, str]) -> str:
    """Name the changed facts: "the data", "the body and the config"; "" if all are equal."""
    parts = [_WHAT[name] for name, value in facts.items() if name in known and known[name] != value]
    if len(parts) > 1:  # the hash of the settings covers the other facts, too
        parts = [part for part in parts if part != _WHAT["settings"]]
    return " and ".join(parts)


def check_contents(study: Study, kept: optuna.Study, key: str, facts: Mapping[str, str]) -> bool:
    """Raise a ChangedError if a study would read something else than before.

    Args:
        study: Definition of the study.
        kept: The study in the storage.
        key: From `contents_key`.
        facts: Present facts: `data`, `body`, `numerics` and, if known, `settings`.
    Returns:
        Whether facts are recorded for this key.
    Raises:
        ChangedError: If facts have changed, or an older qlit, which did not record them, finished trials.
    """
    known = known_contents(kept)
    way_out = "give the study another `name` or `storage`"
    if key in known:
        if changed := changes(known[key], facts):
            verb = "have" if " and " in changed else "has"
            raise ChangedError(
                f"Study {study.name!r} cannot continue: {changed} {verb} changed since it started, so its trials would "
                f"not be comparable. Restore the former state, or {way_out}."
            )
        return True
    if not known and any(each.state in (TrialState.COMPLETE, TrialState.PRUNED) for each in kept.get_trials(False)):
        raise ChangedError(
            f"Study {study.name!r} cannot continue: it was started by an older qlit, which did not record the contents "
            f"of its data and body, so new trials may not be comparable. Instead, {way_out}."
        )
    return False


def note_contents(kept: optuna.Study, key: str, facts: Mapping[str, str]) -> None:
    """Record what a study reads. The caller holds the setup lock."""
    noted: dict[str, Any] = {**known_contents(kept), key: dict(facts)}
    kept.set_user_attr(_ATTRIBUTE, noted)
