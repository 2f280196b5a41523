"""The factors of a study as Optuna sees them: parameters of a trial."""

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, Trial

from qlit.studies.definition import Cell, Factor, Scalar


def suggested(trial: Trial, factors: Sequence[Factor], fixed: Mapping[str, Scalar]) -> Cell:
    """The levels of the active factors: those that are fixed, or were queued with the trial, or else the sampler's."""
    cell: Cell = {}
    for factor in factors:
        if not factor.is_active(cell):
            continue
        level: Scalar
        if factor.name in fixed:  # no parameter of the trial: samplers look at those that trials share
            level = fixed[factor.name]
        elif not factor.is_range:
            level = trial.suggest_categorical(factor.name, list(factor.labels))
        elif factor.is_integer:
            step = 1 if factor.step is None else int(factor.step)
            level = trial.suggest_int(factor.name, int(factor.low), int(factor.high), step=step, log=factor.log)
        else:
            level = trial.suggest_float(factor.name, factor.low, factor.high, step=factor.step, log=factor.log)
        cell[factor.name] = level
    return cell


def queued_cell(trial: FrozenTrial, factors: Sequence[Factor]) -> Cell:
    """The cell of a trial whose process died, maybe before it noted all of it."""
    queued = trial.system_attrs.get("fixed_params", {})
    known = {**queued, **trial.params}
    return {each.name: known[each.name] for each in factors if each.name in known}
