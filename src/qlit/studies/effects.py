"""Effects of a study's factors: level means, analysis of variance (statsmodels), importances (Optuna)."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState

from qlit.comparisons.statistics import cut, difference_range_of, range_of, t_interval
from qlit.studies.cell_results import CellResult
from qlit.studies.definition import Scalar, Study
from qlit.studies.trials.diverged import is_diverged

LEAST_RESIDUAL_DF = 3
"""Fewest residual degrees of freedom; with fewer, an F test would have almost no power."""


@dataclass(frozen=True)
class LevelMean:
    """Mean score of the cells with one level of a factor.

    Args:
        factor: Name of the factor.
        level: Level of the factor.
        mean: Mean of the cells' means.
        interval: 95 % interval, Student's over the cells, within the score's range; it includes the effects of other
            factors. None for a single cell.
        num_cells: Number of cells.
    """

    factor: str
    level: Scalar
    mean: float
    interval: tuple[float, float] | None
    num_cells: int


@dataclass(frozen=True)
class Effect:
    """A row of an analysis of variance (type II sums of squares).

    Args:
        name: Name of the factor, or two names with an x between them, or `split` for the block of splits.
        df: Degrees of freedom.
        sum_sq: Sum of squares.
        share: Share of the total sum of squares (eta squared).
        f: F value against the residual.
        p: p value, not corrected for the number of effects.
        difference: Mean difference of the last and the first level of a factor with two levels; otherwise None.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        factors: Names of the one or two factors, or `split`.
    """

    name: str
    df: float
    sum_sq: float
    share: float
    f: float
    p: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    factors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Anova:
    """An analysis of variance.

    Args:
        effects: Effects, largest share first.
        residual_df: Residual degrees of freedom.
        note: Effects that are not included, and the reason.
    """

    effects: tuple[Effect, ...]
    residual_df: float
    note: str


def level_means(study: Study, results: Sequence[CellResult], metric: str) -> list[LevelMean]:
    """Mean score of every level of every factor; levels in their listed order, values of a range sorted by size."""
    found = []
    for factor in study.factors:
        there = {each.cell[factor.name] for each in results if factor.name in each.cell}
        listed = [level for level in factor.labels if level in there]
        for level in listed or sorted(there, key=lambda value: float(str(value))):
            means = [each.mean(metric) for each in results if each.cell.get(factor.name, ...) == level]
            interval = t_interval(means, range_of(metric))
            found.append(LevelMean(factor.name, level, float(np.mean(means)), interval, len(means)))
    return found


def anova(study: Study, results: Sequence[CellResult], metric: str) -> Anova | None:
    """Analyse main effects, and interactions of two factors if the cells can separate them; splits are blocks.

    Returns:
        The analysis; None if it is impossible because of factors with one level, conditions, or too few trainings.
    """
    columns, names = _columns(study, results, metric)
    factors = [name for name in names if name != "split"]
    if not factors or any(factor.when for factor in study.factors):
        return None
    places = {name: f"x{number}" for number, name in enumerate(names)}
    main = [f"C({places[name]}, Sum)" for name in names]
    pairs = [f"C({places[a]}, Sum):C({places[b]}, Sum)" for a, b in itertools.combinations(factors, 2)]
    note = ""
    fitted = _fit(columns, [*main, *pairs]) if pairs else None
    if fitted is None:
        fitted = _fit(columns, main)
        if pairs:
            note = "These cells cannot separate interactions from each other, or from chance: only main effects."
    if fitted is None:
        return None
    firsts = {places[each.name]: str(each.ends[0]) for each in study.factors if each.name in places}
    effects = _effects(fitted, {place: name for name, place in places.items()}, columns, firsts)
    return Anova(_within(effects, difference_range_of(metric)), fitted.df_resid, note)


def _columns(
    study: Study, results: Sequence[CellResult], metric: str
) -> tuple[dict[str, NDArray[np.object_] | NDArray[np.float64]], list[str]]:
    """Columns x0, x1.. of the varying factors and the column y; and the names of the factors."""
    rows = [
        ({**result.cell, "split": each.replicate.split}, each.scores[metric])
        for result in results
        for each in result.trainings
        if metric in each.scores
    ]
    wanted = [*(factor.name for factor in study.factors), "split"]
    names = [name for name in wanted if len({str(levels.get(name)) for levels, _ in rows}) > 1]
    columns: dict[str, NDArray[np.object_] | NDArray[np.float64]] = {
        f"x{number}": np.array([str(levels.get(name)) for levels, _ in rows], dtype=object)
        for number, name in enumerate(names)
    }
    columns["y"] = np.array([value for _, value in rows])
    return columns, names


def _fit(columns: dict[str, NDArray[np.object_] | NDArray[np.float64]], terms: Sequence[str]):  # type: ignore[no-untyped-def] # statsmodels has no types
    """Least squares fit; None if the cells cannot separate the terms, or too few degrees of freedom are left."""
    import pandas as pd
    from statsmodels.formula.api import ols

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns of a matrix without full rank, which is checked next
        fitted = ols("y ~ " + " + ".join(terms), data=pd.DataFrame(columns)).fit()
    is_full_rank = fitted.model.rank == fitted.model.exog.shape[1]
    return fitted if is_full_rank and fitted.df_resid >= LEAST_RESIDUAL_DF else None


def _effects(fitted, names, columns, firsts) -> tuple[Effect, ...]:  # type: ignore[no-untyped-def] # statsmodels has no types
    from statsmodels.stats.anova import anova_lm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 if all values are equal
        table = anova_lm(fitted, typ=2)
    table["sum_sq"] = table["sum_sq"].clip(lower=0.0)  # rounding may give a small negative value
    total = float(table["sum_sq"].sum())
    intervals = fitted.conf_int()
    effects = []
    for term, row in table.iterrows():
        if term == "Residual":
            continue
        places = [part.removeprefix("C(").removesuffix(", Sum)") for part in str(term).split(":")]
        difference = low = high = None
        if places[0] in firsts and len(places) == 1 and row["df"] == 1:
            # Sum coding: the coefficient is the first level, in alphabetical order, minus the mean.
            (name,) = [each for each in fitted.params.index if each.startswith(f"{term}[") and ":" not in each]
            sign = -2 if firsts[places[0]] == min(columns[places[0]]) else 2
            ends = sorted(sign * end for end in intervals.loc[name])
            difference, low, high = sign * float(fitted.params[name]), float(ends[0]), float(ends[1])
        of = tuple(names[place] for place in places)
        share = float(row["sum_sq"]) / total if total else float("nan")
        effects.append(
            Effect(" x ".join(of), float(row["df"]), float(row["sum_sq"]), share, float(row["F"]),
                   float(row["PR(>F)"]), difference, low, high, of)
        )  # fmt: skip
    return tuple(sorted(effects, key=lambda each: -each.sum_sq))


def _within(effects: Sequence[Effect], limits: tuple[float, float]) -> tuple[Effect, ...]:
    """Effects with intervals cut to the range of a difference."""
    found = []
    for each in effects:
        if each.low is not None and each.high is not None:
            low, high = cut((each.low, each.high), limits)
            each = replace(each, low=low, high=high)
        found.append(each)
    return tuple(found)


def _of_finite_values(study: optuna.Study) -> optuna.Study:
    """Exclude trials of an older qlit with values that are not finite numbers."""
    trials = study.get_trials(deepcopy=False)
    if not any(trial.state == TrialState.COMPLETE and is_diverged(trial) for trial in trials):
        return study
    found = optuna.create_study(directions=study.directions)
    found.add_trials([trial for trial in trials if trial.state == TrialState.COMPLETE and not is_diverged(trial)])
    return found


def importances(study: optuna.Study, objective: int = 0) -> dict[str, dict[str, float]]:
    """Importances of the factors by two different measures; empty if neither can be computed.

    PED-ANOVA: influence of a factor on whether a trial is among the best. fANOVA: its share of the variance of all
    trials, in a random forest. Both exclude factors that are not part of every cell.

    Source: Watanabe et al., arXiv:2304.10255; Hutter, Hoos, Leyton-Brown (2014), ICML.
    """
    evaluators = {
        "PED-ANOVA": optuna.importance.PedAnovaImportanceEvaluator(),
        "fANOVA": optuna.importance.FanovaImportanceEvaluator(seed=0),
    }
    study = _of_finite_values(study)
    target = (lambda trial: trial.values[objective]) if len(study.directions) > 1 else None
    found: dict[str, dict[str, float]] = {}
    for name, evaluator in evaluators.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna's advice on targets and directions
            try:
                found[name] = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
            except (ValueError, RuntimeError):  # too few trials, or all values are equal
                continue
    return found
