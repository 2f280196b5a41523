"""The part of a two-stage study's report that tells what was searched and why, and what the search added."""

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
    """What the parts of a report look at; of a study of one stage all of them at all of it.

    Args:
        screening: The study whose factors are compared: each with its two levels.
        screened: The cells that are compared.
        search: The study whose factors are drawn: those that are searched, or all before the search.
        searched: The cells that are drawn.
        trials: Optuna's study, of which importances are told.
    """

    screening: Study
    screened: list[CellResult]
    search: Study
    searched: list[CellResult]
    trials: OptunaStudy


def parts_of(trials: Trials, results: Sequence[CellResult]) -> Parts:
    """The results of each stage with the study of it."""
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
    """A row a factor: its effect with interval and p value, by what it is judged, and what became of it."""

    def told(value: float | None, spec: str) -> str:
        return "" if value is None else format(value, spec)

    return [
        {
            "factor": each.name,
            "levels": f"{each.levels[0]}, {each.levels[1]}",
            "second minus first": f"{each.difference:+.4f}",
            "low": told(each.low, "+.4f"),
            "high": told(each.high, "+.4f"),
            "p": told(each.p, ".2g"),
            "judged by": each.by,
            "its p": told(each.by_p, ".2g"),
            "then": "searched" if each.is_kept else f"stays at {each.better}",
        }
        for each in (screened.factors if screened else ())
    ]


def design_text(study: Study) -> str:
    """`full_factorial`, or `fractional_factorial, then tpe`."""
    design = study.design
    return design.kind if design.screen is None else f"{design.screen.kind}, then {design.sampling.kind}"


def rule_text(study: Study) -> str:
    """By which rule factors are kept, in a sentence of HTML."""
    design = study.design
    if design.significance is None:
        kept = f"{design.keep}, whatever their p values"
        return f"Kept: factors with the largest effects, of their own or with another one; {kept}."
    most = "" if design.keep is None else f", the {design.keep} largest at most"
    return (
        f"Kept: factors with an effect, of their own or with another one, of p &lt; {design.significance:g}{most}; "
        "p values are not corrected for their number."
    )


def search_text(trials: Trials, results: Sequence[CellResult]) -> str:
    """HTML of what was searched, and the best of both stages; `results` the best first."""
    study, screened = trials.definition, trials.screened
    if screened is None:
        return "<p>The search begins when all cells of the screening are trained.</p>"
    if not screened.kept:
        return "<p>No factor matters by this rule, so nothing was searched.</p>"
    metric = study.objectives[0].metric
    ends = [f"{escape(', '.join(screened.kept))} over all of their values"]
    if screened.fixed:
        ends.append(f"{escape(levels_text(screened.fixed))} stay")
    best = []
    for name, stage in (("screening", SCREENING), ("search", SEARCH)):
        mine = [each for each in results if each.stage == stage]
        if mine:
            best.append(f"The best of the {len(mine)} cells of the {name}: {escape(metric)} {mine[0].text(metric)}.")
    return f"<p>{study.design.sampling.kind} over {'; '.join(ends)}. {' '.join(best)}</p>"
