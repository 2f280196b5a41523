"""Text that the verbs of `qlit study` print: progress, the best cells, failures, and the screening."""

import shlex
import time

from qlit.runtime.durations import duration_text
from qlit.studies.cell_results import CellResult, diverged_trainings, levels_text, pareto_front, ranked, results_of
from qlit.studies.definition import Study
from qlit.studies.designs import cells_of
from qlit.studies.fit_options import fit_options
from qlit.studies.screened import JudgedFactor, searched_text
from qlit.studies.trials.trials import Trials

_MOST_ROWS = 20
_MOST_DIVERGED = 5


def progress_text(trials: Trials, seconds: float | None = None) -> str:
    """Numbers of trials by state, and the remaining time at the pace of the last `seconds`."""
    counts = trials.counts()
    left = trials.num_left
    total = counts["complete"] + counts["pruned"] + counts["diverged"] + left
    parts = [f"{counts['complete']} of {total} trials done"]
    parts += [f"{counts[state]} {state}" for state in ("running", "pruned", "diverged") if counts[state]]
    since = time.time() - seconds if seconds is not None else None
    recent = [
        trial
        for trial in trials.all()
        if since is not None and trial.datetime_complete is not None and trial.datetime_complete.timestamp() > since
    ]
    if seconds is not None and recent and left > counts["running"]:
        left_s = left * seconds / len(recent)
        parts.append(f"about {duration_text(left_s)} left")
    return ", ".join(parts)


def best_text(trials: Trials) -> str:
    """The best cell by validation scores, its test accuracy, and the command that trains it again."""
    study, results = trials.definition, results_of(trials.all())
    if not results:
        cells = {each.key for each in diverged_trainings(trials.all())}
        diverged = f"; {len(cells)} cell(s) diverged: qlit study status" if cells else ""
        return f"{study.name}: no trial is finished{' yet' * bool(trials.num_left or not diverged)}{diverged}."
    first = study.objectives[0]
    chosen = ranked(results, first)[0]
    lines = [
        f"{study.name}: best of {len(results)} cells by {first.metric}, {len(chosen.trainings)} training(s) each",
        _line("cell", levels_text(chosen.cell)),
        *screened_lines(trials),
        *_left_out_lines(trials),
        *(_line(each.metric, chosen.text(each.metric)) for each in study.objectives),
        _line("test/accuracy", chosen.text("test/accuracy") + ", not used for the choice"),
        _line("run", ", ".join(each.run_id for each in chosen.trainings)),
        _line("train it again", "qlit fit " + shlex.join(fit_options(study, chosen.cell))),
    ]
    if len(study.objectives) > 1:
        lines.append("cells that no other beats in all objectives:")
        lines += [_row(each, trials) for each in pareto_front(results, study.objectives)]
    return "\n".join(lines)


def cells_text(trials: Trials) -> str:
    """The best cells, one per line."""
    results = ranked(results_of(trials.all()), trials.definition.objectives[0])
    lines = [_row(each, trials) for each in results[:_MOST_ROWS]]
    if len(results) > _MOST_ROWS:
        lines.append(f"  .. and {len(results) - _MOST_ROWS} more: qlit study export")
    return "\n".join(lines)


def status_text(trials: Trials) -> str:
    """Progress, running trials and their processes, failures with reasons, and the best cells so far."""
    study = trials.definition
    lines = [f"{study.name}: {progress_text(trials)}", _line("storage", trials.location.dashboard_argument)]
    if not study.design.is_search:
        lines.append(_line("design", f"{study.design.kind}, {len(cells_of(study))} cells{_second_stage(study)}"))
    lines += screened_lines(trials)
    every = trials.all()
    for trial in every:
        if trial.state.name == "RUNNING":
            place = f"{trial.user_attrs.get('qlit.host')}, process {trial.user_attrs.get('qlit.pid')}"
            lines.append(_line(f"running {trial.number}", f"{levels_text(trial.params)} ({place})"))
    failures = [trial for trial in every if trial.state.name == "FAIL"]
    for trial in failures[-5:]:
        why = str(trial.user_attrs.get("error", "unknown reason"))
        lines.append(_line(f"{'ended' if why.startswith('stopped') else 'failed'} {trial.number}", why))
    diverged = diverged_trainings(every)
    for each in diverged[:_MOST_DIVERGED]:
        lines.append(_line(f"diverged {each.trial}", f"{levels_text(each.cell)}: {each.reason}"))
    if len(diverged) > _MOST_DIVERGED:
        lines.append(f"  .. and {len(diverged) - _MOST_DIVERGED} more diverged: qlit study export")
    if results_of(every):
        lines += [f"best cells by {study.objectives[0].metric}:", cells_text(trials)]
    return "\n".join(lines)


def _second_stage(study: Study) -> str:
    search = study.design.search
    return (
        "" if search is None else f" to screen {len(study.factors)} factors, then {search.size} trials of {search.kind}"
    )


def screened_lines(trials: Trials) -> list[str]:
    """Results of the screening, most important factors first; empty if the study has no screening."""
    if trials.definition.design.screen is None:
        return []
    screened = trials.screened
    if screened is None:
        return [_line("stage", "screening; the search begins when all of its cells are trained")]
    lines = [_line("stage", searched_text(screened))]
    return lines + [_line("searched", judged_text(each)) for each in screened.factors if each.is_kept]


def judged_text(factor: JudgedFactor) -> str:
    """Result of the screening for a factor: `lr: +0.0710 (0.0650 to 0.0770), p 0.0012`."""
    text = f"{factor.name}: {factor.difference:+.4f}"
    if factor.low is not None and factor.high is not None:
        text += f" ({factor.low:.4f} to {factor.high:.4f})"
    text += "" if factor.p is None else f", p {factor.p:.2g}"
    if factor.by != factor.name and factor.by_p is not None:
        text += f"; kept for {factor.by}, p {factor.by_p:.2g}"
    return f"{text}, {factor.levels[1]} against {factor.levels[0]}"


def _left_out_lines(trials: Trials) -> list[str]:
    """Number of cells that are not compared because a training diverged; empty if there are none."""
    cells = {each.key for each in diverged_trainings(trials.all())}
    return [_line("diverged", f"{len(cells)} cell(s), which are not compared: qlit study status")] if cells else []


def _row(result: CellResult, trials: Trials) -> str:
    metrics = dict.fromkeys([*(each.metric for each in trials.definition.objectives), "test/accuracy"])
    scores = "  ".join(f"{name} {result.text(name)}" for name in metrics)
    return f"  {scores}  {levels_text(result.cell)}"


def _line(name: str, value: str) -> str:
    return f"  {name:<15} {value}"
