"""Convert the factors of a study to parameters of an Optuna trial."""

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, Trial

from qlit.studies.definition import Cell, Factor, Scalar


def suggested(trial: Trial, factors: Sequence[Factor], fixed: Mapping[str, Scalar]) -> Cell:
    """Levels of the active factors: fixed levels, levels queued with the trial, or levels drawn by the sampler."""
    cell: Cell = {}
    for factor in factors:
        if not factor.is_active(cell):
            continue
        level: Scalar
        if factor.name in fixed:  # not a parameter of the trial, because samplers compare common parameters
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
    """Cell of a trial whose process died, possibly before it recorded the whole cell."""
    queued = trial.system_attrs.get("fixed_params", {})
    known = {**queued, **trial.params}
    return {each.name: known[each.name] for each in factors if each.name in known}
