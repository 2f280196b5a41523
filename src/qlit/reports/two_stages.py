"""Sections of a two-stage study's report: the kept factors, the reasons, and the gain of the search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from qlit.studies.cell_results import CellResult, levels_text
from qlit.studies.definition import Study
from qlit.studies.screened import Screened
from qlit.studies.trials.queue import SCREENING, SEARCH
from qlit.studies.trials.search import OptunaStudy, study_of_search
from qlit.studies.trials.trials import Trials


@dataclass(frozen=True)
class Parts:
    """Studies and cells that the sections of a report use; a study of one stage uses all cells in all sections.

    Args:
        screening: Study with the two levels of every factor, for the analysis of effects.
        screened: Cells of the screening.
        search: Study with the searched factors (all factors before the search), for the figures.
        searched: Cells of the search.
        trials: Optuna's study, for the importances.
    """

    screening: Study
    screened: list[CellResult]
    search: Study
    searched: list[CellResult]
    trials: OptunaStudy


def parts_of(trials: Trials, results: Sequence[CellResult]) -> Parts:
    """Split the results of a study by stage."""
    study = trials.definition
    if study.design.screen is None:
        return Parts(study, list(results), study, list(results), trials.study)
    first = [each for each in results if each.stage == SCREENING]
    second = [each for each in results if each.stage == SEARCH]
    if trials.screened is None or not second:
        return Parts(study.screening, first, study.screening, first, trials.study)
    kept = tuple(each for each in study.factors if each.name in trials.screened.kept)
    return Parts(study.screening, first, replace(study, factors=kept), second, study_of_search(trials))


def screened_rows(screened: Screened | None) -> list[dict[str, Any]]:
    """One row per factor: its effect with interval and p value, the deciding p value, and the decision."""

    def formatted(value: float | None, spec: str) -> str:
        return "" if value is None else format(value, spec)

    return [
        {
            "factor": each.name,
            "levels": f"{each.levels[0]}, {each.levels[1]}",
            "second minus first": f"{each.difference:+.4f}",
            "low": formatted(each.low, "+.4f"),
            "high": formatted(each.high, "+.4f"),
            "p": formatted(each.p, ".2g"),
            "judged by": each.by,
            "its p": formatted(each.by_p, ".2g"),
            "then": "searched" if each.is_kept else f"stays at {each.better}",
        }
        for each in (screened.factors if screened else ())
    ]


def design_text(study: Study) -> str:
    """`full_factorial`, or `fractional_factorial, then tpe`."""
    design = study.design
    return design.kind if design.screen is None else f"{design.screen.kind}, then {design.sampling.kind}"


def rule_text(study: Study) -> str:
    """One sentence of HTML with the rule by which factors are kept."""
    design = study.design
    if design.significance is None:
        return f"Kept: the {design.keep} factors with the largest main effects or interactions, at any p value."
    most = "" if design.keep is None else f", at most the {design.keep} largest"
    return (
        f"Kept: factors with a main effect or interaction with p &lt; {design.significance:g}{most}; "
        "p values are not corrected for their number."
    )


def search_text(trials: Trials, results: Sequence[CellResult]) -> str:
    """HTML with the searched factors and the best cell of both stages; `results` is sorted, best first."""
    study, screened = trials.definition, trials.screened
    if screened is None:
        return "<p>The search starts when all cells of the screening are trained.</p>"
    if not screened.kept:
        return "<p>No factor matters by this rule, so nothing was searched.</p>"
    metric = study.objectives[0].metric
    ends = [f"{escape(', '.join(screened.kept))} over all of their values"]
    if screened.fixed:
        ends.append(f"{escape(levels_text(screened.fixed))} stay")
    best = []
    for name, stage in (("screening", SCREENING), ("search", SEARCH)):
        cells = [each for each in results if each.stage == stage]
        if cells:
            best.append(f"The best of the {len(cells)} cells of the {name}: {escape(metric)} {cells[0].text(metric)}.")
    return f"<p>{study.design.sampling.kind} over {'; '.join(ends)}. {' '.join(best)}</p>"
