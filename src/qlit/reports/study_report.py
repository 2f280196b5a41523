"""Report of a study: one self-contained HTML page, plus its figures and tables as files."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from qlit.reports.study_figures import importances_figure, level_means_figure, pareto_figure, slices_figure
from qlit.reports.two_stages import design_text, parts_of, rule_text, screened_rows, search_text
from qlit.studies.cell_results import (
    CellResult,
    all_results,
    csv_of,
    diverged_trainings,
    levels_text,
    ranked,
    results_of,
    table_of,
)
from qlit.studies.definition import Objective
from qlit.studies.effects import Anova, LevelMean, anova, importances, level_means
from qlit.studies.trials.trials import Trials

_MOST_ROWS = 100
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0;font-size:13px}td,th{padding:.25em .7em;border-bottom:1px solid #ddd;"
    "text-align:right}td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


@dataclass(frozen=True)
class Report:
    """Content of a report.

    Args:
        html: The page.
        figures: Figures by name.
        tables: CSV texts by name.
    """

    html: str
    figures: dict[str, Figure]
    tables: dict[str, str]

    def write(self, folder: Path) -> Path:
        """Write `report.html`, the figures as PNG and the tables as CSV into a folder; return the path of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in self.figures.items():
            figure.savefig(folder / f"{name}.png")
        for name, text in self.tables.items():
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        page = folder / "report.html"
        page.write_text(self.html, encoding="utf-8")
        return page


def report_folder(name: str) -> Path:
    """Default folder of the report of a study."""
    return Path("mlruns") / "studies" / name / "report"


def report_of(trials: Trials) -> Report:
    """Report on the finished trials of a study.

    Raises:
        ValueError: If no trial is finished.
    """
    study = trials.definition
    results = ranked(results_of(trials.all()), study.objectives[0])
    if not results:
        diverged = f" ({count} diverged)" if (count := trials.counts()["diverged"]) else ""
        raise ValueError(f"No trial of study {study.name!r} is finished yet{diverged}; there is nothing to report.")
    metric = study.objectives[0].metric
    parts = parts_of(trials, results)
    means = level_means(parts.screening, parts.screened, metric)
    analysis = anova(parts.screening, parts.screened, metric)
    weights = importances(parts.trials)
    figures = {
        "slices": slices_figure(parts.search, parts.searched, metric),
        "main_effects": level_means_figure(study, means, metric),
    }
    if weights:
        figures["importances"] = importances_figure(study, weights)
    if (pair := _against(study.objectives, results)) is not None:
        figures["pareto"] = pareto_figure(study, results, pair)
    tables = {
        "trainings": csv_of(table_of(study, all_results(trials.all()), diverged_trainings(trials.all()))),
        "level_means": csv_of(_means_rows(means)),
        "anova": csv_of(_anova_rows(analysis)),
        "screened": csv_of(screened_rows(trials.screened)),
        "importances": csv_of(_importance_rows(weights)),
    }
    html = _page(trials, results, analysis, weights, figures)
    return Report(html, figures, {name: text for name, text in tables.items() if text})


def _against(objectives: Sequence[Objective], results: Sequence[CellResult]) -> tuple[Objective, Objective] | None:
    """Objectives of the Pareto figure: the first one, and the second one or the number of parameters if it varies."""
    second = objectives[1] if len(objectives) > 1 else Objective("parameters", "minimize")
    known = {each.mean(second.metric) for each in results if each.values(second.metric)}
    return (objectives[0], second) if len(known) > 1 and len(results) > 1 else None


def _page(
    trials: Trials,
    results: Sequence[CellResult],
    analysis: Anova | None,
    weights: dict[str, dict[str, float]],
    figures: dict[str, Figure],
) -> str:
    study, counts = trials.definition, trials.counts()
    metric, chosen = study.objectives[0].metric, results[0]
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    parts = [
        f"<h1>{escape(study.name)}</h1>",
        f"<p>{escape(design_text(study))} over {len(study.factors)} factors, {len(study.replicates)} replicate(s) a "
        f"cell; trials: {states}.</p>",
        "<h2>The chosen cell</h2>",
        f"<p>{escape(levels_text(chosen.cell))}: {escape(metric)} {chosen.text(metric)}. This is the best of "
        f"{len(results)} cells and therefore biased upwards; test/accuracy {chosen.text('test/accuracy')} is not, "
        "because it did not take part in the choice.</p>",
        "<p>Intervals are 95 %: Student's over the replicates, cut to the range of the score, or Wilson's over the "
        "sentences of a single replicate.</p>",
    ]
    parts += _diverged(trials)
    if "pareto" in figures:
        parts.append(_picture(figures["pareto"], "cells by two objectives"))
    parts += ["<h2>Which factors matter</h2>", _picture(figures["main_effects"], "means of levels")]
    is_two_stage = study.design.screen is not None
    if rows := screened_rows(trials.screened):
        parts += [f"<p>{rule_text(study)}</p>", _table(rows)]
    if analysis is not None:
        parts += [
            f"<p>Analysis of variance of {escape(metric)} (type II, {analysis.residual_df:g} residual degrees of "
            f"freedom; p values are not corrected for their number). {escape(analysis.note)}</p>",
            _table(_anova_rows(analysis)),
        ]
    if is_two_stage:
        parts += ["<h2>The search</h2>", search_text(trials, results)]
    if weights:
        parts += [_picture(figures["importances"], "importances"), _table(_importance_rows(weights))]
    parts += [_picture(figures["slices"], "score over every factor"), "<h2>Cells</h2>"]
    parts.append(_table(_cell_rows(trials, results[:_MOST_ROWS])))
    if len(results) > _MOST_ROWS:
        parts.append(f"<p>The best {_MOST_ROWS} of {len(results)}; all are in trainings.csv.</p>")
    title = escape(study.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body>{''.join(parts)}</body></html>\n"
    )


def _diverged(trials: Trials) -> list[str]:
    """HTML list of the cells with a diverged training; empty if there is none."""
    found = diverged_trainings(trials.all())
    if not found:
        return []
    rows = [{"cell": levels_text(each.cell), "trial": each.trial, "why": each.reason} for each in found[:_MOST_ROWS]]
    count = len({each.key for each in found})
    return [f"<h2>Diverged</h2><p>{count} cell(s) are excluded from the rest of the report.</p>", _table(rows)]


def _cell_rows(trials: Trials, results: Sequence[CellResult]) -> list[dict[str, Any]]:
    study = trials.definition
    metrics = dict.fromkeys([*(each.metric for each in study.objectives), "test/accuracy"])
    return [
        {
            "cell": levels_text(each.cell),
            **({} if each.stage is None else {"stage": each.stage}),
            "trainings": len(each.trainings),
            **{metric: each.text(metric) for metric in metrics},
            "parameters": f"{each.mean('parameters'):,.0f}",
        }
        for each in results
    ]


def _means_rows(means: Sequence[LevelMean]) -> list[dict[str, Any]]:
    return [
        {"factor": each.factor, "level": each.level, "mean": each.mean, "num_cells": each.num_cells,
         "low": each.interval and each.interval[0], "high": each.interval and each.interval[1]}
        for each in means
    ]  # fmt: skip


def _anova_rows(analysis: Anova | None) -> list[dict[str, Any]]:
    def signed(value: float | None) -> str:
        return "" if value is None else f"{value:+.4f}"

    return [
        {
            "effect": each.name,
            "df": f"{each.df:g}",
            "sum of squares": f"{each.sum_sq:.3g}",
            "share": "" if math.isnan(each.share) else f"{each.share:.1%}",
            "F": "" if math.isnan(each.f) else f"{each.f:.2f}",  # nothing varies
            "p": "" if math.isnan(each.p) else f"{each.p:.2g}",
            "last minus first": signed(each.difference),
            "low": signed(each.low),
            "high": signed(each.high),
        }
        for each in (analysis.effects if analysis else ())
    ]


def _importance_rows(weights: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for values in weights.values() for name in values)
    return [
        {"factor": name, **{measure: f"{values.get(name, 0.0):.3f}" for measure, values in weights.items()}}
        for name in names
    ]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _picture(figure: Figure, text: str) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return f'<p><img alt="{escape(text)}" src="data:image/png;base64,{data}"></p>'
