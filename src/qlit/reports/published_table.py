"""Markdown table of our results and the published ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from qlit.comparisons.comparison import Model, model_result
from qlit.comparisons.published_order import Ordering, RankedModel, ordering_of
from qlit.comparisons.results import ModelResult
from qlit.comparisons.table_file import Plan
from qlit.comparisons.verdicts import tested_epoch
from qlit.tracking.kept_runs import KeptRun

_HEADER = (
    "| model | parameters | published | ours, mean | 95 % interval | splits | epochs |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


def published_table(plan: Plan, runs: Sequence[Mapping[int, KeptRun]], diverged: Sequence[Sequence[int]] = ()) -> str:
    """Format published and our accuracies, the data behind them, and the agreement of the two orders.

    Args:
        plan: The table file.
        runs: Runs of every row, by seed. A row without runs is reported as not run.
        diverged: Seeds of every row whose training diverged. Such a row gets no mean and no place in the order, because
            the mean of the other seeds would be too high.
    Raises:
        ValueError: If runs with the same seed have different splits or data.
    """
    diverged = diverged or [() for _ in plan.rows]
    runs = [{} if seeds else of_row for of_row, seeds in zip(runs, diverged, strict=True)]
    results = [_result(row.name, of_row) for row, of_row in zip(plan.rows, runs, strict=True)]
    lines = [f"# {plan.title}", "", *_HEADER]
    for row, result, seeds in zip(plan.rows, results, diverged, strict=True):
        if seeds:
            ours = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} diverged"
            lines.append(f"| {row.name} | {_count(row.parameters)} | {row.published:.2f} % | {ours} | | | |")
            continue
        if result is None:
            lines.append(f"| {row.name} | {_count(row.parameters)} | {row.published:.2f} % | not run | | | |")
            continue
        interval = f"{100 * result.low:.2f} to {100 * result.high:.2f}"
        if len(result.accuracies) == 1:
            interval += " (sentences)"
        epochs = "-" if result.max_epochs is None else f"{result.max_epochs:,}"
        lines.append(
            f"| {row.name} | {_parameters(result.num_parameters, row.parameters)} | {row.published:.2f} % | "
            f"{100 * result.mean:.2f} % | {interval} | {len(result.accuracies)} of {row.seeds} | {epochs} |"
        )
    ran = [RankedModel(row.name, row.published, of_row) for row, of_row in zip(plan.rows, runs, strict=True) if of_row]
    if ran:
        lines += ["", _data(ran, [result for result in results if result is not None]), ""]
    if len(ran) > 1:
        lines += _ordering(ordering_of(ran))
    return "\n".join(lines).rstrip() + "\n"


def _result(name: str, runs: Mapping[int, KeptRun]) -> ModelResult | None:
    return model_result(Model(name, tuple(runs[seed] for seed in sorted(runs)))) if runs else None


def _parameters(ours: int | None, published: int | None) -> str:
    if ours is None or ours == published:
        return _count(published)
    return f"{_count(ours)} (published {_count(published)})"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _data(ran: Sequence[RankedModel], results: Sequence[ModelResult]) -> str:
    runs = [run for model in ran for run in model.runs.values()]
    sizes = sorted({len(run.predictions.indices) for run in runs})
    datasets = sorted({run.predictions.dataset for run in runs})
    bodies = sorted({Path(run.params.get("data.body", "unknown")).name for run in runs})
    return (
        f"Ours: {', '.join(datasets)} with {', '.join(bodies)}, {' or '.join(f'{size:,}' for size in sizes)} test "
        f"sentences per split; {tested_epoch(results)} is tested. Intervals: Student's t over "
        "splits, cut at 0 and 100 %, or Wilson's over the test sentences of a single split."
    )


def _ordering(found: Ordering) -> list[str]:
    num_pairs = len(found.agreeing) + len(found.reversed) + len(found.noisy)
    tau = "" if found.kendall_tau is None else f" Kendall's tau of all rows is {found.kendall_tau:+.2f}."
    lines = [
        f"Order: of {num_pairs} pair{'s' * (num_pairs != 1)} of rows, compared on their common splits, "
        f"{len(found.agreeing)} are ordered as published, {len(found.reversed)} the other way round, and "
        f"{len(found.noisy)} within noise.{tau}"
    ]
    for title, pairs in (
        ("As published", found.agreeing),
        ("The other way round", found.reversed),
        ("Within noise", found.noisy),
    ):
        if pairs:
            lines += ["", f"{title}:", "", *(f"- {better} above {worse}" for better, worse in pairs)]
    return lines
