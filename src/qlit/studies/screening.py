"""The decision between the two stages of a study: which factors are searched, and what the others stay at.

Source: Montgomery, Design and Analysis of Experiments, ch. 8: a fractional factorial is a full one in the few factors
that matter, whatever these are (projection).
"""

import math
from collections.abc import Sequence

from qlit.studies.cell_results import CellResult, Training, ranked
from qlit.studies.definition import Cell, Study
from qlit.studies.effects import Anova, Effect, anova, level_means
from qlit.studies.screened import JudgedFactor, Screened
from qlit.studies.trials.diverged import DivergedTraining


def screened_by(study: Study, results: Sequence[CellResult], diverged: Sequence[DivergedTraining] = ()) -> Screened:
    """Judge the factors of a two-stage study by the cells of its screening, all of which are trained.

    Args:
        study: The study.
        results: What the cells of its screening reached.
        diverged: Trainings of its screening that diverged. Their cells count as the worst value that another cell
            reached, so that a level that makes trainings diverge is seen to matter.
    Returns:
        The factors by the largest effect that each has a part in, its own or an interaction of two where the cells tell
        those apart; of the factors of one interaction the one with the larger effect of its own comes first.
    """
    first, objective, design = study.screening, study.objectives[0], study.design
    if not results:
        raise ValueError(f"All cells of the screening of study {study.name!r} diverged; take other levels.")
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
    note = analysis.note if analysis else "Too few trainings to tell effects from chance: no intervals, no p values."
    if worst:
        count = f"{len(worst)} of {len(worst) + len(results)} cells diverged"
        note = f"{count}, and count as the worst value that another one reached. {note}".strip()
    return Screened(factors, note, _starts(study, results, factors))


def _as_the_worst(
    study: Study, results: Sequence[CellResult], diverged: Sequence[DivergedTraining]
) -> list[CellResult]:
    """Cells that diverged with the worst value that a training of another cell reached."""
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
    """The main effect of a factor, and the largest effect that it has a part in."""
    mine = [each for each in analysis.effects if name in each.factors] if analysis else []
    own = next((each for each in mine if each.factors == (name,)), None)
    return own, max(mine, key=lambda each: each.sum_sq, default=None)


def _known(p: float) -> float | None:
    return None if math.isnan(p) else p


def _is_significant(study: Study, found: JudgedFactor) -> bool:
    significance = study.design.significance
    # Two levels a factor: all effects have one degree of freedom, and the largest has the smallest p value.
    return significance is None or (found.by_p is not None and found.by_p < significance)


def _starts(study: Study, results: Sequence[CellResult], factors: Sequence[JudgedFactor]) -> tuple[Cell, ...]:
    """The better level of every kept factor, and the kept factors as in the best cell, unless trained before."""
    better = {each.name: each.better for each in factors}
    kept = [each.name for each in study.factors if any(each.name == one.name and one.is_kept for one in factors)]
    best = ranked(results, study.objectives[0])[0].cell
    starts: list[Cell] = []
    for cell in ({name: better[name] for name in kept}, {name: best[name] for name in kept}):
        is_trained = any(each.cell == {**better, **cell} for each in results)
        if kept and cell not in starts and not is_trained:
            starts.append(cell)
    return tuple(starts)
