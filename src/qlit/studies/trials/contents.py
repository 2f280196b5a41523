"""What the trainings of a study read, as it was when the study began: it must not change before the last of them."""

import json
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from qlit.studies.definition import Cell, Study

_ATTRIBUTE = "contents"
_NAMED = ("config", "data.source", "data.text_column", "data.label_column", "data.body")
_WHAT = {"data": "the data", "body": "the body", "numerics": "the way in which qlit computes", "settings": "the config"}


class ChangedError(ValueError):
    """What a study reads is not what it read when it began."""


def contents_key(study: Study, cell: Cell) -> str:
    """A name for what a cell reads, as JSON: the levels of those factors that choose data, body or a config file."""
    deciding = {factor.name for factor in study.factors if any(key in _NAMED for key in factor.keys)}
    return json.dumps({name: level for name, level in cell.items() if name in deciding}, sort_keys=True)


def known_contents(kept: optuna.Study) -> dict[str, dict[str, str]]:
    """Facts by `contents_key`, noted when they were first read; empty of a study that an older qlit began."""
    found: dict[str, dict[str, str]] = kept.user_attrs.get(_ATTRIBUTE, {})
    return found


def changes(known: Mapping[str, str], facts: Mapping[str, str]) -> str:
    """What of some facts is not as it was: "the data", "the body and the config"; nothing if all is."""
    parts = [_WHAT[name] for name, value in facts.items() if name in known and known[name] != value]
    if len(parts) > 1:  # settings are told over all of it
        parts = [part for part in parts if part != _WHAT["settings"]]
    return " and ".join(parts)


def check_contents(study: Study, kept: optuna.Study, key: str, facts: Mapping[str, str]) -> bool:
    """Refuse to go on with a study that reads something else than before.

    Args:
        study: Its definition.
        kept: As it is kept.
        key: From `contents_key`.
        facts: What it reads there now: `data`, `body`, `numerics` and, where known, `settings`.
    Returns:
        Whether that is noted; if not, nothing is known of this key yet.
    Raises:
        ChangedError: If it has changed, or trials were finished by an older qlit, which did not note it.
    """
    known = known_contents(kept)
    way_out = "give the study another `name` or `storage`"
    if key in known:
        if changed := changes(known[key], facts):
            verb = "have" if " and " in changed else "has"
            raise ChangedError(
                f"Study {study.name!r} cannot go on: {changed} {verb} changed since it began, and its trials would not "
                f"belong together. Restore what it was, or {way_out}."
            )
        return True
    if not known and any(each.state in (TrialState.COMPLETE, TrialState.PRUNED) for each in kept.get_trials(False)):
        raise ChangedError(
            f"Study {study.name!r} cannot go on: it was begun by an older qlit, which did not note the contents of its "
            f"data and body, so new trials may not belong to its own. Instead, {way_out}."
        )
    return False


def note_contents(kept: optuna.Study, key: str, facts: Mapping[str, str]) -> None:
    """Note what a study reads; under the lock of its setup."""
    noted: dict[str, Any] = {**known_contents(kept), key: dict(facts)}
    kept.set_user_attr(_ATTRIBUTE, noted)
