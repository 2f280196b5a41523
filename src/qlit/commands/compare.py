"""`qlit compare`: compare runs, or configs trained on the same splits, with intervals and tests."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from qlit.commands.parsers.compare import NUM_SEEDS, parser_of
from qlit.comparisons.comparison import Model, compare
from qlit.comparisons.models import models_of_runs
from qlit.comparisons.pareto import pareto_fronts
from qlit.jobs.config.arguments import split_overrides
from qlit.jobs.config.options import value_of
from qlit.jobs.config.trained_models import trained_model_of
from qlit.jobs.estimates.operations import operations_of
from qlit.jobs.series import Candidate, Series, candidate_of, stopped_status
from qlit.jobs.terminal import quieten
from qlit.reports.comparison_figure import comparison_figure
from qlit.reports.comparison_text import comparison_text
from qlit.reports.pareto import pareto_figure, pareto_text
from qlit.runtime.errors import UsageError
from qlit.runtime.output_files import check_output
from qlit.tracking.kept_runs import KeptRuns

_MAX_SEEDS = 10_000


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit compare` and return its exit status."""
    options, overrides = parse_arguments(arguments)
    quieten()
    candidates = candidates_of(options, overrides)
    if not candidates:
        models, stores = _models_of_runs(options.runs, overrides)
    else:
        series = _series(candidates)
        if (stopped := series.train()) is not None:
            return stopped_status(command, stopped)
        models, stores = _models_of_series(series), series.stores
    comparison = compare(models, None if options.margin is None else options.margin / 100)
    fronts = pareto_fronts(comparison, _operations(models, stores)) if options.pareto else ()
    if options.against_first:  # after the fronts, whose models are compared with each other
        reference = comparison.models[0].name
        comparison = replace(comparison, pairs=tuple(each for each in comparison.pairs if each.first == reference))
    if options.json:
        found = asdict(comparison) | ({"pareto": [asdict(front) for front in fronts]} if fronts else {})
        text = json.dumps(found, indent=2, allow_nan=False)
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    if options.plot:
        comparison_figure(comparison).savefig(options.plot)
    if options.pareto:
        splits = f"{comparison.num_splits} split{'s' * (comparison.num_splits > 1)}"
        title = f"{comparison.dataset}: accuracy against cost, {splits}"
        pareto_figure(fronts, title).savefig(options.pareto)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    texts = [comparison_text(comparison, width), *([pareto_text(fronts)] if fronts else [])]
    print("\n\n".join(texts))  # last, so that a closed pipe (`| head`) does not prevent the files
    return 0


def parse_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return the options of the command and those for its configs.

    Raises:
        UsageError, ValueError, FileNotFoundError: If the options are invalid, or an output file cannot be written.
    """
    own, overrides = split_overrides(arguments)
    options = parser_of("qlit compare").parse(own)
    if options.margin is not None and not 0 < options.margin <= 100:  # also for NaN
        raise UsageError(f"`0 < --margin <= 100` points must hold, but got {options.margin:g}.")
    check_output(options.json)
    for figure in (options.plot, options.pareto):
        check_output(figure, suffixes=(".png", ".svg", ".pdf"))
    return options, overrides


def candidates_of(options: argparse.Namespace, overrides: Sequence[str]) -> list[Candidate]:
    """The models to train with the same seeds; empty if the command compares runs.

    Raises:
        UsageError, ValueError, FileNotFoundError: If the options do not fit together, or a config does not exist.
    """
    configs = options.config
    if bool(options.runs) == bool(configs):
        raise UsageError("give ids of runs, or configs with --config" + (", not both." if options.runs else "."))
    if options.runs:
        if options.seeds is not None or options.first_seed is not None:
            raise UsageError("runs are compared as they are: --seeds and --first_seed go with --config.")
        return []
    if len(configs) < 2:
        raise UsageError(f"a comparison needs two configs at least, but got one, {configs[0]}.")
    num_seeds, first = NUM_SEEDS if options.seeds is None else options.seeds, options.first_seed or 0
    if not 1 <= num_seeds <= _MAX_SEEDS:
        bound = "--seeds >= 1" if num_seeds < 1 else f"--seeds <= {_MAX_SEEDS:,}"
        raise UsageError(f"`{bound}` must hold, but got {num_seeds}.")
    if first < 0:
        raise UsageError(f"`--first_seed >= 0` must hold, but got {first}.")
    candidates = [candidate_of(config, overrides, range(first, first + num_seeds)) for config in configs]
    for number, candidate in enumerate(candidates):
        if candidate in candidates[:number]:
            raise UsageError(f"the config {configs[number]} is given twice.")
    if len({each.name for each in candidates}) < len(candidates):  # files with the same name in two folders
        candidates = [replace(each, name=config) for each, config in zip(candidates, configs, strict=True)]
    return candidates


def _series(candidates: Sequence[Candidate]) -> Series:
    """The trainings of candidates on the same data."""
    series = Series(candidates)
    data = {contents.data: candidate.name for candidate, contents in zip(candidates, series.contents(), strict=True)}
    if len(data) > 1:
        raise ValueError(
            f"A comparison is of models on the same data, but the sentences or labels of {' and '.join(data.values())} "
            "differ: give all configs one `data.source`."
        )
    return series


def _models_of_series(series: Series) -> list[Model]:
    if diverged := series.diverged_text():  # a mean of the others alone would be too high
        raise ValueError(f"There is nothing to compare with, as {diverged}")
    return [
        Model(candidate.name, tuple(runs[seed] for seed in candidate.seeds))
        for candidate, runs in zip(series.candidates, series.runs, strict=True)
    ]


def _operations(models: Sequence[Model], stores: Sequence[KeptRuns]) -> dict[str, int | None]:
    """Operations of an inference by model, from the configs of their runs; None for classes that are not qlit's."""
    found: dict[str, int | None] = {}
    for model, store in zip(models, stores, strict=True):
        text = store.text(model.runs[0].run_id, "config.yaml")
        found[model.name] = None
        with suppress(UsageError, ValueError):  # the store may be shared, so only listed classes are made
            width = model.runs[0].tags.get("data.num_features", "")
            if text is not None:
                num_features = int(width) if width.isdecimal() else None
                found[model.name] = operations_of(trained_model_of(text)[0].head, num_features)
    return found


def _models_of_runs(run_ids: Sequence[str], overrides: Sequence[str]) -> tuple[list[Model], list[KeptRuns]]:
    uri = value_of("--tracking.tracking_uri", overrides)
    if overrides and uri is None:
        raise UsageError("runs are compared as they are: options of configs go with --config.")
    if len(run_ids) < 2:
        raise UsageError(f"a comparison needs two runs at least, but got one, {run_ids[0]}.")
    kept = KeptRuns(uri)
    models = models_of_runs([kept.read(run_id) for run_id in run_ids])
    return models, [kept] * len(models)
