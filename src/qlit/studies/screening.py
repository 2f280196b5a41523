"""Decide after the first stage of a two-stage study which factors to search and at which level to fix the others.

Source: Montgomery, Design and Analysis of Experiments, ch. 8: a fractional factorial is a full factorial in any few
factors that matter (projection).
"""

import math
from collections.abc import Sequence

from qlit.studies.cell_results import CellResult, Training, ranked
from qlit.studies.definition import Cell, Study
from qlit.studies.effects import Anova, Effect, anova, level_means
from qlit.studies.screened import JudgedFactor, Screened
from qlit.studies.trials.diverged import DivergedTraining


def screened_by(study: Study, results: Sequence[CellResult], diverged: Sequence[DivergedTraining] = ()) -> Screened:
    """Judge the factors of a two-stage study from the cells of its finished screening.

    Args:
        study: The study.
        results: Results of the screening's cells.
        diverged: Diverged trainings of the screening. Their cells get the worst value of the other cells, so that a
            level with diverging trainings is found to matter.
    Returns:
        The factors, sorted by the largest effect that they take part in: their main effect or, if the cells can
        separate them, an interaction of two factors. For a common interaction, the larger main effect comes first.
    """
    first, objective, design = study.screening, study.objectives[0], study.design
    if not results:
        raise ValueError(f"All cells of the screening of study {study.name!r} diverged; use other levels.")
    worst = _as_the_worst(study, results, diverged)
    analysis = anova(first, [*results, *worst], objective.metric)
    means = {(each.factor, each.level): each.mean for each in level_means(first, [*results, *worst], objective.metric)}
    judged = []
    for factor in first.factors:
        low, high = ((factor.name, label) for label in factor.labels)
        difference = means[high] - means[low]
        own, largest = _effects_of(factor.name, analysis)
        sign = 1 if objective.direction == "maximize" else -1
        found = JudgedFactor(
            factor.name,
            (low[1], high[1]),
            difference,
            own.low if own else None,
            own.high if own else None,
            _known(own.p) if own else None,
            largest.name if largest else factor.name,
            _known(largest.p) if largest else None,
            high[1] if sign * difference > 0 else low[1],
            is_kept=True,
        )
        judged.append(
            (largest.sum_sq if largest else abs(difference), abs(difference), _is_significant(study, found), found)
        )
    judged.sort(key=lambda each: each[:2], reverse=True)
    matter = [found.name for _, _, is_significant, found in judged if is_significant][: design.keep]
    factors = tuple(JudgedFactor(**{**vars(found), "is_kept": found.name in matter}) for *_, found in judged)
    note = analysis.note if analysis else "Too few trainings to estimate chance: no intervals, no p values."
    if worst:
        count = f"{len(worst)} of {len(worst) + len(results)} cells diverged"
        note = f"{count}, and get the worst value of the other cells. {note}".strip()
    return Screened(factors, note, _starts(study, results, factors))


def _as_the_worst(
    study: Study, results: Sequence[CellResult], diverged: Sequence[DivergedTraining]
) -> list[CellResult]:
    """Diverged cells with the worst value of the trainings of other cells."""
    objective = study.objectives[0]
    values = [value for result in results for value in result.values(objective.metric)]
    worst = min(values) if objective.direction == "maximize" else max(values)
    cells = {each.key: each for each in diverged}
    return [
        CellResult(
            key,
            each.cell,
            tuple(Training(replicate, each.run_id, {objective.metric: worst}) for replicate in study.replicates),
            (each.trial,),
            each.stage,
        )
        for key, each in cells.items()
    ]


def _effects_of(name: str, analysis: Anova | None) -> tuple[Effect | None, Effect | None]:
    """Main effect of a factor, and the largest effect that it takes part in."""
    mine = [each for each in analysis.effects if name in each.factors] if analysis else []
    own = next((each for each in mine if each.factors == (name,)), None)
    return own, max(mine, key=lambda each: each.sum_sq, default=None)


def _known(p: float) -> float | None:
    return None if math.isnan(p) else p


def _is_significant(study: Study, found: JudgedFactor) -> bool:
    significance = study.design.significance
    # With two levels per factor, all effects have one degree of freedom, and the largest has the smallest p value.
    return significance is None or (found.by_p is not None and found.by_p < significance)


def _starts(study: Study, results: Sequence[CellResult], factors: Sequence[JudgedFactor]) -> tuple[Cell, ...]:
    """Start cells for the search: better levels of the kept factors, and their levels in the best cell, if new."""
    better = {each.name: each.better for each in factors}
    kept = [each.name for each in study.factors if any(each.name == one.name and one.is_kept for one in factors)]
    best = ranked(results, study.objectives[0])[0].cell
    starts: list[Cell] = []
    for cell in ({name: better[name] for name in kept}, {name: best[name] for name in kept}):
        is_trained = any(each.cell == {**better, **cell} for each in results)
        if kept and cell not in starts and not is_trained:
            starts.append(cell)
    return tuple(starts)
